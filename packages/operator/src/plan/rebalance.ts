// Owns: evening out a set in which nothing else is under way: which pods give sessions to emptier
// pods of their own revision, how many at a time, and when that rests.
import type { Action } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { RebalancingState } from "../model/observed.ts";
import type { Course } from "./course.ts";
import type { Going } from "./going.ts";
import { meanOf } from "./level.ts";
import { asSeen } from "./orders.ts";
import { isLeavingMachine, isStaying, type PodView } from "./survey.ts";

/**
 * How long a set rests after it was evened out, and after a release, in ms. So nobody moves twice
 * in this time.
 */
export const REST_MS = 300_000;
/** An evening-out that comes to no end is over after this, in ms. */
const EVENING_MS_MAX = 600_000;
/** Pods that give at a time in one evening-out. The fullest come first. */
export const GIVERS_MAX = 16;
/** Sessions of one order: at least this many, and this part of the mean. */
const PORTION_MIN = 4;
const PORTION = 0.05;

/** What is done about pods that carry more than others. */
export interface Rebalancing {
  readonly state: RebalancingState | undefined;
  /** Pods that give now, with how many sessions they are above the mean. */
  readonly givers: ReadonlyMap<PodView, number>;
}

export interface RebalancingScene {
  readonly before: RebalancingState | undefined;
  readonly course: Course;
  readonly going: Going;
  /** A release ends with this decision. */
  readonly ends: boolean;
  readonly wish: Desired["rebalance"];
  readonly nowMs: number;
}

/**
 * Those who give are chosen once, and only others receive. So nobody is moved on in the same
 * evening-out. What is remembered is in the status: another operator goes on, or rests.
 */
export function rebalancing(views: readonly PodView[], scene: RebalancingScene): Rebalancing {
  const { before, wish, ends, nowMs } = scene;
  // A time in the future was written before the clock went back.
  const sinceMs = Math.min(before?.sinceMs ?? nowMs, nowMs);
  const isUnderWay = before !== undefined && before.givers.length > 0;
  const rest: Rebalancing = { state: { givers: [], sinceMs: nowMs }, givers: new Map() };
  const excess = excessOf(views);
  // A release has just moved everybody.
  if (ends) return rest;
  if (!wish.isEnabled || !isCalm(views, scene))
    return isUnderWay ? rest : still(before, sinceMs, nowMs);
  if (isUnderWay) {
    const left = views.filter(
      (view) =>
        before.givers.includes(view.pod.name) &&
        (excess.get(view) ?? 0) >= 1 &&
        view.load > view.fixedSockets,
    );
    if (left.length === 0 || nowMs - sinceMs >= EVENING_MS_MAX) return rest;
    return under(left, sinceMs, excess);
  }
  const resting = still(before, sinceMs, nowMs);
  if (resting.state !== undefined) return resting;
  const mean = meanOf(views);
  const above = views
    .filter((view) => isAbove(excess.get(view) ?? 0, mean, wish))
    .sort((a, b) => b.load - a.load)
    .slice(0, GIVERS_MAX);
  return above.length === 0 ? resting : under(above, nowMs, excess);
}

function under(
  givers: readonly PodView[],
  sinceMs: number,
  excess: ReadonlyMap<PodView, number>,
): Rebalancing {
  const names = givers.map(({ pod }) => pod.name).sort();
  return {
    state: { givers: names, sinceMs },
    givers: new Map(givers.map((view) => [view, Math.floor(excess.get(view) ?? 0)])),
  };
}

/** It rests, or there is nothing to remember. */
function still(before: RebalancingState | undefined, sinceMs: number, nowMs: number): Rebalancing {
  const isResting = before !== undefined && nowMs - sinceMs < REST_MS;
  return { state: isResting ? { givers: [], sinceMs } : undefined, givers: new Map() };
}

const excessOf = (views: readonly PodView[]): ReadonlyMap<PodView, number> => {
  const mean = meanOf(views);
  return new Map(views.map((view) => [view, view.load - mean]));
};

/** The nodes' own rule (`excessSessions` of packages/core). */
const isAbove = (
  excess: number,
  mean: number,
  { tolerance, sessionsMin }: Desired["rebalance"],
): boolean => excess > mean * tolerance && excess >= sessionsMin;

/** Neither a release nor a drain, a machine that goes, a pause or a change of the number. */
function isCalm(views: readonly PodView[], { course, going }: RebalancingScene): boolean {
  return (
    !course.isReleasing &&
    course.held === undefined &&
    going.starts.length === 0 &&
    views.length === course.replicas &&
    views.every(
      (view) =>
        isStaying(view) &&
        !isLeavingMachine(view) &&
        view.stage === "ready" &&
        view.pod.revision === course.to,
    )
  );
}

/**
 * Orders to give a small portion. One pod of a machine at a time: the one that gives already, and
 * else the fullest. The same order comes out until it is obeyed.
 */
export function portions(
  views: readonly PodView[],
  givers: Rebalancing["givers"],
): readonly Action[] {
  const portion = Math.max(PORTION_MIN, Math.ceil(PORTION * meanOf(views)));
  const machines = new Set<string>();
  return [...givers]
    .sort(([a, x], [b, y]) => Number(gives(b)) - Number(gives(a)) || y - x)
    .flatMap(([view, excess]): readonly Action[] => {
      const { pod, load, fixedSockets } = view;
      const machine = pod.machine ?? pod.name;
      if (machines.has(machine)) return [];
      machines.add(machine);
      const sessions = load - fixedSockets;
      const count = Math.min(excess, portion, sessions);
      if (gives(view) || count <= 0) return [];
      const sessionsKept = sessions - count;
      return [{ kind: "shed", pod: asSeen(pod), sessionsKept, toRevision: pod.revision }];
    });
}

/** It follows such an order now. */
export const gives = ({ pod }: PodView): boolean =>
  (pod.report?.shed?.remaining ?? 0) > 0 && pod.report?.shed?.toRevision === pod.revision;
