// Owns: what the engines need from outside: time, chance, connections, the broker, the application.

import type { Identity, StreamOptions } from "@holdfast/contract";
import type { Payload, Position, Publication } from "@holdfast/protocol";

import type { StateStore } from "./state-port.ts";

export { BrokerError, type BrokerErrorCode } from "./broker-error.ts";
export * from "./state-port.ts";

/** Time and randomness. An engine gets both only from here, so that one seed replays a run. */
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
  /**
   * Stops reading, so that the peer must wait. Messages that were already read are still told.
   * While the link is paused, the end of the connection MAY not be noticed.
   */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Starts the closing handshake after everything that was sent. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. */
  cut(): void;
  /**
   * Asks the peer for a sign of life that needs no timer of its program: browsers run the timers of
   * a hidden page once a minute. `DoorEngine.alive` tells the answer. Absent: the transport has no
   * such message.
   */
  ping?(): void;
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
  /** Kept with the publication as it is, and given back with it (`Publication.meta`). */
  readonly meta?: Uint8Array;
  /**
   * If the same key comes again within the broker's window, the broker MUST publish nothing and
   * MUST answer the first offset.
   */
  readonly idempotencyKey?: string;
  /**
   * Whose share of the broker's room it takes: a user or an address. Absent: nobody's, for programs
   * that are trusted. A broker without room of its own MAY ignore it.
   */
  readonly party?: string;
  /** What it displaces is asked for (`PublishResult.displaced`): a broker MAY tell it otherwise. */
  readonly measured?: true;
}

export interface PublishResult {
  readonly position: Position;
  /** True when the idempotency key was known. */
  readonly duplicate: boolean;
  /** What it takes of the broker's room. A broker with `sharesRoom` need not tell it. */
  readonly bytes?: number;
  /** What had to go for it, in the same bytes, and how long that had been kept. */
  readonly displaced?: { readonly bytes: number; readonly ageMs: number };
}

/** Publications with consecutive offsets (latest: rising), oldest first. */
export interface HistoryPage {
  readonly epoch: string;
  /** Newest offset of the stream (0 when empty). */
  readonly head: number;
  /** Offset of the oldest publication that is kept; head + 1 when none is. */
  readonly oldest: number;
  readonly publications: readonly Publication[];
  /** More publications are kept after the page's end, in the direction of the read. */
  readonly more: boolean;
}

/**
 * A page ends at `limit` publications, or before the one that would exceed `bytesMax`. It has at
 * least one publication if there is one and `limit` allows it. A broker MUST NOT read or send much
 * more than it answers.
 */
export type HistoryQuery = {
  readonly limit: number;
  /** Data, key, user, session, and 96 bytes for each publication. Default `HISTORY_BYTES_MAX`. */
  readonly bytesMax?: number;
} & (
  | {
      /** Publications with a higher offset, oldest first. `latest`: of the newest for each key. */
      readonly after: number;
    }
  | {
      /** The newest publications with a lower offset, answered oldest first. Absent: the newest. */
      readonly before?: number;
    }
);

/** Bytes of a page of history, or of members, for which no limit in bytes was asked. */
export const HISTORY_BYTES_MAX = 1024 * 1024;
export const MEMBERS_BYTES_MAX = 1024 * 1024;

/**
 * What a broker tells a node about a channel that the node subscribed to. Calls come in offset
 * order, and never inside a call of the broker's own methods.
 */
export interface ChannelListener {
  publication(publication: Publication, epoch: string): void;
  /**
   * Publications up to `offset` were removed, and a node MUST NOT give them to anybody any more.
   * This call comes after those publications and before every later one. A node that was out of
   * reach is not told: after a reconnect, `HistoryPage.oldest` says what is gone.
   */
  removed(offset: number, epoch: string): void;
  presence(change: PresenceChange): void;
}

export interface PresenceMember {
  /** Public session id. */
  readonly member: string;
  readonly user?: string;
  readonly data?: Payload;
}

/**
 * A page ends with the member that reaches `bytesMax`, or at most 16 members later. So it has at
 * least one member if there is one.
 */
export interface MembersQuery {
  /** `MembersPage.cursor` of the page before. Absent: from the beginning. */
  readonly cursor?: string;
  /** Data, id and user, and 96 bytes for each member. Default `MEMBERS_BYTES_MAX`. */
  readonly bytesMax?: number;
}

export interface MembersPage {
  readonly members: readonly PresenceMember[];
  /** Where the next page begins. Absent: this is the last one. */
  readonly cursor?: string;
}

export type PresenceChange =
  | { readonly kind: "join" | "update"; readonly member: PresenceMember }
  | { readonly kind: "leave"; readonly member: string };

