// Owns: what is true of each pod, derived from what was observed: in which stage it is, what it
// carries, and what it can take.
import type { DrainWanted } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { Observed, ObservedMachine } from "../model/observed.ts";
import type { ObservedPod } from "../model/pod.ts";

/** Figures of a pod that are older than this say what it carried, not what it does. */
export const REPORT_AGE_MAX_MS = 10_000;
/** How much longer than its window a drain is waited for: it may have begun late. */
export const DEADLINE_MARGIN_MS = 5_000;

export type Stage =
  /** It cannot have sessions: no process of it has run. */
  | "unborn"
  /** It is not ready, or was not heard of lately. It may carry sessions. */
  | "unready"
  | "ready"
  /** It was told to drain, and carries sessions. */
  | "draining"
  /** It obeyed and nobody is on it: nobody can come. */
  | "emptied"
  /** Its deadline is over. */
  | "overdue";

/** A pod with what follows from it. */
export interface PodView {
  readonly pod: ObservedPod;
  readonly stage: Stage;
  /** All that it carries or carried when it was last heard of, movable or not. */
  readonly load: number;
  readonly fixedSockets: number;
  /** Connections that it can carry. */
  readonly places: number;
  /** Ready for long enough that others may drain into it. */
  readonly isWarm: boolean;
  /** It was made long ago, and is not ready for long enough. */
  readonly isLate: boolean;
  readonly mark: DrainWanted | undefined;
  readonly machine: ObservedMachine | undefined;
}

/** The pods that count, by name. Those that end by themselves do not. */
export function survey(observed: Observed, desired: Desired, nowMs: number): readonly PodView[] {
  const machines = new Map(observed.machines.map((machine) => [machine.name, machine]));
  return observed.pods
    .filter(isActive)
    .map((pod) => viewOf(pod, desired, nowMs, machines.get(pod.machine ?? "")))
    .sort((a, b) => (a.pod.name < b.pod.name ? -1 : 1));
}

/** Pods that a ReplicaSet counts. */
export function isActive({
  isTerminating,
  phase,
}: Pick<ObservedPod, "isTerminating" | "phase">): boolean {
  return !isTerminating && phase !== "Succeeded" && phase !== "Failed";
}

function viewOf(
  pod: ObservedPod,
  desired: Desired,
  nowMs: number,
  machine: ObservedMachine | undefined,
): PodView {
  const mark = pod.mark?.wants === "drain" ? pod.mark : undefined;
  const { report } = pod;
  const stage = mark === undefined ? servingStage(pod) : drainStage(pod, mark);
  const readyMs = pod.readySinceMs === undefined ? 0 : nowMs - pod.readySinceMs;
  // A clock that went back would make a pod cold for as long: a negative age counts as warm.
  const isWarm = stage === "ready" && (readyMs >= desired.warmMs || readyMs < 0);
  const lateMs = desired.disruption.replacementMsMax + desired.warmMs;
  return {
    pod,
    stage,
    load: (report?.sessions ?? 0) + (report?.fixedSockets ?? 0),
    fixedSockets: report?.fixedSockets ?? 0,
    places: report?.connectionsMax ?? desired.connections.perPod,
    isWarm,
    isLate: !isWarm && nowMs - pod.createdAtMs >= lateMs,
    mark,
    machine,
  };
}

function servingStage(pod: ObservedPod): Stage {
  if (isUnborn(pod)) return "unborn";
  return pod.isReady && pod.report?.state === "ready" && isHeard(pod) ? "ready" : "unready";
}

function drainStage(pod: ObservedPod, mark: DrainWanted): Stage {
  if (isUnborn(pod)) return "emptied";
  const { report } = pod;
  // A report from before this order says nothing of who came since.
  const obeys = report?.state === "draining" && report.fence === mark.token;
  // Before its window begins it takes newcomers. So the window had begun when it said so.
  const isClosed = (report?.drainLeftMs ?? 0) + (report?.ageMs ?? 0) <= mark.windowMs;
  if (obeys && isClosed && report.sessions + report.fixedSockets === 0) return "emptied";
  // A node reports no less than 0. So this is a pod that was heard of last when its time was short,
  // and not since. One that reports people after its time is ended by what this operator watched.
  const isOver =
    (obeys && (report.drainLeftMs ?? 1) <= -DEADLINE_MARGIN_MS) ||
    pod.markWatchedMs >= lastsMs(mark) + DEADLINE_MARGIN_MS;
  return isOver ? "overdue" : "draining";
}

/** From the order to the end of the window, in ms. */
export const lastsMs = ({ windowMs, preDelayMs = 0 }: DrainWanted): number => windowMs + preDelayMs;

/** No process of it has run. */
export const isUnborn = (pod: ObservedPod): boolean =>
  pod.phase === "Pending" && pod.report === undefined;

/** Whether its data plane spoke lately. */
export function isHeard({ report }: ObservedPod): boolean {
  return report !== undefined && report.ageMs <= REPORT_AGE_MAX_MS;
}

/**
 * Whether it gives its places back if it is to serve again. Kubernetes takes no pod for ready that
 * drains, so its data plane is asked.
 */
export function canServe({ report, isReady, phase }: ObservedPod): boolean {
  if (report === undefined || report.ageMs > REPORT_AGE_MAX_MS || phase !== "Running") return false;
  return isReady || report.state === "draining";
}

/** A pod that serves and was not told to go. */
export const isStaying = (view: PodView): boolean => view.mark === undefined;

/** Whether its machine is about to go. */
export const isLeavingMachine = ({ machine }: PodView): boolean => machine?.going !== undefined;
