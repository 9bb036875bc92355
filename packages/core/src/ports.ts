// Owns: what the engines need from outside: time, chance, connections, the broker, the application.

import type { Identity, StreamOptions } from "@holdfast/contract";
import type { CodeName, Payload, Position, Publication } from "@holdfast/protocol";
import type { SessionInfo } from "./control/control.ts";
import type { NodeFigures } from "./fleet/view.ts";

/**
 * Time and chance. Everything that an engine knows of either comes from here, so that one seed
 * replays a run.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch; MAY jump. */
  wallMs(): number;
  /** Milliseconds that never go back. */
  nowMs(): number;
  /**
   * Runs `task` once, not before `delayMs` from now and never inside this call. The result cancels
   * it.
   */
  after(delayMs: number, task: () => void): () => void;
  /**
   * Runs `task` once at the end of this turn of the event loop, when everything that arrived in it
   * was handled.
   */
  defer(task: () => void): void;
}

/**
 * Seeded or cryptographic: `next` is uniform in [0, 1); `id` is an unguessable id of 128 bits in
 * lower-case base 32 (26 characters).
 */
export interface Random {
  next(): number;
  id(): string;
}

/**
 * One transport connection, as the engine sees it. All calls are legal after the end; they do
 * nothing then.
 */
export interface Link {
  /** The peer's address, for limits only. */
  readonly address: string;
  /**
   * Hands one message to the transport. `closed`: the connection is gone or over its hard limit;
   * its end will be told.
   */
  send(message: string | Uint8Array): "sent" | "queued" | "closed";
  /** Bytes accepted by `send` and not yet by the network. */
  bufferedBytes(): number;
  /** Starts the closing handshake behind everything sent. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  cut(): void;
  /** Joins or leaves a group that `Groups.publish` reaches. */
  join(group: string): void;
  leave(group: string): void;
}

/**
 * The transport's own fan-out, for large rooms: one call sends a message to every link in the
 * group.
 */
export interface Groups {
  publish(group: string, message: string | Uint8Array): void;
}

export interface PublishRequest {
  readonly payload: Payload;
  readonly key?: string;
  readonly user?: string;
  readonly session?: string;
  /**
   * The same key again within the broker's window MUST publish nothing and MUST answer the first
   * offset.
   */
  readonly idempotencyKey?: string;
}

export interface PublishResult {
  readonly position: Position;
  /** True when the idempotency key was known. */
  readonly duplicate: boolean;
}

/** Publications with consecutive offsets (latest: rising), oldest first. */
export interface HistoryPage {
  readonly epoch: string;
  /** Newest offset of the stream (0 when empty). */
  readonly head: number;
  /** Offset of the oldest publication that is kept; head + 1 when none is. */
  readonly oldest: number;
  readonly publications: readonly Publication[];
}

export type HistoryQuery =
  /**
   * Up to `limit` publications with offset > `after`, oldest first. For `latest`: of the newest for
   * each key.
   */
  | { readonly after: number; readonly limit: number }
  /**
   * The `limit` newest publications with offset < `before`, returned oldest first. `before` absent:
   * the newest.
   */
  | { readonly before?: number; readonly limit: number };

/**
 * What a broker tells a node of a channel that the node subscribed to. Calls come in offset order
 * and never inside a call of the broker's own methods.
 */
export interface ChannelListener {
  publication(publication: Publication, epoch: string): void;
  presence(change: PresenceChange): void;
}

export interface PresenceMember {
  /** Public session id. */
  readonly member: string;
  readonly user?: string;
  readonly data?: Payload;
}

export type PresenceChange =
  | { readonly kind: "join" | "update"; readonly member: PresenceMember }
  | { readonly kind: "leave"; readonly member: string };

/**
 * What carries publications, history and presence between nodes. Every promise settles within the
 * broker's own timeout and rejects with `BrokerError` only. After a rejection of `publish` the
 * publication MAY exist: repeating with the same idempotency key is safe.
 */
