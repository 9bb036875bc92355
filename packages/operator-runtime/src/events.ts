// Owns: what the operator tells of itself, for logs and metrics. Labels are bounded by
import type { Action } from "@holdfast/operator";
// construction.

/** Called for each fact. Implementations MUST NOT throw. */
export interface OperatorEvents {
  /** A set was looked at. */
  reconciled(info: {
    readonly set: string;
    readonly outcome: "done" | "overtaken" | "not-leading" | "failed" | "invalid";
    readonly actions: readonly Action["kind"][];
    readonly tookMs: number;
  }): void;
  /** A question to a data plane. */
  asked(set: string, outcome: "answered" | "unreachable" | "refused" | "key"): void;
  /** Something of the set is told to people, as an Event of Kubernetes is. */
  told(set: string, reason: string, text: string): void;
  /** Figures of the set, after each look. */
  figures(set: string, figures: SetGauges): void;
  /** The set is gone: its figures are, too. */
  forgotten(set: string): void;
  /** Work failed in a way that nobody foresaw; it is tried again. */
  failed(what: string, error: unknown): void;
}

export interface SetGauges {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly connections: number;
  readonly draining: number;
  /** Index of the condition's name. */
  readonly condition: "Settled" | "Progressing" | "Waiting";
  readonly release: "none" | "advancing" | "rolling-back";
  /** Share of the connections that the release's new revision carries, 0 to 1. */
  readonly releaseShare: number;
}