/**
 * The broker carries publications, history, presence and state between nodes. Every promise
 * settles within the broker's own timeout and rejects with `BrokerError` only. After a rejection
 * of `publish` the publication MAY exist: repeating with the same idempotency key is safe.
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
  /**
   * Removes what is kept; offsets continue. Once it has resolved, no call of `history` answers with
   * what was removed, and every listener in reach is told (`ChannelListener.removed`).
   */
  removeHistory(channel: string, stream: StreamOptions): Promise<Position>;
  readonly presence: PresenceStore;
  readonly states: StateStore;
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
   * Called whenever the broker is reached again after it was out of reach: every position must be
   * checked again.
   */
  onReconnect(task: () => void): void;
  /** True when publications survive the end of every node. */
  readonly durable: boolean;
  /**
   * True when the broker gives each party a share of its room (`PublishRequest.party`). Otherwise
   * each node does.
   */
  readonly sharesRoom: boolean;
  /**
   * Tests a publish with the same limits, rights and servers. Resolves when it has gone the whole
   * way. Rejects with the code of the error that a publish would get (H8). Changes nothing that
   * others see.
   */
  probe(): Promise<void>;
  /** What the broker holds, as it was last known. Undefined while nothing is known. */
  usage(): BrokerUsage | undefined;
  close(): Promise<void>;
}

/** Memory of the broker in bytes. A figure that an adapter cannot tell is absent. */
export interface BrokerUsage {
  readonly bytes: number;
  /** Bytes at which the broker is full. Absent: it has no own limit. */
  readonly bytesMax?: number;
  /** The part of `bytes` that presence takes. */
  readonly presenceBytes?: number;
  /** The part of `bytes` that state takes, and the keys of it. */
  readonly stateBytes?: number;
  readonly states?: number;
  readonly channels?: number;
  readonly members?: number;
}

/** An entry that needs no more room than it has MUST NOT be refused for any of these. */
export interface EnterOptions {
  /** A new member of a channel that has about as many members: BrokerError "limit". */
  readonly membersMax?: number;
  /**
   * Whose share of the broker's room it takes, as in `PublishRequest`. A party that has as much as
   * is still free: BrokerError "share". A broker without room of its own MAY ignore it.
   */
  readonly party?: string;
  /** The member was one already, and the broker lost it: its party's share is not asked. */
  readonly isBack?: boolean;
  /** What needs more room than it has: BrokerError "share". */
  readonly mayGrow?: boolean;
}

/**
 * Members of channels, by session id. An entry belongs to its **owner** (one connection: node id +
 * "/" + a number); the last `enter` owns it.
 * `leave` of another owner MUST be ignored, so that a session that moved keeps its entry (H7).
 */
export interface PresenceStore {
  /**
   * A new member: told as join. A known one with other data: told as update. A known one with the
   * same data: changes the owner, tells nothing, cancels a pending leave.
   */
  enter(
    channel: string,
    member: PresenceMember,
    owner: string,
    options?: EnterOptions,
  ): Promise<void>;
  /**
   * Ends the membership after `graceMs`, unless it is entered again before. The node's lease does
   * not matter. 0: at once. If it is called again, the last call counts.
   */
  leave(channel: string, member: string, owner: string, graceMs: number): Promise<void>;
  /**
   * Current members, in pages. One that is a member all the time is in at least one page, as it was
   * when that page was read. To get the exact members, subscribe first. Then apply, in order, every
   * change told since the first page was asked for to the pages together.
   */
  members(channel: string, query?: MembersQuery): Promise<MembersPage>;
  /**
   * Sets the lease of all entries that the node's connections own: it ends `ttlMs` from now. When
   * it ends, the entries are removed and told as leaves. A node that never renewed has a lease of a
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

/** Plain JSON. The feature that speaks a kind declares what else is in it. */
export interface BusMessage {
  readonly kind: string;
  /** Id of the node that sends it. */
  readonly from: string;
  readonly [member: string]: unknown;
}

/** Checks tokens and makes resume tokens. Refusals are returned, not thrown. */
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
  /** Anonymous identity, or undefined if a token is needed. */
  anonymous(): Identity | undefined;
  /** Signs a session into a resume token; synchronous and cheap. */
  issueResume(session: string, identity: Identity, nowMs: number, entitled: Entitlement): string;
  /**
   * Synchronous and cheap: no network, no broker. Undefined for anything but a token of ours within
   * its own lifetime.
   */
  openResume(token: string, nowMs: number): OpenedResume | undefined;
}

/** Since when a session may subscribe to what it may subscribe to now. */
export interface Entitlement {
  /** Wall time of the node that granted it, in ms. */
  readonly sinceMs: number;
  /** `Contract.subscribePolicy` of the contract that granted it. */
  readonly policy: string;
}

/** What a resume token says. */
export interface OpenedResume {
  readonly session: string;
  readonly identity: Identity;
  readonly issuedAtMs: number;
  /** Absent in tokens of nodes that did not know it. */
  readonly entitled?: Entitlement;
  /**
   * The identity has expired and MUST NOT be used. The session may continue if the client proves
   * again that it is the same user.
   */
  readonly expired?: true;
}
