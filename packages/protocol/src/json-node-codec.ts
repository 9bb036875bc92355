// Owns: holdfast.v1 in JSON on a node. Application data passes through as the text that came.
import { fromBase64, toBase64 } from "./base64.ts";
import {
  type DecodedItem,
  frameFault,
  type ReceivedData,
  readClientFrame,
} from "./client-frame-reader.ts";
import type { NodeCodec } from "./codec.ts";
import type { MemberEntry, PubEntry, ServerFrame } from "./frames.ts";
import { jsonDataProblem, jsonForFrame, TOO_DEEP } from "./json-data.ts";
import { FRAMES_PER_MESSAGE_MAX } from "./limits.ts";
import { dataProblem, describe, isMap, type ReceivedMap, tooLarge } from "./member-reader.ts";
import type { Payload } from "./payload.ts";
import { fitsUtf8, utf8Length } from "./utf8.ts";

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
  if (!message.includes("\n")) return [decodeFrame(message, dataBytesMax)];
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
    const item = decodeFrame(line, dataBytesMax);
    items.push(item);
    if (item.t === "fault" && item.fault.id === undefined) return items;
  }
  return items;
}

/**
 * One frame's text. The fast path leaves the text of `d` alone; whatever it cannot take apart goes
 * the slow way.
 */
export function decodeFrame(text: string, dataBytesMax: number): DecodedItem {
  const at = text.indexOf(',"d":');
  if (at > 0 && text.endsWith("}")) {
    const head = parseJson(`${text.slice(0, at)}}`);
    const dataText = text.slice(at + 5, -1);
    // The text of one value, by itself: text that would close the frame and open another does not
    // parse here.
    const value = isMap(head) ? parseJson(dataText) : undefined;
    if (value !== undefined && isMap(head))
      return readClientFrame(
        head,
        receivedData(head, { text: dataText, value, source: dataText }, dataBytesMax),
      );
  }
  return decodeFrameSlowly(text, dataBytesMax);
}

/**
 * The same for frames with members in another order, or white space between tokens: `d` is written
 * anew.
 */
export function decodeFrameSlowly(text: string, dataBytesMax: number): DecodedItem {
  const map = parseJson(text);
  if (!isMap(map))
    return frameFault(
      "a frame",
      map === undefined ? "text that is not JSON" : describe(map),
      "one JSON object on one line",
    );
  if (map.d === undefined)
    return readClientFrame(
      map,
      map.b === undefined ? undefined : receivedBytes(map.b, dataBytesMax),
    );
  const dataText = writeJson(map.d);
  if (dataText === undefined)
    return readClientFrame(map, dataProblem("payload_invalid", "d", TOO_DEEP, "plain data"));
  return readClientFrame(
    map,
    receivedData(map, { text: dataText, value: map.d, source: text }, dataBytesMax),
  );
}

/** Undefined when `value`, which came out of JSON, is nested deeper than the writer can follow. */
function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/**
 * The parsed value; undefined (which JSON cannot say) when `text` is not JSON or is nested deeper
 * than the parser can follow.
 */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Data as text and as value; `source` is the text in which it came. */
interface ParsedData {
  readonly text: string;
  readonly value: unknown;
  readonly source: string;
}

function receivedData(
  map: ReceivedMap,
  { text, value, source }: ParsedData,
  dataBytesMax: number,
): ReceivedData {
  if (map.b !== undefined) return dataProblem("request_invalid", "b", "b beside d", "one of them");
  if (!fitsUtf8(text, dataBytesMax)) return tooLarge("d", utf8Length(text), dataBytesMax);
  const problem = jsonDataProblem(text, value, source);
  return problem === undefined
    ? { kind: "json", text }
    : dataProblem("payload_invalid", "d", problem, "plain data");
}

function receivedBytes(value: unknown, dataBytesMax: number): ReceivedData {
  if (typeof value !== "string")
    return dataProblem("payload_invalid", "b", describe(value), "a string of base64");
  // Refused before it is decoded: nothing is allocated for it.
  if (value.length > Math.ceil(dataBytesMax / 3) * 4)
    return tooLarge("b", Math.floor((value.length / 4) * 3), dataBytesMax);
  const bytes = fromBase64(value);
  if (bytes === undefined)
    return dataProblem(
      "payload_invalid",
      "b",
      "a string that is not padded base64",
      "a string of base64",
    );
  return bytes.length > dataBytesMax
    ? tooLarge("b", bytes.length, dataBytesMax)
    : { kind: "bytes", bytes };
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
