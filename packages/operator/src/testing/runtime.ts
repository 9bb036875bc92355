// Owns: the simulated runtime below the decisions: it does the actions, and may be killed at any
// step of them.
import type { Action, PodAsSeen } from "../model/actions.ts";
import type { DrainMark } from "../model/pod.ts";
import { lastsMs } from "../plan/survey.ts";
import type { Cluster, TruePod } from "./cluster.ts";

export type Outcome = "done" | "refused";

/** Does one action. `half`: the process dies between the pod's mark and the order to its plane. */
export function act(cluster: Cluster, action: Action, half = false): Outcome {
  switch (action.kind) {
    case "event":
      return "done";
    case "set-status":
      if (String(cluster.statusVersion) !== action.resourceVersion) return "refused";
      cluster.status = action.status;
      cluster.statusVersion += 1;
      return "done";
    case "scale-revision":
      return scale(cluster, action);
    case "order-drain":
    case "cancel-drain":
      return order(cluster, action.pod, { mark: action.mark, half });
    case "shed": {
      const pod = find(cluster, action.pod);
      if (pod === undefined) return "refused";
      if (!pod.plane.refuses)
        pod.plane.keep = {
          sessions: action.sessionsKept,
          toRevision: action.toRevision,
          orderedIn: cluster.releaseKey(),
        };
      return "done";
    }
    case "set-deletion-cost":
      return write(cluster, action.pod, (pod) => {
        const isSame = pod.cost === action.cost;
        pod.cost = action.cost;
        return isSame;
      });
    case "set-protection":
      return write(cluster, action.pod, (pod) => {
        pod.isProtected = action.isProtected;
        return false;
      });
    case "set-receiving":
      return write(cluster, action.pod, (pod) => {
        pod.receives = action.receives;
        return false;
      });
    case "remove-pod": {
      const pod = find(cluster, action.pod);
      if (pod === undefined || String(pod.version) !== action.pod.resourceVersion) return "refused";
      cluster.delete(pod, "the operator");
      return "done";
    }
  }
}

function scale(cluster: Cluster, action: Extract<Action, { kind: "scale-revision" }>): Outcome {
  const { revision, replicas, resourceVersion } = action;
  const set = cluster.sets.get(revision);
  if (set === undefined && resourceVersion === undefined) {
    cluster.sets.set(revision, {
      revision,
      version: cluster.bump(),
      replicas,
      seen: 0,
      lateUntilMs: 0,
    });
    return "done";
  }
  if (set === undefined || String(set.version) !== resourceVersion) return "refused";
  set.replicas = replicas;
  set.version = cluster.bump();
  return "done";
}

function find(cluster: Cluster, { name, uid }: PodAsSeen): TruePod | undefined {
  const pod = cluster.pods.get(name);
  return pod?.uid === uid ? pod : undefined;
}

/** A write that changes nothing leaves the version as it is. */
function write(cluster: Cluster, seen: PodAsSeen, change: (pod: TruePod) => boolean): Outcome {
  const pod = find(cluster, seen);
  if (pod === undefined || String(pod.version) !== seen.resourceVersion) return "refused";
  if (!change(pod)) pod.version = cluster.bump();
  return "done";
}

function order(
  cluster: Cluster,
  seen: PodAsSeen,
  { mark, half }: { readonly mark: DrainMark; readonly half: boolean },
): Outcome {
  const pod = find(cluster, seen);
  if (pod === undefined) return "refused";
  const has = pod.mark?.token === mark.token && pod.mark.wants === mark.wants;
  if (!has) {
    const outcome = write(cluster, seen, (one) => {
      one.mark = mark;
      if (mark.wants === "drain") one.markedIn = cluster.releaseKey();
      one.cost = mark.wants === "drain" ? 2_147_483_647 : 0;
      one.isProtected = true;
      one.receives = mark.wants === "serve";
      one.deadlineMs = cluster.nowMs + (mark.wants === "drain" ? lastsMs(mark) : 0);
      return false;
    });
    if (outcome === "refused") return outcome;
  }
  if (!half && !cluster.random.chance(0.03)) tell(cluster, pod, mark);
  return "done";
}

/** The data plane obeys, unless it heard of a later order. */
function tell(cluster: Cluster, { plane, phase }: TruePod, mark: DrainMark): void {
  if (phase !== "Running" || plane.refuses || mark.token < plane.fence) return;
  if (mark.wants === "drain") {
    plane.toRevision = mark.toRevision;
    if (plane.fence === mark.token && plane.state === "draining") return;
    plane.isPreferred = mark.cause === "machine";
    // A drain that runs has no new delay.
    const delayMs = plane.state === "draining" ? 0 : (mark.preDelayMs ?? 0);
    if (plane.state !== "draining") plane.movesAtMs = cluster.nowMs + delayMs;
    plane.endsAtMs = Math.max(plane.movesAtMs, cluster.nowMs + delayMs) + mark.windowMs;
    plane.state = "draining";
  } else if (plane.state === "draining") plane.state = "ready";
  plane.fence = mark.token;
}
