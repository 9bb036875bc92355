// Owns: where a release stands and where it goes: it begins, takes its steps, ends, or goes back.
import type { EventReason } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import { REJECTED_MAX, type ReleaseState } from "../model/observed.ts";
import type { Revision } from "../model/pod.ts";
import type { Course } from "../plan/course.ts";
import { aheadCourse, backCourse, hasWaited, type Scene, steady, verdictOf } from "./courses.ts";
import { acceptsNobody, isComplete, isReached, progressOf } from "./reached.ts";
import { stepsOf } from "./steps.ts";

/** Something that people are told. */
export interface News {
  readonly reason: EventReason;
  readonly text: string;
}

/** Which way, and what to remember of it. */
export interface Steering {
  readonly course: Course;
  readonly stable: Revision;
  readonly release?: ReleaseState;
  readonly rejected: readonly Revision[];
  readonly news: readonly News[];
  readonly waits: readonly string[];
  /** What it waits for comes by itself: time, people, a verdict. */
  readonly isTimed?: true;
}

/** Steers by what was remembered and what is seen. */
export function steer(scene: Scene): Steering {
  const { observed, desired } = scene;
  const stable = observed.status?.stable ?? commonRevision(scene);
  const rejected = (observed.status?.rejected ?? []).filter(
    (revision) => revision !== desired.release.retried,
  );
  const before = observed.status?.release;
  if (before === undefined) return rest({ stable, rejected }, scene);
  const release = turned(before, scene);
  return release.phase === "rolling-back"
    ? rollBack(release, { stable, rejected, news: newsOf(before, release) }, scene)
    : advance(release, { stable, rejected }, scene);
}

/**
 * An adopted set has the revision of most of its pods, whoever made them. Its ReplicaSets may not
 * be seen yet. If two are alike, it is the one that is not wished: it may have to be gone back to.
 */
function commonRevision({ observed, desired, views }: Scene): Revision {
  const counts = new Map<Revision, number>();
  for (const { revision, replicas } of observed.replicaSets) counts.set(revision, replicas);
  for (const { pod } of views) {
    const seen = views.filter((view) => view.pod.revision === pod.revision).length;
    counts.set(pod.revision, Math.max(seen, counts.get(pod.revision) ?? 0));
  }
  const isWished = (revision: Revision): number => (revision === desired.revision ? 1 : 0);
  const [most] = [...counts].sort(
    ([a, x], [b, y]) => y - x || isWished(a) - isWished(b) || (a < b ? -1 : 1),
  );
  return most !== undefined && most[1] > 0 ? most[0] : desired.revision;
}

interface Memory {
  readonly stable: Revision;
  readonly rejected: readonly Revision[];
  readonly news?: readonly News[];
}

/** No release is under way: one begins, if there is another revision that was not rejected. */
function rest({ stable, rejected, news = [] }: Memory, scene: Scene): Steering {
  const { revision, release } = scene.desired;
  const still = { course: steady(stable, scene), stable, rejected, news };
  if (revision === stable) return { ...still, waits: [] };
  if (rejected.includes(revision) || release.aborted === revision) {
    const text = `Revision ${revision} was rolled back and is not tried again by itself.`;
    return { ...still, waits: [text] };
  }
  if (release.isPaused) return { ...still, waits: [`The release to ${revision} is paused.`] };
  const begun: ReleaseState = {
    to: revision,
    from: stable,
    phase: "advancing",
    step: 0,
    progress: "",
  };
  const text = `The release from revision ${stable} to ${revision} began.`;
  return advance(
    begun,
    { stable, rejected, news: [...news, { reason: "ReleaseBegan", text }] },
    scene,
  );
}

/** The release after what people and verdicts say of it. */
function turned(release: ReleaseState, scene: Scene): ReleaseState {
  const { observed, desired } = scene;
  if (release.phase === "rolling-back") return release;
  const back = (because: string, isRejected: boolean): ReleaseState => ({
    to: release.to,
    from: release.from,
    phase: "rolling-back",
    step: release.step,
    progress: "",
    because,
    ...(isRejected ? { isRejected } : {}),
  });
  if (desired.release.aborted === release.to) return back("It was aborted.", true);
  if (desired.revision === release.from) return back("The template is the old one again.", false);
  if (desired.revision !== release.to)
    return { to: desired.revision, from: release.from, phase: "advancing", step: 0, progress: "" };
  const verdict = verdictOf(desired.release.strategy, observed);
  if (verdict?.outcome === "bad") return back(verdict.text, true);
  if (refusesAll(release, scene)) {
    const seconds = Math.round(desired.drain.windowMs / 2000);
    return back(`Sessions that were to move did not arrive within ${seconds} s.`, true);
  }
  if (isStalled(release, scene) && hasUnready(release, scene)) {
    const seconds = Math.round(desired.release.progressMsMax / 1000);
    return back(`Its pods were not ready, and it came no further for ${seconds} s.`, true);
  }
  return release;
}

/** Its pods are there, sessions were to move to them, and none arrived. */
function refusesAll(release: ReleaseState, scene: Scene): boolean {
  const { observed, desired, views } = scene;
  if (desired.release.isPaused || release.reachedAtMs !== undefined) return false;
  const step = Math.min(release.step, stepsOf(desired.release.strategy).length - 1);
  const { progressWatchedMs } = observed;
  const { windowMs } = desired.drain;
  const course = aheadCourse({ ...release, step }, scene);
  return acceptsNobody(course, views, { progressWatchedMs, windowMs });
}

