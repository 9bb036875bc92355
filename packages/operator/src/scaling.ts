// Owns: how many pods serve. More at once; fewer one by one, after a while, and never while a
// release or a drain is unsettled.
import type { Desired } from "./model/desired.ts";
import type { AutoscalingState, Observed } from "./model/observed.ts";
import { connectionsOf, podsFor } from "./plan/places.ts";
import { isHeard, isLeavingMachine, isStaying, type PodView, survey } from "./plan/survey.ts";

/** The number, what to remember, and why it is not lower yet. */
export interface Scaling {
  readonly replicas: number;
  readonly state?: AutoscalingState;
  readonly waits: readonly string[];
}

/** `desired.replicas`, unless the set scales itself. */
export function scale(
  observed: Observed,
  desired: Desired,
  views: readonly PodView[],
  nowMs: number,
): Scaling {
  const { autoscaling } = desired;
  if (autoscaling === undefined) return { replicas: desired.replicas, waits: [] };
  const { replicasMin, replicasMax, downAfterMs } = autoscaling;
  const clamp = (count: number): number => Math.min(replicasMax, Math.max(replicasMin, count));
  const before = observed.status?.autoscaling;
  const current = clamp(before?.replicas ?? desired.replicas);
  const needed = clamp(neededBy(observed, desired, views));
  if (needed >= current) return { replicas: needed, state: { replicas: needed }, waits: [] };
  // A time in the future was written before the clock went back.
  const since = Math.min(before?.lowSinceMs ?? nowMs, nowMs);
  const stays = { replicas: current, state: { replicas: current, lowSinceMs: since } };
  if (nowMs - since < downAfterMs)
    return { ...stays, waits: [`${needed} pods would do; one goes if that lasts.`] };
  if (!isSettled(observed, views, current))
    return { ...stays, waits: [`${needed} pods would do; one goes when this is over.`] };
  const replicas = current - 1;
  const state = replicas > needed ? { replicas, lowSinceMs: since } : { replicas };
  return { replicas, state, waits: [] };
}

/** What an autoscaler is told of a set that does not scale itself. */
export interface Demand {
  /** Pods that the set needs, one more for one that may die. At least 1. */
  readonly pods: number;
  /** Fewer would do. The number is the wished one until nothing is under way any more. */
  readonly isHeld: boolean;
}

/**
 * The number at which the set's own autoscaling would arrive, before its limits and its patience.
 * Undefined if pods run and none has said anything yet: nobody knows who is on them.
 */
export function demandOf(observed: Observed, desired: Desired, nowMs: number): Demand | undefined {
  const views = survey(observed, desired, nowMs);
  const running = views.filter(({ pod }) => pod.phase === "Running");
  if (running.length > 0 && running.every(({ pod }) => pod.report === undefined)) return undefined;
  const needed = neededBy(observed, desired, views);
  const isHeld = needed < desired.replicas && !isSettled(observed, views, desired.replicas);
  return { pods: isHeld ? desired.replicas : needed, isHeld };
}

function neededBy(observed: Observed, desired: Desired, views: readonly PodView[]): number {
  return podsFor(connectionsOf(views) + waitingAt(views) + observed.announcedConnections, {
    perPod: placesPerPod(views, desired),
    headroom: desired.connections.headroom,
  });
}

/** Whoever was turned away lately has no place yet. Old reports say nothing of now. */
function waitingAt(views: readonly PodView[]): number {
  return views.reduce((sum, { pod }) => sum + (isHeard(pod) ? (pod.report?.waiting ?? 0) : 0), 0);
}

/** Neither a release nor a drain nor a change of the number is under way. */
function isSettled(observed: Observed, views: readonly PodView[], replicas: number): boolean {
  return (
    observed.status?.release === undefined &&
    views.length === replicas &&
    views.every((view) => isStaying(view) && !isLeavingMachine(view) && view.stage === "ready")
  );
}

/** What a pod carries: the middle of what the ready pods say of themselves. */
function placesPerPod(views: readonly PodView[], desired: Desired): number {
  const said = views
    .filter(({ stage }) => stage === "ready")
    .map(({ places }) => places)
    .sort((a, b) => a - b);
  return said[Math.floor((said.length - 1) / 2)] ?? desired.connections.perPod;
}
