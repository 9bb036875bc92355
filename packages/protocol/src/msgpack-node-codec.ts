// Owns: holdfast.v1+msgpack on a node. Application data passes through as the bytes that came.
import {
  type DecodedItem,
  frameFault,
  type ReceivedData,
  readClientFrame,
} from "./client-frame-reader.ts";
import type { Encoded, NodeCodec } from "./codec.ts";
import type { ServerFrame } from "./frames.ts";
import { FRAMES_PER_MESSAGE_MAX } from "./limits.ts";
import { dataProblem, describe, isMap, type ReceivedMap, tooLarge } from "./member-reader.ts";
import { concatenate, msgpackOf, pack, unpack } from "./msgpack-values.ts";
import { MsgpackWalk } from "./msgpack-walk.ts";
import type { Payload } from "./payload.ts";

/**
 * MessagePack messages for nodes. JSON payloads are transcoded; a JSON payload that does not parse
 * is a PayloadError.
 */
export const msgpackNodeCodec: NodeCodec = {
  name: "msgpack",
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
  const walk = new MsgpackWalk(bytes);
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
    const start = walk.position;
    const item = walk.value()
      ? decodeFrame(unpack(bytes, start, walk.position), dataBytesMax)
      : frameFault("a frame", walk.found, "a map in MessagePack");
    items.push(item);
    if (item.t === "fault" && item.fault.id === undefined) return items;
  } while (walk.position < bytes.length);
  return items;
}

function decodeFrame(map: unknown, dataBytesMax: number): DecodedItem {
  if (!isMap(map)) return frameFault("a frame", describe(map), "a map in MessagePack");
  return readClientFrame(map, receivedData(map, dataBytesMax));
}

function receivedData(map: ReceivedMap, dataBytesMax: number): ReceivedData {
  const { d, b } = map;
  if (d === undefined && b === undefined) return undefined;
  const path = d === undefined ? "b" : "d";
  if (d !== undefined && b !== undefined)
    return dataProblem("request_invalid", "b", "b beside d", "one of them");
  const bytes = d ?? b;
  if (!(bytes instanceof Uint8Array))
    return dataProblem("payload_invalid", path, describe(bytes), "a bin");
  if (bytes.length > dataBytesMax) return tooLarge(path, bytes.length, dataBytesMax);
  if (path === "b") return { kind: "bytes", bytes };
  const walk = new MsgpackWalk(bytes);
  if (!walk.value())
    return dataProblem("payload_invalid", "d", walk.found, "one MessagePack value of plain data");
  if (walk.position < bytes.length)
    return dataProblem(
      "payload_invalid",
      "d",
      "bytes behind the value",
      "one MessagePack value of plain data",
    );
  return { kind: "msgpack", bytes };
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

function entryForm(entry: { readonly data?: Payload }): Members {
  const { data, ...members } = entry;
  if (data === undefined) return members;
  return data.kind === "bytes"
    ? { ...members, b: data.bytes }
    : { ...members, d: data.kind === "msgpack" ? data.bytes : msgpackOf(data.text) };
}
