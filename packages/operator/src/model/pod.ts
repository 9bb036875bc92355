// Owns: a pod as the operator sees it: what Kubernetes says of it, what its drain mark says, and
// what its own data plane says.

/** The name of one version of the pod template: its hash. It has no order. */
export type Revision = string;

/** Why a pod drains. The data plane and people see it; it also decides what may go at once. */
export type DrainCause = "scale-down" | "release" | "rollback" | "machine";

/**
 * What the operator wants of a pod, kept as an annotation of the pod. It is written before the data
 * plane is told, so it outlives the operator. The data plane follows it, never the other way round.
 */
export type DrainMark =
  | {
      readonly wants: "drain";
      /** The fencing token of the order. A data plane refuses lower ones than it obeyed. */
      readonly token: number;
      readonly cause: DrainCause;
      /** How long the drain may take, in ms, by the clock of whoever watches it. */
      readonly windowMs: number;
      /**
       * How long the pod waits before the window begins, in ms: balancers learn meanwhile that it
       * takes nobody. It takes those who come. Absent: 0.
       */
      readonly preDelayMs?: number;
      /** Wall time in ms; only for what people read. No decision compares it with a clock. */
      readonly orderedAtMs: number;
      /**
       * Pods of this revision take the sessions until the window is over. Absent: any ready pod. If
       * the cause is a machine that goes, any ready pod takes those that find no place there.
       */
      readonly toRevision?: Revision;
      /** How often it was given with a new token, because the pod obeyed somebody's later one. */
      readonly anew?: number;
    }
  | { readonly wants: "serve"; readonly token: number; readonly anew?: number };

/** What a pod's data plane says of itself, about once a second. */
export interface PodReport {
  readonly state: "starting" | "ready" | "draining";
  /** Sessions that can move to another pod. */
  readonly sessions: number;
  /** Sockets that cannot move: they are closed at the end of a drain. */
  readonly fixedSockets: number;
  /** Connections that the pod can carry, as configured or learned. Above 0. */
  readonly connectionsMax: number;
  /** The highest fencing token that it obeyed; 0 if none. */
  readonly fence: number;
  /**
   * Of a drain: ms until its window is over by the pod's own clock; 0 or less if it is. More than
   * the window: it has not begun, and the pod still takes newcomers.
   */
  readonly drainLeftMs?: number;
  /** Connections that it turned away in the last 10 s, because it was full. Absent: not known. */
  readonly waiting?: number;
  /** An order to keep only so many sessions that it follows now. */
  readonly shed?: {
    readonly keep: number;
    /** Sessions that it still gives away. */
    readonly remaining: number;
    readonly toRevision: Revision;
  };
  /** How old this report is, in ms, by the operator's clock that never jumps. */
  readonly ageMs: number;
}

/** One pod of the set. */
export interface ObservedPod {
  readonly name: string;
  readonly uid: string;
  /** Changes with each write of the pod. Actions carry it, so that a stale one is refused. */
  readonly resourceVersion: string;
  readonly revision: Revision;
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  readonly isReady: boolean;
  /** Wall time in ms since when it is ready. */
  readonly readySinceMs?: number;
  /** Kubernetes has been told to delete it. */
  readonly isTerminating: boolean;
  /** The Kubernetes node that it runs on. Absent: not scheduled. */
  readonly machine?: string;
  /** Wall time in ms. */
  readonly createdAtMs: number;
  /** `controller.kubernetes.io/pod-deletion-cost`, 0 if absent. */
  readonly deletionCost: number;
  /** It has the label that a budget of no disruptions selects: nothing may evict it. */
  readonly isProtected: boolean;
  /** It has the label that the Service selects: newcomers and moving sessions may come to it. */
  readonly receives: boolean;
  /** For how many ms this operator process has seen `receives` as it is, by such a clock. */
  readonly receivesWatchedMs: number;
  readonly mark?: DrainMark;
  /** For how many ms this operator process has seen this very mark, by a clock that never jumps. */
  readonly markWatchedMs: number;
  /** Absent: the pod was never heard of. */
  readonly report?: PodReport;
}
