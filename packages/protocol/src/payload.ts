// Owns: application data as it travels through a node, in the form in which it arrived.

/**
 * Application data in transit. A node passes it on in the form in which it arrived and transcodes
 * it at most once for each codec that has a subscriber. `json` holds the text of exactly one JSON
 * value; `msgpack` holds exactly one MessagePack value; `bytes` is a byte string of the
 * application.
 */
export type Payload =
  | { readonly kind: "json"; readonly text: string }
  | { readonly kind: "msgpack"; readonly bytes: Uint8Array }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/**
 * A place in a channel's stream: `offset` counts publications from 1 within the `epoch`; 0 is
 * "before the first".
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/**
 * What is known of a publication's author: `user` from the token's `sub`, `session` the public
 * session id.
 */
export interface Author {
  readonly user?: string;
  readonly session?: string;
}

/** Most bytes of `Publication.meta`: as much as one field of the brokers' form can say. */
export const META_BYTES_MAX = 65_535;

/** One message in a channel, as brokers keep it and nodes deliver it. */
export interface Publication extends Author {
  readonly offset: number;
  /** Broker's clock when it took the publication, in ms since the Unix epoch. */
  readonly timeMs: number;
  /** Only in `latest` channels: the key that the publication replaces. */
  readonly key?: string;
  readonly payload: Payload;
  /**
   * What the publisher's door keeps with the publication for clients of its own protocol, at most
   * `META_BYTES_MAX` bytes. Nobody else reads it, and frames of holdfast.v1 do not carry it.
   */
  readonly meta?: Uint8Array;
}

/**
 * How a channel keeps and delivers its publications (spec/protocol.md, section 5).
 */
/** What a channel promises its subscribers (spec, section 5.3). */
export type DeliveryClass = "volatile" | "latest" | "ordered" | "durable";

/** Every delivery class, from the one that keeps nothing to the one that keeps longest. */
export const DELIVERY_CLASSES: readonly DeliveryClass[] = [
  "volatile",
  "latest",
  "ordered",
  "durable",
];

/**
 * Thrown for a value that is no application data, and for a payload that has no form in the
 * encoding that is asked for. `path` names the field; absent if the whole data is meant. Data that
 * a node accepted always has a form in every encoding.
 */
export class PayloadError extends TypeError {
  readonly code = "payload_invalid";
  readonly path?: string;

  constructor(message: string, { path = "", cause }: { path?: string; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PayloadError";
    if (path) this.path = path;
  }
}

/**
 * Size of a payload for accounts and limits of memory: bytes, or UTF-16 code units of JSON text
 * (its UTF-8 may be up to 3 times that). Constant time.
 */
export const payloadBytes = (payload: Payload): number =>
  payload.kind === "json" ? payload.text.length : payload.bytes.length;

/**
 * Whether two payloads are the same text or the same bytes in the same form. Different texts of one
 * value are not the same.
 */
export function samePayload(a: Payload, b: Payload): boolean {
  if (a.kind === "json" || b.kind === "json")
    return a.kind === "json" && b.kind === "json" && a.text === b.text;
  if (a.kind !== b.kind || a.bytes.length !== b.bytes.length) return false;
  const others = b.bytes;
  return a.bytes.every((byte, index) => byte === others[index]);
}

/** Length of data as it is kept, at no cost: bytes, or UTF-16 code units of text; 0 for none. */
export const lengthOf = (data: Payload | undefined): number =>
  data === undefined ? 0 : data.kind === "json" ? data.text.length : data.bytes.length;
