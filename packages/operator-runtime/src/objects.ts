// Owns: reading what Kubernetes says of pods, ReplicaSets and machines into the model. Nothing here
// throws: a value of the wrong shape counts as absent.
import { at, type Json, list, number, record, text } from "@holdfast/kube";
import {
  type DrainCause,
  type DrainMark,
  type ObservedMachine,
  type ObservedPod,
  type ObservedReplicaSet,
  TOKEN_MAX,
} from "@holdfast/operator";
import {
  COST_ANNOTATION,
  DRAIN_ANNOTATION,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
  REVISION_LABEL,
} from "./names.ts";

/** A pod without what this process knows of it: its report, and how long it saw its mark. */
export type SeenPod = Omit<ObservedPod, "report" | "markWatchedMs" | "receivesWatchedMs"> & {
  /** Absent until it has one. IPv6 without brackets. */
  readonly address?: string;
};

export const nameOf = (object: Json): string => text(at(object, "metadata", "name")) ?? "";
export const namespaceOf = (object: Json): string =>
  text(at(object, "metadata", "namespace")) ?? "";
export const uidOf = (object: Json): string => text(at(object, "metadata", "uid")) ?? "";
export const versionOf = (object: Json): string =>
  text(at(object, "metadata", "resourceVersion")) ?? "";
export const labelsOf = (object: Json): Json => record(at(object, "metadata", "labels"));
/** Uid of the one owner that makes it and takes it away; undefined if it has none. */
export const controllerOf = (object: Json): string | undefined =>
  text(at(list(at(object, "metadata", "ownerReferences")).find(isController), "uid"));
const isController = (reference: unknown): boolean => at(reference, "controller") === true;
export const annotationsOf = (object: Json): Json => record(at(object, "metadata", "annotations"));

/** Wall time in ms of a time of Kubernetes. */
export function timeMs(value: unknown): number | undefined {
  const ms = Date.parse(text(value) ?? "");
  return Number.isNaN(ms) ? undefined : ms;
}

/** Only what decisions read is kept of a pod: a cluster has many. */
export function keptOfPod(pod: Json): Json {
  const { name, namespace, uid, resourceVersion, labels, annotations } = record(pod.metadata);
  const { deletionTimestamp, creationTimestamp, ownerReferences } = record(pod.metadata);
  const kept = record(annotations);
  return {
    metadata: {
      ...{ name, namespace, uid, resourceVersion, labels, deletionTimestamp, creationTimestamp },
      ownerReferences: list(ownerReferences).filter(isController),
      annotations: {
        ...pick(kept, DRAIN_ANNOTATION),
        ...pick(kept, COST_ANNOTATION),
      },
    },
    spec: { nodeName: at(pod, "spec", "nodeName") },
    status: {
      phase: at(pod, "status", "phase"),
      podIP: at(pod, "status", "podIP"),
      conditions: list(at(pod, "status", "conditions")).filter(
        (one) => at(one, "type") === "Ready",
      ),
    },
  };
}

const pick = (from: Json, key: string): Json => (key in from ? { [key]: from[key] } : {});

export function readPod(pod: Json): SeenPod {
  const labels = labelsOf(pod);
  const annotations = annotationsOf(pod);
  const ready = list(at(pod, "status", "conditions")).find((one) => at(one, "type") === "Ready");
  const isReady = at(ready, "status") === "True";
  const readySinceMs = isReady ? timeMs(at(ready, "lastTransitionTime")) : undefined;
  const machine = text(at(pod, "spec", "nodeName"));
  const address = text(at(pod, "status", "podIP"));
  const mark = readMark(text(annotations[DRAIN_ANNOTATION]));
  return {
    name: nameOf(pod),
    uid: uidOf(pod),
    resourceVersion: versionOf(pod),
    revision: text(labels[REVISION_LABEL]) ?? "",
    phase: phaseOf(text(at(pod, "status", "phase"))),
    isReady,
    ...(readySinceMs === undefined ? {} : { readySinceMs }),
    isTerminating: text(at(pod, "metadata", "deletionTimestamp")) !== undefined,
    ...(machine === undefined || machine === "" ? {} : { machine }),
    createdAtMs: timeMs(at(pod, "metadata", "creationTimestamp")) ?? 0,
    deletionCost: number(annotations[COST_ANNOTATION]) ?? 0,
    isProtected: labels[PROTECTED_LABEL] === "true",
    receives: labels[RECEIVES_LABEL] === "true",
    ...(mark === undefined ? {} : { mark }),
    ...(address === undefined || address === "" ? {} : { address }),
  };
}

const PHASES = ["Pending", "Running", "Succeeded", "Failed"] as const;

function phaseOf(phase: string | undefined): ObservedPod["phase"] {
  return PHASES.find((one) => one === phase) ?? "Unknown";
}

const CAUSES: readonly DrainCause[] = ["scale-down", "release", "rollback", "machine"];

/** `drain.maxSeconds` at most, in ms. */
const WINDOW_MAX_MS = 86_400_000;
/** The end of the year 9999: a later time cannot be written into the status. */
const TIME_MAX_MS = 253_402_300_799_000;

/** From 0 to `max`, without parts; undefined if it is anything else. */
function whole(found: unknown, max: number): number | undefined {
  const isIt = typeof found === "number" && found >= 0 && found <= max;
  return isIt ? Math.floor(found) : undefined;
}

/**
 * A mark that cannot be read counts as none: the next decision writes it anew. Whoever may write
 * pods can write anything into it, and the status would be refused for what is no time.
 */
