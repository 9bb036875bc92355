// Owns: the wish: the parts of a RealtimeSet's spec that decisions need, and the limits of each
// number.
import type { AnalysisRules } from "../analysis/tally.ts";
import type { Revision } from "./pod.ts";

/** One step of a canary. Its share is one of the live connections, not of new handshakes. */
export interface CanaryStep {
  /** Above 0, at most 100. */
  readonly sharePercent: number;
  /** How many connection-minutes the canary must have carried before the next step. 0 or more. */
  readonly connectionMinutesMin: number;
  /** How long the step lasts at least, in ms. `until-promoted`: a person must say so. */
  readonly pause: number | "until-promoted";
}

export type Strategy =
  /** One new pod, then one old pod drained into it, and so on: each client moves once. */
  | { readonly kind: "Rolling" }
  /** At most 20 steps with rising shares; after the last one all connections move. */
  | {
      readonly kind: "Canary";
      readonly steps: readonly CanaryStep[];
      readonly analysis: AnalysisRules;
    }
  /** All new pods first, then all connections; the old pods stay, empty, for a while. */
  | {
      readonly kind: "BlueGreen";
      /** How long the emptied old pods are kept to go back to, in ms. */
      readonly keepOldMs: number;
      readonly analysis: AnalysisRules;
    };

export interface ReleaseWish {
  readonly strategy: Strategy;
  /**
   * Nothing new of a release begins: no step, no drain, and nobody else is given away. Drains that
   * run end.
   */
  readonly isPaused: boolean;
  /**
   * A person says: end the pause of this step of the release to this revision. `all`: of this step
   * and all later ones. A bad verdict still rolls back.
   */
  readonly promoted?: { readonly revision: Revision; readonly step: number | "all" };
  /** A person says: roll this revision back. */
  readonly aborted?: Revision;
  /** A person says: try this revision again though it was rolled back. */
  readonly retried?: Revision;
  /** Rolled back if it comes no further for so long, in ms. At least 60,000. */
  readonly progressMsMax: number;
}

export interface AutoscalingWish {
  /** At least 1, at most `replicasMax`. */
  readonly replicasMin: number;
  /** At most 1000. */
  readonly replicasMax: number;
  /** How long fewer pods must do before one goes, in ms. */
  readonly downAfterMs: number;
}

/** The wish for one set. */
export interface Desired {
  readonly revision: Revision;
  /** Pods, if nothing scales them. 0 to 1000. */
  readonly replicas: number;
  readonly autoscaling?: AutoscalingWish;
  readonly release: ReleaseWish;
  readonly drain: {
    /** The longest that a pod's drain may take after `preDelayMs`, in ms. Above 0. */
    readonly windowMs: number;
    /** How long balancers need to learn that a pod takes nobody, in ms. 0 to 600,000. */
    readonly preDelayMs: number;
    /**
     * Kubernetes takes a pod that drains for ready: its data plane is elsewhere. So its
     * ReplicaSet takes it by its cost alone. Absent: one that drains is not ready.
     */
    readonly staysReady?: true;
  };
  readonly connections: {
    /** What a pod can carry until it has said itself. Above 0. */
    readonly perPod: number;
    /** The share of a pod's places that stays free for what comes at once, 0 to 0.9. */
    readonly headroom: number;
  };
  /** Evening out pods of one revision while nothing else is under way. */
  readonly rebalance: {
    readonly isEnabled: boolean;
    /** A pod up to this share above the mean keeps its sessions, 0 to 10. */
    readonly tolerance: number;
    /** A pod less than this many above the mean keeps them, too. At least 1. */
    readonly sessionsMin: number;
  };
  /** How long a pod must be ready before others drain into it, in ms. */
  readonly warmMs: number;
  readonly disruption: {
    /** How long a pod on a machine that goes waits for its replacement, in ms. */
    readonly replacementMsMax: number;
  };
}
