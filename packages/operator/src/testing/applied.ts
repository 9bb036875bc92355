// Owns: what would be seen if all of a decision were done, and nothing else happened.
import type { Action } from "../model/actions.ts";
import type { Observed } from "../model/observed.ts";
import type { DrainMark, ObservedPod } from "../model/pod.ts";

const next = (version: string): string => `${version}'`;

/** Actions whose object was written to since are refused, as in Kubernetes. */
export function applied(observed: Observed, actions: readonly Action[]): Observed {
  return actions.reduce(one, observed);
}

function one(observed: Observed, action: Action): Observed {
  switch (action.kind) {
    case "event":
    case "shed":
      return observed;
    case "set-status":
      return observed.resourceVersion === action.resourceVersion
        ? {
            ...observed,
            status: action.status,
            resourceVersion: next(action.resourceVersion),
            progressWatchedMs:
              observed.status?.release?.progress === action.status.release?.progress
                ? observed.progressWatchedMs
                : 0,
          }
        : observed;
    case "scale-revision":
      return scaled(observed, action);
    case "remove-pod":
      return {
        ...observed,
        pods: observed.pods.filter((pod) => !isIt(pod, action.pod)),
        replicaSets: observed.replicaSets.map((set) => ({
          ...set,
          replicasSeen:
            set.replicasSeen -
            observed.pods.filter((pod) => isIt(pod, action.pod) && pod.revision === set.revision)
              .length,
        })),
      };
    case "order-drain":
    case "cancel-drain":
      return changed(observed, action.pod, (pod) => marked(pod, action.mark));
    case "set-receiving":
      return changed(observed, action.pod, (pod) => ({
        ...pod,
        receives: action.receives,
        receivesWatchedMs: pod.receives === action.receives ? pod.receivesWatchedMs : 0,
      }));
    case "set-deletion-cost":
      return changed(observed, action.pod, (pod) => ({ ...pod, deletionCost: action.cost }));
    case "set-protection":
      return changed(observed, action.pod, (pod) => ({ ...pod, isProtected: action.isProtected }));
  }
}

type AsSeen = Extract<Action, { kind: "remove-pod" }>["pod"];

const isIt = (pod: ObservedPod, seen: AsSeen): boolean =>
  pod.uid === seen.uid && pod.resourceVersion === seen.resourceVersion;

function changed(
  observed: Observed,
  seen: AsSeen,
  change: (pod: ObservedPod) => ObservedPod,
): Observed {
  const pods = observed.pods.map((pod) => {
    if (!isIt(pod, seen)) return pod;
    const after = change(pod);
    return isWritten(pod, after) ? { ...after, resourceVersion: next(pod.resourceVersion) } : after;
  });
  return { ...observed, pods };
}

/** An order that is given again writes nothing. */
const isWritten = (before: ObservedPod, after: ObservedPod): boolean =>
  before.mark?.token !== after.mark?.token ||
  before.mark?.wants !== after.mark?.wants ||
  before.deletionCost !== after.deletionCost ||
  before.isProtected !== after.isProtected ||
  before.receives !== after.receives;

const isAgain = (pod: ObservedPod, mark: DrainMark): boolean =>
  pod.mark?.token === mark.token && pod.mark.wants === mark.wants;

/** The data plane obeys at once. */
function marked(pod: ObservedPod, mark: DrainMark): ObservedPod {
  const { report } = pod;
  return {
    ...pod,
    mark,
    markWatchedMs: pod.mark?.token === mark.token ? pod.markWatchedMs : 0,
    deletionCost: mark.wants === "drain" ? 2_147_483_647 : 0,
    isProtected: true,
    receives: isAgain(pod, mark) ? pod.receives : mark.wants === "serve",
    receivesWatchedMs: isAgain(pod, mark) ? pod.receivesWatchedMs : 0,
    ...(report === undefined || report.state === "starting"
      ? {}
      : {
          report: {
            ...report,
            fence: mark.token,
            state: mark.wants === "drain" ? "draining" : "ready",
            ...(mark.wants === "drain" ? { drainLeftMs: mark.windowMs } : {}),
          },
        }),
  };
}

function scaled(
  observed: Observed,
  { revision, replicas, resourceVersion }: Extract<Action, { kind: "scale-revision" }>,
): Observed {
  const set = observed.replicaSets.find((has) => has.revision === revision);
  if (set?.resourceVersion !== resourceVersion) return observed;
  const after = {
    revision,
    replicas,
    replicasSeen: set?.replicasSeen ?? 0,
    resourceVersion: next(resourceVersion ?? "new"),
  };
  return {
    ...observed,
    replicaSets: [...observed.replicaSets.filter((has) => has !== set), after],
  };
}
