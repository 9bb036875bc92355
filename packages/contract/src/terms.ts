// Owns: the words that a contract is written in: who a session is, what it may do, how a stream is
// kept.
import type { CodeName, DeliveryClass } from "@holdfast/protocol";

/** A request's result; failures carry a code of the one table. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly code: CodeName;
      readonly message: string;
      readonly path?: string;
      readonly retryMs?: number;
    };

/**
 * Who a session is. From a verified token, a resume token, or nobody. `caps` undefined: no claims
 * about channels.
 */
export interface Identity {
  readonly user?: string;
  readonly info?: unknown;
  readonly caps?: readonly Capability[];
  /** Wall time at which the identity ends. */
  readonly expiresAtMs?: number;
}

/** What a session may be allowed to do in a channel. */
export type ChannelAction = "subscribe" | "publish" | "presence" | "history";

/** A channel pattern (`chat:*`, `chat:{room}`, `chat:lobby`) and what it allows. */
export interface Capability {
  readonly channel: string;
  readonly actions: readonly ChannelAction[];
}

/**
 * How a stream is kept. Fixed for a channel by the contract; a broker MAY round times up to whole
 * seconds.
 */
export interface StreamOptions {
  readonly cls: DeliveryClass;
  /**
   * Publications kept at most (ordered, durable), or keys kept at most (latest). 0 for volatile.
   */
  readonly sizeMax: number;
  /** How long a publication is kept. */
  readonly ttlMs: number;
}
