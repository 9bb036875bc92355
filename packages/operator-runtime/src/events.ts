// Owns: what the operator tells of itself, for logs and metrics. Labels are bounded by
// construction.
import type { Action, Tally } from "@holdfast/operator";
import type { ActionOutcome } from "./carry-out.ts";

/** Called for each fact. Implementations MUST NOT throw. */
export interface OperatorEvents {
  /** A set was looked at. */
  reconciled(info: {
    readonly set: string;
    readonly outcome: "done" | "overtaken" | "not-leading" | "failed" | "invalid";
    readonly actions: readonly Action["kind"][];
    readonly tookMs: number;
    /** Its writes are refused again and again. */
    readonly isBlocked: boolean;
    /** No budget keeps its pods from being evicted. */
    readonly isUnprotected: boolean;
  }): void;
  /** An action was tried. */
  acted(set: string, action: Action["kind"], outcome: ActionOutcome): void;
  /** A question to a data plane. */
  asked(set: string, outcome: AskOutcome): void;
  /** Something of the set is told to people, as an Event of Kubernetes is. */
  told(set: string, reason: string, text: string): void;
  /** Figures of the set, after each look. */
  figures(set: string, figures: SetGauges): void;
  /** The set is gone: its figures are, too. */
  forgotten(set: string): void;
  /** Work failed in a way that nobody foresaw; it is tried again. */
  failed(what: string, error: unknown): void;
}

export type AskOutcome = "answered" | "unreachable" | "refused" | "key";

export interface SetGauges {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly desiredReplicas: number;
  readonly connections: number;
  /** Pods that were told to drain, and the connections that are left on them. */
  readonly draining: number;
  readonly drainingConnections: number;
  /** Pods that run, and whose data plane has not answered lately. */
  readonly silent: number;
  /** Pods that have the set's label, and are not its own. */
  readonly strays: number;
  /** Name of the condition that holds. */
  readonly condition: "Settled" | "Progressing" | "Waiting";
  readonly release: "none" | "advancing" | "rolling-back";
  /** Of the connections, on the release's new revision, 0 to 1: what is, and what is meant. */
  readonly releaseShare: number;
  readonly releaseShareWanted: number;
  /** `none`: no release is judged. */
  readonly verdict: "none" | "undecided" | "good" | "bad";
  /** Of each revision that has pods. */
  readonly revisions: readonly {
    readonly revision: string;
    readonly pods: number;
    readonly connections: number;
  }[];
  /** What clients felt since the step began. Absent: no release, or nothing was heard. */
  readonly tallies?: { readonly canary: Tally; readonly stable: Tally };
}
