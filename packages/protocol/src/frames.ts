// Owns: the shape of every frame of holdfast.v1 once decoded. Member names are the wire's
// (spec/protocol.md section 4).
import type { DeliveryClass, Payload, Position } from "./payload.ts";

/** The WebSocket subprotocol of clients that speak JSON (spec, section 1.1). */
export const SUBPROTOCOL_JSON = "holdfast.v1";
/** The WebSocket subprotocol of clients that speak MessagePack (spec, section 1.1). */
export const SUBPROTOCOL_MSGPACK = "holdfast.v1+msgpack";
/** The two encodings of frames. */
export type CodecName = "json" | "msgpack";

/**
 * Where a frame carries application data, `D` is the form that the reading or writing side uses: a
 * node uses `Payload` (raw, not parsed), a client uses `unknown` (plain values; a Uint8Array is a
 * byte string). On the wire it is member `d` (a value) or `b` (a byte string).
 */
export type ClientFrame<D = Payload> =
  | ConnectFrame
  | {
      readonly t: "subscribe";
      readonly id: number;
      readonly ch: string;
      readonly pos?: Position;
      readonly last?: number;
    }
  | { readonly t: "unsubscribe"; readonly id: number; readonly ch: string }
  | {
      readonly t: "publish";
      readonly id: number;
      readonly ch: string;
      readonly k?: string;
      readonly idem?: string;
      readonly data: D;
    }
  | {
      readonly t: "history";
      readonly id: number;
      readonly ch: string;
      readonly limit?: number;
      readonly before?: number;
    }
  | { readonly t: "enter"; readonly id: number; readonly ch: string; readonly data?: D }
  | { readonly t: "update"; readonly id: number; readonly ch: string; readonly data?: D }
  | { readonly t: "leave"; readonly id: number; readonly ch: string }
  | { readonly t: "watch"; readonly id: number; readonly ch: string }
  | { readonly t: "unwatch"; readonly id: number; readonly ch: string }
  | {
      readonly t: "rpc";
      readonly id: number;
      readonly m: string;
      readonly timeoutMs?: number;
      readonly data?: D;
    }
  | { readonly t: "cancel"; readonly id: number }
  | { readonly t: "ping"; readonly id: number }
  | { readonly t: "refresh"; readonly id: number; readonly token: string }
  | { readonly t: "report"; readonly counts: ExperienceCounts }
  | { readonly t: "bye"; readonly moved?: boolean };

/**
 * First frame of every connection. `resume` is a resume token; `moving` says that an older
 * connection of the session is still open on purpose.
 */
export interface ConnectFrame {
  readonly t: "connect";
  readonly id: number;
  readonly token?: string;
  readonly resume?: string;
  readonly moving?: boolean;
  /** True when the client answers `migrate`; others get close 1012 at their slot. */
  readonly migrates?: boolean;
  /** Name and version of the client library, at most 64 characters. */
  readonly client?: string;
}

/** What the application on a client experienced since the last report; all counts, times in ms. */
export interface ExperienceCounts {
  readonly reconnects: number;
  readonly migrations: number;
  readonly duplicates: number;
  readonly gaps: number;
  /** Publications known to be lost, from declared gaps whose size is known. */
  readonly lost: number;
  /** Holes that no gap frame declared. Must be 0. */
  readonly undeclared: number;
  /** Longest time from losing a connection to being caught up on the next one. */
  readonly resumeMsMax: number;
}

/** The types of frames that clients send. */
export type ClientFrameType = ClientFrame["t"];

/** A frame from a node to a client. `D` is the form of its data, as in `ClientFrame`. */
export type ServerFrame<D = Payload> =
  | ConnectedFrame
  | { readonly t: "ok"; readonly id: number; readonly data?: D }
  | {
      readonly t: "published";
      readonly id: number;
      readonly e: string;
      readonly o: number;
      readonly dup?: boolean;
    }
  | ErrFrame
  | SubscribedFrame
  | PubFrame<D>
  | GapFrame
  | {
      readonly t: "history";
      readonly id: number;
      readonly ch: string;
      readonly e: string;
      readonly pubs: readonly PubEntry<D>[];
      readonly more: boolean;
    }
  | MembersFrame<D>
  | PresenceFrame<D>
  | UnsubscribedFrame
  | {
      readonly t: "pong";
      readonly id: number;
      readonly time: number;
      readonly windowMs: number;
      readonly resume?: string;
    }
  | { readonly t: "advice"; readonly windowMs: number }
  | { readonly t: "migrate"; readonly reason: "drain" | "rebalance"; readonly deadlineMs: number }
  | GoodbyeFrame;