/** It came no further for too long, and nobody asked it to wait. */
function isStalled({ reachedAtMs }: ReleaseState, { observed, desired }: Scene): boolean {
  const { progressMsMax, isPaused } = desired.release;
  return !isPaused && reachedAtMs === undefined && observed.progressWatchedMs >= progressMsMax;
}

/** Only pods of the new revision that do not become ready speak against it. */
function hasUnready({ to }: ReleaseState, { views }: Scene): boolean {
  return views.some(({ pod, isWarm }) => pod.revision === to && !isWarm);
}

function newsOf(before: ReleaseState, after: ReleaseState): readonly News[] {
  if (before.phase === after.phase) return [];
  const text = `Revision ${after.to} is rolled back to ${after.from}. ${after.because ?? ""}`;
  return [{ reason: "RolledBack", text }];
}

function rollBack(release: ReleaseState, memory: Memory, scene: Scene): Steering {
  const { stable, rejected, news = [] } = memory;
  const course = backCourse(release, scene);
  if (!isComplete(course, scene.views)) {
    const progress = progressOf(course, release.step, scene.views);
    const waits = [`Revision ${release.to} is rolled back. ${release.because ?? ""}`];
    return { course, stable, rejected, release: { ...release, progress }, news, waits };
  }
  const text = `Every connection is back on revision ${release.from}. ${release.because ?? ""}`;
  return rest(
    {
      stable: release.from,
      rejected: release.isRejected ? remember(rejected, release.to) : rejected,
      news: [...news, { reason: "ReleaseEnded", text }],
    },
    scene,
  );
}

/** The oldest is forgotten. */
function remember(rejected: readonly Revision[], revision: Revision): readonly Revision[] {
  return [...rejected.filter((one) => one !== revision), revision].slice(-REJECTED_MAX);
}

function advance(release: ReleaseState, memory: Memory, scene: Scene): Steering {
  const { stable, rejected, news = [] } = memory;
  const { views, desired, nowMs } = scene;
  const steps = stepsOf(desired.release.strategy);
  const step = Math.min(release.step, steps.length - 1);
  const course = aheadCourse({ ...release, step }, scene);
  const isWhole = course.share >= 1;
  if (isWhole && isComplete(course, views)) {
    const text = `Every connection is on revision ${release.to}.`;
    return rest(
      { stable: release.to, rejected, news: [...news, { reason: "ReleaseEnded", text }] },
      scene,
    );
  }
  const { reachedAtMs: _, ...unreached } = release;
  const progress = progressOf(course, step, views);
  const base = { course, stable, rejected, news };
  // Old pods that give nothing away do not hold a step up for ever: the verdict has what is there.
  const reached =
    release.reachedAtMs !== undefined ||
    isReached(course, views) ||
    (!isWhole && isStalled(release, scene));
  if (!reached) return { ...base, release: { ...unreached, step, progress }, waits: [] };
  // A time in the future was written before the clock went back.
  const reachedAtMs = Math.min(release.reachedAtMs ?? nowMs, nowMs);
  const waits = isWhole ? [] : holds({ ...release, step, reachedAtMs }, scene);
  if (isWhole || waits.length > 0) {
    const timed = isForPerson(step, desired) ? {} : { isTimed: true as const };
    return { ...base, release: { ...release, step, progress, reachedAtMs }, waits, ...timed };
  }
  const text = `Revision ${release.to} goes on to ${percent(steps[step + 1]?.share ?? 1)}.`;
  const next = { ...unreached, step: step + 1, progress: "" };
  return advance(
    next,
    { stable, rejected, news: [...news, { reason: "ReleaseStepped", text }] },
    anew(scene),
  );
}

/** What was counted and watched belongs to the step before. */
function anew(scene: Scene): Scene {
  const { tallies: _, ...observed } = scene.observed;
  return { ...scene, observed: { ...observed, progressWatchedMs: 0 } };
}

/** Whether only a person ends the wait. */
function isForPerson(step: number, { release: wish }: Desired): boolean {
  return wish.isPaused || stepsOf(wish.strategy)[step]?.pause === "until-promoted";
}

/** Why the next step must wait. */
function holds(
  release: ReleaseState & { readonly reachedAtMs: number },
  { observed, desired, nowMs }: Scene,
): readonly string[] {
  const { strategy, promoted, isPaused } = desired.release;
  const step = stepsOf(strategy)[release.step];
  if (step === undefined) return [];
  const at = `At ${percent(step.share)} on revision ${release.to}`;
  if (isPaused) return [`${at}: the release is paused.`];
  const isPromoted = promoted?.step === "all" || promoted?.step === release.step;
  if (promoted?.revision === release.to && isPromoted) return [];
  if (step.pause === "until-promoted") return [`${at}: it waits to be promoted.`];
  const minutes = observed.tallies?.canary.connectionMinutes ?? 0;
  const mayWait = !hasWaited(strategy, observed);
  if (mayWait && minutes < step.connectionMinutesMin)
    return [`${at}: it waits for ${step.connectionMinutesMin} connection-minutes.`];
  const verdict = verdictOf(strategy, observed);
  if (mayWait && verdict?.outcome === "undecided") return [`${at}: ${verdict.text}`];
  if (nowMs - release.reachedAtMs < step.pause)
    return [`${at}: the step lasts ${Math.round(step.pause / 1000)} s.`];
  return [];
}

const percent = (share: number): string => `${Math.round(share * 1000) / 10} %`;
