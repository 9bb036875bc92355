// Owns: what the engines tell of themselves, for metrics and logs. Labels are bounded by
// construction.
import type { CodeName, DeliveryClass, ExperienceCounts, GapReason } from "@holdfast/protocol";
import type { DrainProgress } from "./control/control.ts";
import type { Order } from "./control/order-messages.ts";

/** Budgets of which users and addresses have shares. */
export type Shared =
  | "newcomers"
  | "resumes"
  | "received"
  | "answered"
  | "published"
  | "channels"
  | "processing";

/** Called on hot paths: implementations MUST NOT throw and SHOULD only count. */
export interface Observer {
  /** A connection's first frame was answered. `ms` from the socket's opening. */
  handshake(
    outcome: "connected" | "resumed" | "moved" | "refused",
    code: CodeName | undefined,
    ms: number,
  ): void;
  /** A connection that had a session ended. `code` undefined: the client left on its own. */
  ended(info: {
    readonly session: string;
    readonly user?: string;
    readonly code: CodeName | undefined;
    readonly connectedMs: number;
  }): void;
  /** A publish was answered, `ms` after it was asked for. */
  published(cls: DeliveryClass, outcome: "ok" | "duplicate" | CodeName, ms: number): void;
  /** One publication was handed to `count` connections; `ms` since the broker took it. */
  delivered(cls: DeliveryClass, count: number, ms: number): void;
  /** A subscription began to lag or a connection was closed for it. */
  slowConsumer(policy: "disconnect" | "drop" | "conflate" | "catch-up"): void;
  /** A subscription with a position was answered and caught up after `count` publications. */
  recovered(outcome: "full" | "gap", count: number): void;
  /** A gap was declared to one subscriber; `count` is 0 when the size is unknown. */
  gap(reason: GapReason, count: number): void;
  /** Publications from the broker were missing. The node read them from history, or could not. */
  hole(outcome: "repaired" | "declared", count: number): void;
  /** A party that asked for more than others was refused, or told to come back. */
  overShare(what: Shared | "held" | "kept"): void;
  /**
   * A client's requests wait: for `room`, because its answers do not leave, or for its `budget`.
   */
  held(why: "room" | "budget"): void;
  /** Taps of the node are `count` more, or fewer if it is less than 0. */
  taps(count: number): void;
  /** A tap was refused, was handed a gap, or its consumer rejected a batch or was late with it. */
  tapFailed(why: "refused" | "gap" | "rejected" | "late"): void;
  authFailed(code: CodeName): void;
  /** A request of a client was answered with an error. */
  requestFailed(code: CodeName): void;
  rpc(method: string, outcome: "ok" | CodeName, ms: number): void;
  /** What a client reported. */
  experienced(counts: ExperienceCounts): void;
  /** `count` connections, `progress` as it is then. */
  drainStep(
    step: "started" | "migrate" | "goodbye" | "cut" | "finished" | "undone",
    count: number,
    progress: DrainProgress,
  ): void;
  /** Steps of an order to give up some sessions; `count` sessions, or those above what it keeps. */
  shedStep(step: "started" | "migrate" | "reached" | "over" | "undone", count: number): void;
  /**
   * This node obeyed an order, refused it for its token, or gave one that no node took in time.
   */
  ordered(order: Order, outcome: "obeyed" | "refused" | "expired"): void;
  /** Sessions were asked to move to even out load. */
  rebalanced(count: number): void;
  /**
   * A session that was asked to move came back to this node. `rebalance`, `drain`: it was asked for
   * that, and reached the node that it is on. `turned_away`: it was told to look for a better one.
   */
  cameBack(why: "rebalance" | "drain" | "turned_away"): void;
  /** Another node appeared, left on purpose, or was not heard of for its lease. */
  nodeChanged(node: string, change: "joined" | "left" | "died"): void;
  /**
   * The broker was asked to keep this node's presence entries alive. `late`: it did, after the
   * lease had run out, so that members had left meanwhile.
   */
  leaseRenewed(outcome: "ok" | "late" | "failed"): void;
  /** Something that must not happen did; the engine went on without the connection concerned. */
  bug(where: string, error: unknown): void;
}
