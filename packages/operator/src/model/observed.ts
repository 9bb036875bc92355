// Owns: everything that a decision looks at besides the wish: pods, ReplicaSets, machines, and what
// the operator wrote into the status before.
import type { Tally } from "../analysis/tally.ts";
import type { ObservedPod, Revision } from "./pod.ts";

/** A Kubernetes node. In Holdfast a node is a server process, so this is called a machine. */
export interface ObservedMachine {
  readonly name: string;
  /** `topology.kubernetes.io/zone`; empty if it has none. */
  readonly zone: string;
  /** Set if the machine is about to go: cordoned, tainted, or told to be maintained. */
  readonly going?: {
    /** For how many ms this operator process has seen it, by a clock that never jumps. */
    readonly watchedMs: number;
    /** If it is known: ms until the machine ends, as a spot notice says. */
    readonly endsInMs?: number;
  };
}

/** The ReplicaSet of one revision. */
export interface ObservedReplicaSet {
  readonly revision: Revision;
  readonly resourceVersion: string;
  /** `spec.replicas`. */
  readonly replicas: number;
  /** `status.replicas`: pods that its controller counted, without terminating ones. */
  readonly replicasSeen: number;
}

/** A release that is under way. */
export interface ReleaseState {
  readonly to: Revision;
  readonly from: Revision;
  readonly phase: "advancing" | "rolling-back";
  /** Index into the steps of the strategy. */
  readonly step: number;
  /** Wall time in ms since when the step's share is reached. Absent: it is not reached yet. */
  readonly reachedAtMs?: number;
  /**
   * Changes whenever the release comes further. The operator rolls back if it stays the same for
   * too long.
   */
  readonly progress: string;
  /** Why it is rolled back: a sentence with its figures. */
  readonly because?: string;
  /** It was judged or aborted: when it is back, the revision is not tried again by itself. */
  readonly isRejected?: boolean;
}

/** What the autoscaling remembers. */
export interface AutoscalingState {
  /** Pods that it wants. At least 1. */
  readonly replicas: number;
  /** Wall time in ms since when fewer would do without a break. */
  readonly lowSinceMs?: number;
}

/** What the evening-out of pods remembers. */
export interface RebalancingState {
  /** Names of pods that give sessions away, sorted; none: it rests. At most 16. */
  readonly givers: readonly string[];
  /** Wall time in ms since when. */
  readonly sinceMs: number;
}

export type Condition =
  /** Everything is as wished. */
  | "Settled"
  /** Something is under way and moves. */
  | "Progressing"
  /** Something waits for what only a person or the cluster can give. */
  | "Waiting";

/** What the operator wrote into the status: its whole memory, and what people read. */
export interface Status {
  /** The revision that all pods have when no release is under way. */
  readonly stable: Revision;
  readonly release?: ReleaseState;
  readonly autoscaling?: AutoscalingState;
  /** Absent: no pods were evened out lately. */
  readonly rebalancing?: RebalancingState;
  /** Revisions that were rolled back and are not tried again by themselves; at most 10. */
  readonly rejected: readonly Revision[];
  readonly condition: Condition;
  /** What it waits for, in words. */
  readonly message: string;
  /** Wall time in ms at which what is under way ends at the latest, if that is known. */
  readonly endsAtMs?: number;
}

export const REJECTED_MAX = 10;

/** Everything that is known at one moment. Parts may be older than others. */
export interface Observed {
  readonly pods: readonly ObservedPod[];
  readonly replicaSets: readonly ObservedReplicaSet[];
  readonly machines: readonly ObservedMachine[];
  /** Absent: the set is new. */
  readonly status?: Status;
  /** `resourceVersion` of the RealtimeSet, with which the status is written. */
  readonly resourceVersion: string;
  /** How often the lease changed hands: a new leader's tokens are above those of the old one. */
  readonly leaderEpoch: number;
  /** For how many ms this operator process has seen the release's `progress` unchanged. */
  readonly progressWatchedMs: number;
  /** What clients felt since the step began, canary and stable in the same time. */
  readonly tallies?: { readonly canary: Tally; readonly stable: Tally };
  /** Connections that are announced and not there yet: schedules, webhooks. 0 or more. */
  readonly announcedConnections: number;
  /**
   * Ms for which balancers may still be behind, because the API server was away lately. 0: they are
   * not. Sessions that moved would be sent to pods that are gone.
   */
  readonly lagMs: number;
}
