// Owns: what operators and the HTTP API may ask of a running node.
import type { Outcome } from "@holdfast/contract";
import type { DeliveryClass, Payload, Position } from "@holdfast/protocol";
import type { NodeFigures, NodeState } from "../fleet/view.ts";
import type { HistoryPage, HistoryQuery, PresenceMember } from "../ports.ts";
import type { FeltFigures } from "../session/felt.ts";
import type { SentOrder } from "./order-messages.ts";

export interface SessionInfo {
  readonly session: string;
  readonly node: string;
  readonly user?: string;
  readonly address: string;
  /** The codec of its door: `json` and `msgpack` are holdfast.v1's. */
  readonly codec: string;
  readonly client?: string;
  readonly connectedAtMs: number;
  /**
   * How many channels it is subscribed to, and the names of at most 100 of them: sessions travel
   * between nodes by the thousand.
   */
  readonly channelCount: number;
  readonly channels: readonly string[];
  readonly queueBytes: number;
}

export interface NodeInfo {
  readonly node: string;
  readonly revision: string;
  readonly state: NodeState;
  readonly startedAtMs: number;
  readonly connections: number;
  readonly sessions: number;
  /** Of the sessions' connections, those whose client cannot move. */
  readonly fixedSockets: number;
  /** The limit of connections, and whether it is reached. */
  readonly connectionsMax: number;
  readonly isFull: boolean;
  readonly subscriptions: number;
  readonly channels: number;
  readonly queueBytes: number;
  /** Bytes of what clients sent and that waits to be carried out. */
  readonly heldBytes: number;
  readonly windowMs: number;
  /** Handshakes per second that the node can take now (A). */
  readonly handshakesPerSecond: number;
  /** What clients felt, since the node started. */
  readonly felt: FeltFigures;
  /** The highest token of an order that the node obeyed; 0: none had one. */
  readonly fence: number;
  readonly drain?: DrainProgress;
  /** Absent: no order to give up some sessions runs. */
  readonly shed?: ShedProgress;
}

/** An order to give up some sessions. */
export interface ShedOptions {
  /** Sessions that the node keeps; those that cannot move are among them. */
  readonly keep: number;
  /** Nodes of this revision take those that move. */
  readonly toRevision: string;
  /** Absent: as long as a drain. */
  readonly windowMs?: number;
}

export interface ShedProgress {
  readonly keep: number;
  /** Sessions above that. */
  readonly remaining: number;
  /** Sessions that were asked to move and are still here. */
  readonly asked: number;
  readonly toRevision: string;
  readonly deadlineInMs: number;
}

export interface DrainProgress {
  readonly total: number;
  readonly remaining: number;
  /**
   * Of those, sessions that were asked to move and have not moved yet. A client needs a moment to
   * move. If no other node accepts sessions, they become many.
   */
  readonly asked: number;
  /** Sessions that left by migration, were told goodbye, or were cut at the deadline. */
  readonly moved: number;
  readonly told: number;
  readonly cut: number;
  readonly deadlineInMs: number;
  /** Nodes of this revision take the sessions. Absent: any. */
  readonly toRevision?: string;
  /** Other nodes take those that find no place there. */
  readonly isPreferred?: true;
}

/** Where sessions go that an order moves. */
export interface Destination {
  /**
   * Until the order's window is over, only nodes of this revision take sessions that move. Absent:
   * any node.
   */
  readonly toRevision?: string;
  /** A session that finds no place there may go to any node. */
  readonly isPreferred?: boolean;
}

export interface DrainOptions extends Destination {
  readonly windowMs?: number;
  readonly preDelayMs?: number;
  /** The process ends when the drain is done: it cannot be undone. */
  readonly isFinal?: boolean;
}

/** Sessions ordered by id, those after `after`. */
export interface SessionsQuestion {
  readonly user?: string;
  readonly after?: string;
  readonly limit: number;
}

export interface OrderOptions extends Destination {
  readonly windowMs?: number;
  readonly preDelayMs?: number;
  readonly token?: number;
}

