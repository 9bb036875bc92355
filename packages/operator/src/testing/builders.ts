// Owns: what tests of decisions are built from: a pod, a set and a wish, of which a test says only
// what matters.
import { decide } from "../decide.ts";
import type { Action } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { Observed, ObservedMachine, Status } from "../model/observed.ts";
import type { ObservedPod, PodReport } from "../model/pod.ts";

/** Wall time of every test. */
export const NOW_MS = 1_700_000_000_000;

export type PodSpec = Partial<Omit<ObservedPod, "report">> & {
  readonly report?: Partial<PodReport>;
};

const REPORT: PodReport = {
  state: "ready",
  sessions: 0,
  fixedSockets: 0,
  connectionsMax: 100,
  fence: 0,
  ageMs: 500,
};

/** A ready, warm pod of revision `a` with nobody on it. */
export function pod(name: string, { report, ...spec }: PodSpec = {}): ObservedPod {
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: `v-${name}`,
    revision: "a",
    phase: "Running",
    isReady: true,
    readySinceMs: NOW_MS - 600_000,
    isTerminating: false,
    machine: "m1",
    createdAtMs: NOW_MS - 700_000,
    deletionCost: 0,
    isProtected: true,
    receives: true,
    receivesWatchedMs: 600_000,
    markWatchedMs: 0,
    ...spec,
    report: { ...REPORT, ...report },
  };
}

/** A pod that was made and has not run yet. */
export function unborn(name: string, spec: PodSpec = {}): ObservedPod {
  const { report: _, readySinceMs: __, machine: ___, ...rest } = pod(name, spec);
  return { ...rest, phase: "Pending", isReady: false };
}

/** A pod that drains and obeys, with so many sessions left; if there are none, it is given up. */
export function draining(name: string, sessions: number, spec: PodSpec = {}): ObservedPod {
  return pod(name, {
    mark: {
      wants: "drain",
      token: 9,
      cause: "scale-down",
      windowMs: 60_000,
      orderedAtMs: NOW_MS - 5000,
    },
    deletionCost: sessions === 0 ? -2_147_483_647 : 2_147_483_647,
    isReady: false,
    receives: false,
    ...spec,
    report: { state: "draining", fence: 9, sessions, drainLeftMs: 55_000, ...spec.report },
  });
}

export const MACHINES: readonly ObservedMachine[] = ["1", "2", "3", "4", "5", "6"].map((n) => ({
  name: `m${n}`,
  zone: `z${n}`,
}));

export const STATUS: Status = {
  stable: "a",
  rejected: [],
  condition: "Settled",
  message: "",
};

/** A set whose ReplicaSets fit its pods. */
export function observed(pods: readonly ObservedPod[], more: Partial<Observed> = {}): Observed {
  const revisions = [...new Set(pods.map(({ revision }) => revision))];
  return {
    pods,
    replicaSets: revisions.map((revision) => {
      const count = pods.filter(
        (one) => one.revision === revision && !one.isTerminating && one.phase !== "Failed",
      ).length;
      return { revision, resourceVersion: `rs-${revision}`, replicas: count, replicasSeen: count };
    }),
    machines: MACHINES,
    status: STATUS,
    resourceVersion: "7",
    leaderEpoch: 0,
    progressWatchedMs: 0,
    announcedConnections: 0,
    lagMs: 0,
    ...more,
  };
}

/** A wish for revision `a`, rolled, with a headroom of a fifth. */
export function desired(more: Partial<Desired> = {}): Desired {
  return {
    revision: "a",
    replicas: 2,
    release: { strategy: { kind: "Rolling" }, isPaused: false, progressMsMax: 600_000 },
    drain: { windowMs: 60_000, preDelayMs: 3000 },
    connections: { perPod: 100, headroom: 0.2 },
    rebalance: { isEnabled: true, tolerance: 0.1, sessionsMin: 20 },
    warmMs: 10_000,
    disruption: { replacementMsMax: 120_000 },
    ...more,
  };
}

/** What is decided, without status and events, as short texts: `drain p1`, `scale a 3`. */
export function plan(seen: Observed, wish: Desired): readonly string[] {
  return decide(seen, wish, NOW_MS).actions.flatMap(short);
}

/** The same without labels of receiving pods. */
export function moves(seen: Observed, wish: Desired): readonly string[] {
  return plan(seen, wish).filter((text) => !/^(un)?select /.test(text));
}

function short(action: Action): readonly string[] {
  switch (action.kind) {
    case "order-drain":
      return [`drain ${action.pod.name} ${action.mark.cause}`];
    case "cancel-drain":
      return [`serve ${action.pod.name}`];
    case "shed":
      return [`shed ${action.pod.name} to ${action.sessionsKept}`];
    case "remove-pod":
      return [`remove ${action.pod.name}`];
    case "scale-revision":
      return [`scale ${action.revision} ${action.replicas}`];
    case "set-protection":
      return [`${action.isProtected ? "protect" : "open"} ${action.pod.name}`];
    case "set-receiving":
      return [`${action.receives ? "select" : "unselect"} ${action.pod.name}`];
    case "set-deletion-cost":
      return [`cost ${action.pod.name} ${action.cost}`];
    case "set-status":
    case "event":
      return [];
  }
}

/** The status after the decision. */
export function statusAfter(seen: Observed, wish: Desired): Status | undefined {
  const written = decide(seen, wish, NOW_MS).actions.find(({ kind }) => kind === "set-status");
  return written?.kind === "set-status" ? written.status : seen.status;
}
