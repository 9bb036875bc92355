// Owns: holdfast.v1+msgpack on a node. Application data passes through as the bytes that came.
import { type DecodedItem, frameFault } from "./client-frame-reader.ts";
import type { Encoded, NodeCodec } from "./codec.ts";
import { type ServerFrame, SUBPROTOCOL_MSGPACK } from "./frames.ts";
import { FRAMES_PER_MESSAGE_MAX } from "./limits.ts";
import { MsgpackFrames } from "./msgpack-frame.ts";
import { concatenate, msgpackOf } from "./msgpack-values.ts";
import { pack } from "./msgpack-write.ts";
import type { Payload } from "./payload.ts";

/**
 * MessagePack messages for nodes. JSON payloads are transcoded; a JSON payload that does not parse
 * is a PayloadError.
 */
export const msgpackNodeCodec: NodeCodec = {
  name: "msgpack",
  subprotocol: SUBPROTOCOL_MSGPACK,
  decode(message, limits) {
    if (typeof message === "string")
      return [frameFault("a message", "a text message", "a binary message in holdfast.v1+msgpack")];
    return decodeFrames(
      new Uint8Array(message.buffer, message.byteOffset, message.byteLength),
      limits.dataBytesMax,
    );
  },
  encode: (frame) => pack(wireForm(frame)),
  join: (frames) =>
    frames.length === 1 ? (frames[0] as Encoded) : concatenate(frames as readonly Uint8Array[]),
};

/** `bytes` is a plain Uint8Array, so that what is cut out of it is one too. */
function decodeFrames(bytes: Uint8Array, dataBytesMax: number): readonly DecodedItem[] {
  const items: DecodedItem[] = [];
  const frames = new MsgpackFrames(bytes, dataBytesMax);
  do {
    if (items.length === FRAMES_PER_MESSAGE_MAX) {
      items.push(
        frameFault(
          "a message",
          `more than ${FRAMES_PER_MESSAGE_MAX} frames`,
          `at most ${FRAMES_PER_MESSAGE_MAX}`,
        ),
      );
      return items;
    }
    const item = frames.next();
    items.push(item);
    if (item.t === "fault" && item.fault.id === undefined) return items;
  } while (!frames.isAtEnd);
  return items;
}

type Members = Record<string, unknown>;

/** The frame as it stands on the wire: `data` becomes `d` or `b`. */
function wireForm(frame: ServerFrame): unknown {
  switch (frame.t) {
    case "pub":
    case "ok":
      return entryForm(frame);
    case "history":
      return { ...frame, pubs: frame.pubs.map(entryForm) };
    case "members":
      return { ...frame, list: frame.list.map(entryForm) };
    case "presence":
      return { ...frame, join: frame.join.map(entryForm), update: frame.update.map(entryForm) };
    default:
      return frame;
  }
}

function entryForm(entry: { readonly data?: Payload; readonly meta?: Uint8Array }): Members {
  const { data, meta: _meta, ...members } = entry;
  if (data === undefined) return members;
  return data.kind === "bytes"
    ? { ...members, b: data.bytes }
    : { ...members, d: data.kind === "msgpack" ? data.bytes : msgpackOf(data.text) };
}
