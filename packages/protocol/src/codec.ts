// Owns: what a codec is, for each side.
import type { CodeName } from "./codes.ts";
import type { ClientFrame, CodecName, ServerFrame } from "./frames.ts";

/** An encoded message or part of one: text for JSON, bytes for MessagePack. */
export type Encoded = string | Uint8Array;

/**
 * What was wrong with a message. With `id` only that request is wrong: answer it with `code`
 * (`request_invalid`, `payload_invalid`, `payload_too_large`) and go on. Without, the connection
 * must end (`frame_invalid`); a fault in connect, report or bye never has one. `ch` is the channel
 * that the request named: its refusal waits there for its turn. `path` names the member
 * (`pos.offset`); `message` is made for people.
 */
export interface DecodeFault {
  readonly code: Extract<
    CodeName,
    "frame_invalid" | "request_invalid" | "payload_invalid" | "payload_too_large"
  >;
  readonly message: string;
  readonly path?: string;
  readonly id?: number;
  readonly ch?: string;
}

/** A node's side: application data stays raw (`Payload`). */
export interface NodeCodec {
  /** Names the encoding, `json` or `msgpack` today; each codec of a node has another. */
  readonly name: string;
  /** What a client offers in its WebSocket handshake to speak it. */
  readonly subprotocol: string;
  /**
   * Frames of one message in order, every member checked, at least one item. A faulty request with
   * an id is an item of its own (answer it, go on); a fault without id is the last item (end the
   * connection). Never throws. What is decoded shares no memory with `message`.
   */
  decode(
    message: Encoded,
    limits: { readonly dataBytesMax: number },
  ): readonly (ClientFrame | { readonly t: "fault"; readonly fault: DecodeFault })[];
  /**
   * One frame. Data is transcoded when it is in another form; data that no codec checked and that
   * does not parse is a PayloadError.
   */
  encode(frame: ServerFrame): Encoded;
  /** One message out of encoded frames (at least one). */
  join(frames: readonly Encoded[]): Encoded;
}

/** A client's side: application data is plain values; a Uint8Array is a byte string. */
export interface ClientCodec {
  readonly name: CodecName;
  readonly subprotocol: string;
  /** One frame. Throws a TypeError when the data cannot be expressed. */
  encode(frame: ClientFrame<unknown>): Encoded;
  /** One message out of encoded frames (at least one). */
  join(frames: readonly Encoded[]): Encoded;
  /**
   * Frames of one message; types unknown to this version are left out. Throws a TypeError on a
   * message that breaks the protocol.
   */
  decode(message: Encoded): readonly ServerFrame<unknown>[];
}
