// Owns: the courses that follow from where a release stands: none, ahead, or back.
import { judge, type Verdict } from "../analysis/judge.ts";
import type { Desired, Strategy } from "../model/desired.ts";
import type { Observed, ReleaseState } from "../model/observed.ts";
import type { Revision } from "../model/pod.ts";
import type { Course } from "../plan/course.ts";
import type { PodView } from "../plan/survey.ts";
import { stepsOf } from "./steps.ts";

/** What a release is steered by. */
export interface Scene {
  readonly observed: Observed;
  readonly desired: Desired;
  readonly views: readonly PodView[];
  readonly replicas: number;
  readonly nowMs: number;
}

/** Without a release. */
export function steady(stable: Revision, { replicas, observed, desired }: Scene): Course {
  return {
    to: stable,
    from: stable,
    cause: "release",
    isReleasing: false,
    share: 1,
    replicas,
    surge: 1,
    drainsMax: 1,
    allFirst: false,
    isStepped: false,
    keepsEmptied: false,
    held: heldBy(observed, desired),
  };
}

function heldBy({ lagMs }: Observed, { release }: Desired): Course["held"] {
  if (release.isPaused) return "paused";
  return lagMs > 0 ? "behind" : undefined;
}

/** Towards the new revision, as far as its step goes. */
export function aheadCourse(release: ReleaseState, scene: Scene): Course {
  const { strategy } = scene.desired.release;
  const step = stepsOf(strategy)[release.step];
  const all = Math.max(1, scene.replicas);
  const isWhole = strategy.kind === "BlueGreen";
  return {
    ...steady(release.to, scene),
    from: release.from,
    isReleasing: true,
    share: step?.share ?? 1,
    surge: isWhole ? all : 1,
    drainsMax: isWhole ? all : 1,
    allFirst: isWhole,
    isStepped: strategy.kind === "Canary",
    keepsEmptied: isWhole && !isKeptLongEnough(release, strategy.keepOldMs, scene),
  };
}

function isKeptLongEnough(release: ReleaseState, keepOldMs: number, scene: Scene): boolean {
  const { reachedAtMs } = release;
  if (reachedAtMs === undefined || scene.nowMs - reachedAtMs < keepOldMs) return false;
  const { strategy } = scene.desired.release;
  if (hasWaited(strategy, scene.observed)) return true;
  const verdict = verdictOf(strategy, scene.observed);
  return verdict === undefined || verdict.outcome === "good";
}

/** Everybody goes back as fast as there are places: the old pods are all made at once. */
export function backCourse(release: ReleaseState, scene: Scene): Course {
  const all = Math.max(1, scene.replicas, scene.views.length);
  return {
    ...steady(release.from, scene),
    cause: "rollback",
    isReleasing: true,
    surge: all,
    drainsMax: all,
    // Whoever is on a bad revision does not wait.
    held: undefined,
  };
}

/** What the analysis says, if the strategy has one and figures are there. */
export function verdictOf(strategy: Strategy, { tallies }: Observed): Verdict | undefined {
  if (strategy.kind === "Rolling" || tallies === undefined) return undefined;
  return judge(tallies.canary, tallies.stable, strategy.analysis);
}

/** It waited for a verdict as long as it may, by a clock that does not jump. */
export function hasWaited(strategy: Strategy, { progressWatchedMs }: Observed): boolean {
  return strategy.kind === "Rolling" || progressWatchedMs >= strategy.analysis.waitMsMax;
}
