// Owns: the course: what the release and the autoscaling make of the wish, which the plan of pods
// then follows.
import type { Revision } from "../model/pod.ts";

/** Where the pods are to go, and how fast. */
export interface Course {
  /** New pods are of this revision, and sessions go to it. */
  readonly to: Revision;
  /** Pods that replace old ones while the share is below 1 are of this revision. */
  readonly from: Revision;
  /** Why pods of other revisions drain. */
  readonly cause: "release" | "rollback";
  /** A release or a rollback is under way: no pod of `to` goes for being too many. */
  readonly isReleasing: boolean;
  /** The share of all connections that `to` may carry, above 0 to 1. */
  readonly share: number;
  /** Pods that serve. */
  readonly replicas: number;
  /** Pods beside them while old ones drain. At least 1. */
  readonly surge: number;
  /** Pods of other revisions that drain side by side. At least 1. */
  readonly drainsMax: number;
  /** Nothing drains before all pods of `to` are warm. */
  readonly allFirst: boolean;
  /** It came by steps: pods of `to` may carry their part before the next one is made. */
  readonly isStepped: boolean;
  /** Emptied pods of other revisions stay, to go back to. */
  readonly keepsEmptied: boolean;
  /** Nothing new begins: a person has paused it, or balancers may be behind. */
  readonly held?: "paused" | "behind" | undefined;
}

/** How many pods of each side the course wants. */
export function wantedPods({ share, replicas }: Course): {
  readonly to: number;
  readonly old: number;
} {
  if (share >= 1) return { to: replicas, old: 0 };
  return {
    to: Math.max(1, Math.ceil(replicas * share - 1e-9)),
    old: replicas - Math.floor(replicas * share + 1e-9),
  };
}