/** One order to a node, with what it says. */
export type OwnOrder =
  | ({ readonly order: SentOrder } & OrderOptions)
  | ({ readonly order: "shed"; readonly token?: number } & ShedOptions);

/** A page of a channel's history. */
export interface ChannelPage extends HistoryPage {
  /** Of the channel. Offsets of `latest` have holes; a hole in another class is a loss. */
  readonly deliveryClass: DeliveryClass;
}

/** Reads a channel's history for somebody who takes long. */
export interface HistoryReader {
  /** As `NodeControl.history`. */
  read(query: HistoryQuery): Promise<Outcome<ChannelPage>>;
  /**
   * Up to this offset of the epoch everything was removed. Nothing of it may be given to anybody
   * any more, also if it was read before. 0: nothing was removed since the reader was opened.
   */
  removedTo(epoch: string): number;
  /** Again: nothing. */
  close(): void;
}

/**
 * Commands of the application's back end. Schemas and limits are checked; no session's permission
 * is.
 */
export interface NodeControl {
  publish(
    channel: string,
    request: {
      readonly payload: Payload;
      readonly key?: string;
      readonly idempotencyKey?: string;
      readonly user?: string;
    },
  ): Promise<Outcome<{ readonly position: Position; readonly duplicate: boolean }>>;
  /** A page as the broker reads it: at most `limit` publications and `bytesMax` bytes. */
  history(channel: string, query: HistoryQuery): Promise<Outcome<ChannelPage>>;
  /** Until it is closed, this node listens to the channel, so that it hears of removals. */
  openHistory(channel: string): Promise<Outcome<HistoryReader>>;
  /** When it has resolved, this node gives nothing to anybody that it read before. */
  removeHistory(channel: string): Promise<Outcome<Position>>;
  presence(channel: string): Promise<Outcome<readonly PresenceMember[]>>;
  channels(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<Outcome<readonly string[]>>;
  /** Sessions of this node, ordered by id, those after `after`. */
  sessions(query: {
    readonly user?: string;
    readonly after?: string;
    readonly limit: number;
  }): readonly SessionInfo[];
  /**
   * Ends sessions on every node. `reconnect` false: code banned, and their resume tokens are
   * refused.
   */
  disconnect(
    who: { readonly user?: string; readonly session?: string },
    options: { readonly reconnect: boolean },
  ): Promise<Outcome<void>>;
  unsubscribe(
    who: { readonly user?: string; readonly session?: string },
    channel: string,
  ): Promise<Outcome<void>>;
  rpc(method: string, input: Payload | undefined): Promise<Outcome<Payload | undefined>>;
  info(): NodeInfo;
  /** Every node of the cluster as this one knows it, itself included, by id. */
  nodes(): readonly NodeFigures[];
  /**
   * As `sessions`, of every node. `missing` names those that did not answer in time: their sessions
   * are not in the list.
   */
  sessionsEverywhere(
    query: SessionsQuestion,
  ): Promise<{ readonly sessions: readonly SessionInfo[]; readonly missing: readonly string[] }>;
  /**
   * Orders another node (or this one) to drain or to stop draining. Resolves when the node has
   * begun to obey, when it has refused (`order_refused`, `node_ending`), or when no answer came in
   * time: `order_expired` if the order will not be carried out, `order_unconfirmed` if it may have
   * been. `token` is a fencing token: a node refuses an order whose token is lower than the highest
   * that it obeyed. For an order without a token the node neither checks nor changes that highest
   * token.
   */
  order(node: string, order: SentOrder, options?: OrderOptions): Promise<Outcome<void>>;
  /**
   * Gives an order to this node: when it returns, the node has begun to obey or has refused
   * (`order_refused`, `node_ending`). Tokens count as in `order`. The same order with the same
   * token again changes nothing: neither its window nor its deadline.
   * Another order replaces the one that runs.
   */
  obey(order: OwnOrder): Outcome<void>;
  /** Starts a drain; again: changes its window. Resolves when no connection is left. */
  drain(options?: DrainOptions): Promise<DrainProgress>;
  /**
   * Ends a running drain; sessions that are here stay. False if there was none, or if the process
   * ends after it.
   */
  undrain(): boolean;
}