export function readMark(written: string | undefined): DrainMark | undefined {
  if (written === undefined) return undefined;
  let mark: unknown;
  try {
    mark = JSON.parse(written);
  } catch {
    return undefined;
  }
  const token = whole(at(mark, "token"), TOKEN_MAX - 1);
  if (token === undefined || token !== at(mark, "token")) return undefined;
  const times = whole(at(mark, "anew"), TOKEN_MAX);
  const anew = times === undefined ? {} : { anew: times };
  if (at(mark, "wants") === "serve") return { wants: "serve", token, ...anew };
  const cause = CAUSES.find((one) => one === at(mark, "cause"));
  const windowMs = whole(at(mark, "windowMs"), WINDOW_MAX_MS);
  if (at(mark, "wants") !== "drain" || cause === undefined || windowMs === undefined)
    return undefined;
  const toRevision = text(at(mark, "toRevision"));
  const preDelayMs = whole(at(mark, "preDelayMs"), WINDOW_MAX_MS);
  return {
    wants: "drain",
    token,
    cause,
    windowMs,
    ...(preDelayMs === undefined ? {} : { preDelayMs }),
    orderedAtMs: whole(at(mark, "orderedAtMs"), TIME_MAX_MS) ?? 0,
    ...(toRevision === undefined ? {} : { toRevision }),
    ...anew,
  };
}

export function readReplicaSet(set: Json): ObservedReplicaSet {
  return {
    revision: text(labelsOf(set)[REVISION_LABEL]) ?? "",
    resourceVersion: versionOf(set),
    replicas: number(at(set, "spec", "replicas")) ?? 1,
    replicasSeen: number(at(set, "status", "replicas")) ?? 0,
  };
}

/** Taints by which autoscalers, clouds and people say that a machine is about to go. */
const GOING_TAINTS: ReadonlySet<string> = new Set([
  "node.kubernetes.io/unschedulable",
  "node.kubernetes.io/out-of-service",
  "node.cloudprovider.kubernetes.io/shutdown",
  "ToBeDeletedByClusterAutoscaler",
  "karpenter.sh/disrupted",
  "karpenter.sh/disruption",
  "aws-node-termination-handler/spot-itn",
  "aws-node-termination-handler/scheduled-maintenance",
  "aws-node-termination-handler/asg-lifecycle-termination",
  "aws-node-termination-handler/rebalance-recommendation",
  "cloud.google.com/impending-node-termination",
  "kubernetes.azure.com/scalesetpriority-eviction",
]);
/** How long a machine lives after its notice, by what says so. */
const NOTICES_MS: Readonly<Record<string, number>> = {
  "aws-node-termination-handler/spot-itn": 120_000,
};

/** A machine without how long this process saw it going. */
export interface SeenMachine {
  readonly name: string;
  readonly zone: string;
  readonly isGoing: boolean;
  /** Wall time in ms. */
  readonly endsAtMs?: number;
  /** How long it lives after its notice. */
  readonly noticeMs?: number;
}

export function keptOfMachine(machine: Json): Json {
  const { name, uid, resourceVersion, labels } = record(machine.metadata);
  const zone = record(labels)["topology.kubernetes.io/zone"];
  return {
    metadata: { name, uid, resourceVersion, labels: { "topology.kubernetes.io/zone": zone } },
    spec: {
      unschedulable: at(machine, "spec", "unschedulable"),
      taints: at(machine, "spec", "taints"),
    },
  };
}

/** Kubernetes has not heard of its kubelet for 40 s. */
export const isSilent = (machine: Json): boolean =>
  list(at(machine, "spec", "taints")).some(
    (taint) => text(at(taint, "key")) === "node.kubernetes.io/unreachable",
  );

export function readMachine(machine: Json): SeenMachine {
  const taints = list(at(machine, "spec", "taints"));
  const going = taints.filter((taint) => GOING_TAINTS.has(text(at(taint, "key")) ?? ""));
  const ends = going.flatMap((taint) => {
    const noticeMs = NOTICES_MS[text(at(taint, "key")) ?? ""];
    const sinceMs = timeMs(at(taint, "timeAdded"));
    return noticeMs === undefined || sinceMs === undefined
      ? []
      : [{ endsAtMs: sinceMs + noticeMs, noticeMs }];
  });
  const [first] = ends.sort((a, b) => a.endsAtMs - b.endsAtMs);
  return {
    name: nameOf(machine),
    zone: text(labelsOf(machine)["topology.kubernetes.io/zone"]) ?? "",
    isGoing: at(machine, "spec", "unschedulable") === true || going.length > 0,
    ...first,
  };
}

/** For how long this process has seen a machine going, and its notice. */
export interface MachineWatched {
  readonly watchedMs: number;
  readonly noticeWatchedMs: number;
  readonly wallMs: number;
}

/** A machine that should have ended so long ago and is there: this clock is wrong. */
const OVERDUE_MS = 60_000;

/**
 * Of a machine, as decisions see it. Its notice has the API server's time, and this clock may be
 * wrong by hours. So a machine lives no longer than its notice from when that was seen first.
 */
export function observedMachine(
  { name, zone, isGoing, endsAtMs, noticeMs = 0 }: SeenMachine,
  { watchedMs, noticeWatchedMs, wallMs }: MachineWatched,
): ObservedMachine {
  if (!isGoing) return { name, zone };
  const mostMs = noticeMs - noticeWatchedMs;
  const leftMs = (endsAtMs ?? 0) - wallMs;
  const endsInMs = Math.floor(leftMs < -OVERDUE_MS ? mostMs : Math.min(leftMs, mostMs));
  const ends = endsAtMs === undefined ? {} : { endsInMs };
  return { name, zone, going: { watchedMs, ...ends } };
}