export interface Broker {
  /** Resolves when the broker has the publication; listeners get it in offset order. */
  publish(channel: string, stream: StreamOptions, request: PublishRequest): Promise<PublishResult>;
  /**
   * MUST be made before the channel's listener gets anything; every publication after the returned
   * position reaches the listener, none up to it does. At most one listener for a channel and node:
   * a later one replaces it.
   */
  subscribe(channel: string, stream: StreamOptions, listener: ChannelListener): Promise<Position>;
  /** After it returns the listener is not called again. Never rejects. */
  unsubscribe(channel: string): void;
  history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage>;
  /** Removes what is kept; offsets go on. */
  removeHistory(channel: string, stream: StreamOptions): Promise<Position>;
  readonly presence: PresenceStore;
  readonly bus: Bus;
  /**
   * Channels that have a subscriber or are kept, sorted, names after `after` that begin with
   * `prefix`, at most `limit`.
   */
  channels(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]>;
  /**
   * Told whenever the broker is reached again after having been out of reach: every position must
   * be re-checked.
   */
  onReconnect(task: () => void): void;
  /** True when publications survive the end of every node. */
  readonly durable: boolean;
  /** Resolves when a publish would arrive; rejects otherwise (H8). */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Members of channels, by session id. An entry belongs to its **owner** (one connection: node id +
 * "/" + a number); the last `enter` owns it.
 * `leave` of another owner MUST be ignored, so that a session that moved keeps its entry (H7).
 */
export interface PresenceStore {
  /**
   * New: told as join. Known with other data: told as update. Known with the same data: changes the
   * owner, tells nothing, cancels a pending leave. New in a channel that has `membersMax` members,
   * approximately: BrokerError "limit".
   */
  enter(channel: string, member: PresenceMember, owner: string, membersMax?: number): Promise<void>;
  /**
   * Ends the membership after `graceMs` unless someone enters it again before, whether or not the
   * node's lease lasts. 0: at once. Repeated, the last one counts.
   */
  leave(channel: string, member: string, owner: string, graceMs: number): Promise<void>;
  /**
   * Current members; with a subscription, changes told after this settles apply to it (one that it
   * holds already MAY be told again).
   */
  members(channel: string): Promise<readonly PresenceMember[]>;
  /**
   * Sets the lease of everything that the node's connections own to end `ttlMs` from now; when it
   * runs out they are removed and told as leaves. A node that never renewed has a lease of a
   * minute.
   */
  renew(nodeId: string, ttlMs: number): Promise<void>;
}

/**
 * Messages between nodes, best effort, small (plain JSON): commands, figures, questions. A node
 * also hears itself.
 */
export interface Bus {
  send(message: BusMessage): Promise<void>;
  listen(listener: (message: BusMessage) => void): void;
}

/** Revocations carry `beforeMs`: resume tokens issued earlier are refused. */
export type BusMessage =
  | {
      readonly kind: "disconnect";
      readonly from: string;
      readonly user?: string;
      readonly session?: string;
      readonly code: CodeName;
      readonly beforeMs: number;
    }
  | {
      readonly kind: "unsubscribe";
      readonly from: string;
      readonly user?: string;
      readonly session?: string;
      readonly channel: string;
    }
  /** A node's word about itself; `left`: its last. */
  | { readonly kind: "figures"; readonly from: string; readonly figures: NodeFigures }
  | { readonly kind: "left"; readonly from: string }
  /**
   * `token` fences: a node obeys no order whose token is below the highest it has seen. Void after
   * wall time `untilMs`.
   */
  | {
      readonly kind: "order";
      readonly from: string;
      readonly node: string;
      readonly order: "drain" | "undrain";
      readonly token: number;
      readonly untilMs: number;
      readonly windowMs?: number;
      readonly preDelayMs?: number;
    }
  | {
      readonly kind: "ask";
      readonly from: string;
      readonly id: string;
      readonly question: SessionsQuestion;
    }
  | {
      readonly kind: "answer";
      readonly from: string;
      readonly to: string;
      readonly id: string;
      readonly sessions: readonly SessionInfo[];
    };

/** Sessions ordered by id, those after `after`. */
export interface SessionsQuestion {
  readonly user?: string;
  readonly after?: string;
  readonly limit: number;
}

/** The broker could not do it. `code` is stable; text is for people. */
export class BrokerError extends Error {
  readonly code: "unavailable" | "timeout" | "limit" | "closed" | "internal";
  constructor(code: BrokerError["code"], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "BrokerError";
    this.code = code;
  }
}

/** Checks tokens and makes resume tokens. Rejections are returned, not thrown. */
export interface Authenticator {
  /** `origin`-free; a token may take a network call (JWKS). */
  verify(token: string): Promise<
    | { readonly ok: true; readonly identity: Identity }
    | {
        readonly ok: false;
        readonly code: "token_invalid" | "token_expired";
        readonly message: string;
      }
    /** The token cannot be checked now (its keys are out of reach): say goodbye `try_later`. */
    | {
        readonly ok: false;
        readonly code: "try_later";
        readonly message: string;
        readonly retryMs: number;
      }
  >;
  /** Anonymous identity, or undefined where a token is needed. */
  anonymous(): Identity | undefined;
  /** Signs a session into a resume token; synchronous and cheap. */
  issueResume(session: string, identity: Identity, nowMs: number): string;
  /**
   * Synchronous and cheap: no network, no broker. Undefined for anything but a token of ours within
   * its own lifetime.
   */
  openResume(token: string, nowMs: number): OpenedResume | undefined;
}

/** What a resume token says. */
export interface OpenedResume {
  readonly session: string;
  readonly identity: Identity;
  readonly issuedAtMs: number;
  /**
   * The identity is over and MUST NOT be used. The session may go on for whoever proves anew to be
   * the same user.
   */
  readonly expired?: true;
}
