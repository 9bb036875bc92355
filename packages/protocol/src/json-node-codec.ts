// Owns: holdfast.v1 in JSON on a node. Application data passes through as the text that came.
import { toBase64 } from "./base64.ts";
import { type DecodedItem, frameFault } from "./client-frame-reader.ts";
import type { NodeCodec } from "./codec.ts";
import { type MemberEntry, type PubEntry, type ServerFrame, SUBPROTOCOL_JSON } from "./frames.ts";
import { readJsonFrame } from "./json-frame.ts";
import { FRAMES_PER_MESSAGE_MAX } from "./limits.ts";
import type { Payload } from "./payload.ts";

/**
 * The text of the JSON value that says the same as MessagePack `bytes`. Throws a PayloadError when
 * there is none.
 */
export type ToJsonText = (bytes: Uint8Array) => string;

/**
 * A JSON codec for nodes that transcodes by `toJsonText`. See `@holdfast/protocol/node` for the one
 * that is ready for use.
 */
export function createJsonNodeCodec(toJsonText: ToJsonText): NodeCodec {
  const dataMember = (data: Payload | undefined): string =>
    data === undefined ? "" : encodeData(data, toJsonText);
  return {
    name: "json",
    subprotocol: SUBPROTOCOL_JSON,
    decode(message, limits) {
      if (typeof message !== "string")
        return [frameFault("a message", "a binary message", "a text message in holdfast.v1")];
      return decodeFrames(message, limits.dataBytesMax);
    },
    encode: (frame) => encodeFrame(frame, dataMember),
    join: (frames) => (frames.length === 1 ? (frames[0] as string) : frames.join("\n")),
  };
}

function decodeFrames(message: string, dataBytesMax: number): readonly DecodedItem[] {
  if (!message.includes("\n")) return [readJsonFrame(message, dataBytesMax)];
  const lines = message.split("\n", FRAMES_PER_MESSAGE_MAX + 1);
  const items: DecodedItem[] = [];
  for (const line of lines) {
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
    const item = readJsonFrame(line, dataBytesMax);
    items.push(item);
    if (item.t === "fault" && item.fault.id === undefined) return items;
  }
  return items;
}

function encodeFrame(
  frame: ServerFrame,
  dataMember: (data: Payload | undefined) => string,
): string {
  switch (frame.t) {
    case "pub":
      return `{"t":"pub","ch":${JSON.stringify(frame.ch)},${pubMembers(frame)}${dataMember(frame.data)}}`;
    case "ok":
      return `{"t":"ok","id":${frame.id}${dataMember(frame.data)}}`;
    case "history": {
      const pubs = frame.pubs.map((pub) => `{${pubMembers(pub)}${dataMember(pub.data)}}`).join(",");
      const head = `{"t":"history","id":${frame.id},"ch":${JSON.stringify(frame.ch)},"e":${JSON.stringify(frame.e)}`;
      return `${head},"pubs":[${pubs}],"more":${frame.more}}`;
    }
    case "members":
      return `{"t":"members","ch":${JSON.stringify(frame.ch)},"list":${entries(frame.list, dataMember)},"more":${frame.more}}`;
    case "presence": {
      const lists = `"join":${entries(frame.join, dataMember)},"update":${entries(frame.update, dataMember)}`;
      return `{"t":"presence","ch":${JSON.stringify(frame.ch)},${lists},"leave":${JSON.stringify(frame.leave)}}`;
    }
    default:
      return JSON.stringify(frame);
  }
}

function pubMembers(pub: PubEntry): string {
  let text = `"o":${pub.o},"ts":${pub.ts}`;
  if (pub.k !== undefined) text += `,"k":${JSON.stringify(pub.k)}`;
  if (pub.u !== undefined) text += `,"u":${JSON.stringify(pub.u)}`;
  if (pub.s !== undefined) text += `,"s":${JSON.stringify(pub.s)}`;
  return text;
}

function entries(
  list: readonly MemberEntry[],
  dataMember: (data: Payload | undefined) => string,
): string {
  const texts = list.map((entry) => {
    const user = entry.u === undefined ? "" : `,"u":${JSON.stringify(entry.u)}`;
    return `{"m":${JSON.stringify(entry.m)}${user}${dataMember(entry.data)}}`;
  });
  return `[${texts.join(",")}]`;
}

function encodeData(data: Payload, toJsonText: ToJsonText): string {
  if (data.kind === "json") return `,"d":${jsonForFrame(data.text)}`;
  return data.kind === "bytes"
    ? `,"b":"${toBase64(data.bytes)}"`
    : `,"d":${toJsonText(data.bytes)}`;
}

/** Text as it may stand in a frame: a line feed, which JSON has between tokens, would end it. */
const jsonForFrame = (text: string): string =>
  text.includes("\n") ? text.replaceAll("\n", " ") : text;