/**
 * Answer to `connect`. Times in ms; `time` is the node's clock. `expiresMs` is the time left until
 * the token expires.
 */
export interface ConnectedFrame {
  readonly t: "connected";
  readonly id: number;
  readonly session: string;
  readonly user?: string;
  readonly node: string;
  readonly resumed: boolean;
  /** Resume token for the next connection; a newer one may come with a `pong`. */
  readonly resume: string;
  readonly pingMs: number;
  readonly windowMs: number;
  readonly expiresMs?: number;
  readonly messageBytesMax: number;
  readonly time: number;
}

/** Answer to a request that failed (`id` is the request's). */
export interface ErrFrame {
  readonly t: "err";
  readonly id: number;
  readonly code: number;
  readonly name: string;
  readonly msg: string;
  readonly path?: string;
  readonly retryMs?: number;
}

/**
 * `pos` is where the stream continues: the next publication has offset pos.offset+1 (larger only in
 * `latest`). `head` is the newest offset now.
 */
export interface SubscribedFrame {
  readonly t: "subscribed";
  readonly id: number;
  readonly ch: string;
  readonly cls: DeliveryClass;
  readonly pos: Position;
  readonly head: number;
  /** True when a position was asked for and everything since it follows. */
  readonly recovered: boolean;
}

/**
 * One publication: offset `o`, the broker's time `ts` in ms since 1970, key `k`, the publisher's
 * user `u` and session `s`, and the data.
 */
export interface PubEntry<D = Payload> {
  readonly o: number;
  readonly ts: number;
  readonly k?: string;
  readonly u?: string;
  readonly s?: string;
  readonly data: D;
  /** `Publication.meta`; inside of a node only, never on the wire. */
  readonly meta?: Uint8Array;
}

/** One publication of a channel `ch`, as the node delivers it to a subscriber. */
export interface PubFrame<D = Payload> extends PubEntry<D> {
  readonly t: "pub";
  readonly ch: string;
}

/** Why publications are missing: no longer kept, another epoch, or dropped. */
export type GapReason = "history" | "epoch" | "dropped";

/**
 * Publications `from`..`to` will never arrive (`to` null: unknown, the epoch changed). The stream
 * continues after `pos`.
 */
export interface GapFrame {
  readonly t: "gap";
  readonly ch: string;
  readonly from: number;
  readonly to: number | null;
  readonly reason: GapReason;
  readonly pos: Position;
}

/** One member of a channel's presence. `m` is the session id. */
export interface MemberEntry<D = Payload> {
  readonly m: string;
  readonly u?: string;
  readonly data?: D;
}

/**
 * Part of the snapshot that answers `watch`; `more` says that another part follows. The last part
 * is followed by `ok`.
 */
export interface MembersFrame<D = Payload> {
  readonly t: "members";
  readonly ch: string;
  readonly list: readonly MemberEntry<D>[];
  readonly more: boolean;
}

/**
 * A change of a watched channel's members, coalesced. A member stands in at most one of the three
 * lists.
 */
export interface PresenceFrame<D = Payload> {
  readonly t: "presence";
  readonly ch: string;
  readonly join: readonly MemberEntry<D>[];
  readonly update: readonly MemberEntry<D>[];
  readonly leave: readonly string[];
}

/**
 * The node ended the subscription. With `of` it ended the watch and the entry instead.
 */
export interface UnsubscribedFrame {
  readonly t: "unsubscribed";
  readonly ch: string;
  readonly code: number;
  readonly name: string;
  readonly msg: string;
  readonly of?: "presence";
}

/**
 * Last frame before the node closes the connection. `retryMs` is the least delay, `windowMs` the
 * window to spread over after it.
 */
export interface GoodbyeFrame {
  readonly t: "goodbye";
  readonly code: number;
  readonly name: string;
  readonly msg: string;
  readonly retryMs?: number;
  readonly windowMs?: number;
}

/** The types of frames that nodes send. */
export type ServerFrameType = ServerFrame["t"];
