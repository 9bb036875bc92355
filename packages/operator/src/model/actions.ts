// Owns: what a decision asks the runtime to do. Each action is idempotent, and carries what makes a
// stale one fail.
import type { Status } from "./observed.ts";
import type { DrainMark, Revision } from "./pod.ts";

/** Which pod, as it was seen. A write is refused if the pod was written to since. */
export interface PodAsSeen {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export type DrainWanted = Extract<DrainMark, { wants: "drain" }>;
export type ServeWanted = Extract<DrainMark, { wants: "serve" }>;

/**
 * One thing to do. The runtime does them in their order and stops at the first that is refused: the
 * next decision sees why.
 */
export type Action =
  /**
   * Writes the status if the RealtimeSet is still at `resourceVersion`. It comes before all that is
   * new, behind orders that are only given again.
   */
  | { readonly kind: "set-status"; readonly status: Status; readonly resourceVersion: string }
  /**
   * Writes the mark into the pod, then orders the data plane to drain. The same write protects the
   * pod, raises its cost, and takes the label from it by which the Service selects it. If the pod
   * has this mark already, only the order is given again.
   */
  | { readonly kind: "order-drain"; readonly pod: PodAsSeen; readonly mark: DrainWanted }
  /** The same for serving again. The write gives the label back: somebody must receive. */
  | { readonly kind: "cancel-drain"; readonly pod: PodAsSeen; readonly mark: ServeWanted }
  /**
   * Orders the pod to move sessions to pods of a revision until `sessionsKept` are left. A share of
   * a canary is reached with it. If it has no more than that, an order that it follows ends.
   */
  | {
      readonly kind: "shed";
      readonly pod: PodAsSeen;
      readonly sessionsKept: number;
      readonly toRevision: Revision;
    }
  /**
   * Writes the annotation by which a ReplicaSet chooses. If the pod has this cost already, nothing
   * changes, and it is refused if the pod was written to since it was seen.
   */
  | { readonly kind: "set-deletion-cost"; readonly pod: PodAsSeen; readonly cost: number }
  /** Takes the label from a pod that nobody is on, so that it may be evicted, or gives it back. */
  | { readonly kind: "set-protection"; readonly pod: PodAsSeen; readonly isProtected: boolean }
  /** Gives the pod the label by which the Service selects it, or takes it. */
  | { readonly kind: "set-receiving"; readonly pod: PodAsSeen; readonly receives: boolean }
  /**
   * Deletes the pod. It is empty, or its deadline is over. Its ReplicaSet was lowered before,
   * unless another pod is to come for it.
   */
  | { readonly kind: "remove-pod"; readonly pod: PodAsSeen; readonly because: string }
  /**
   * Sets a ReplicaSet's replicas if it is still at `resourceVersion`; makes it if that is absent.
   * More: pods of the revision are created. Fewer: only for pods that the ReplicaSet takes before
   * any with people on it, or that never came.
   */
  | {
      readonly kind: "scale-revision";
      readonly revision: Revision;
      readonly replicas: number;
      readonly resourceVersion?: string;
    }
  /** Tells people, once for each change of what it tells of. */
  | { readonly kind: "event"; readonly reason: EventReason; readonly text: string };

export type EventReason =
  | "ReleaseBegan"
  | "ReleaseStepped"
  | "ReleaseEnded"
  | "RolledBack"
  | "ScaledUp"
  | "ScaledDown"
  | "DrainOrdered"
  | "DrainCancelled"
  | "DeadlineOver";

/** What is decided: what to do now, in this order. Nothing to do: none. */
export interface Decision {
  readonly actions: readonly Action[];
}
