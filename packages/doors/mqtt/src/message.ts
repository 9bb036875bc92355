// Owns: a publication as MQTT has it: what is kept with it for MQTT's clients (`Publication.meta`),
// and the message that they are sent.
import type { DoorPublish } from "@holdfast/core";
import { META_BYTES_MAX, type Payload, type PubEntry, type PubFrame } from "@holdfast/protocol";
import { jsonProblem, textOf, transcode } from "@holdfast/protocol/node";
import { NOTHING, Reader, utf8, Writer } from "./bytes.ts";
import type { Qos } from "./decode.ts";
import type { PayloadForm, Topics } from "./topics.ts";

/** The first byte of a meta that this door wrote. */
const MARK = 0x6d;
const RETAIN = 4;
const HAS_EXPIRY = 16;

/** What a client published, besides its data. */
export interface Published {
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expiryS: number | undefined;
  /** Properties for subscribers, as they came. */
  readonly passedOn: Uint8Array | undefined;
}

/** Metas without expiry and properties, by their flags: the same arrays for every publication. */
const PLAIN_METAS = Array.from({ length: 8 }, (_, flags) => Uint8Array.of(MARK, flags));

/** The meta of a publication; undefined: it would be longer than a broker keeps. */
export function writeMeta(published: Published): Uint8Array | undefined {
  const { qos, retain, expiryS, passedOn } = published;
  if (expiryS === undefined && passedOn === undefined)
    return PLAIN_METAS[qos | (retain ? RETAIN : 0)];
  const out = new Writer(8 + (passedOn?.length ?? 0));
  out.u8(MARK).u8(qos | (retain ? RETAIN : 0) | (expiryS === undefined ? 0 : HAS_EXPIRY));
  if (expiryS !== undefined) out.u32(expiryS);
  if (passedOn !== undefined) out.raw(passedOn);
  return out.at > META_BYTES_MAX ? undefined : out.done().slice();
}

/** Undefined: it is of another door. */
function readMeta(meta: Uint8Array | undefined): Published | undefined {
  if (meta === undefined || meta[0] !== MARK) return undefined;
  const reader = new Reader(meta, 1, meta.length);
  const flags = reader.u8();
  const expiryS = flags & HAS_EXPIRY ? reader.u32() : undefined;
  if (reader.broken || (flags & 3) === 3) return undefined;
  return {
    qos: (flags & 3) as Qos,
    retain: (flags & RETAIN) !== 0,
    expiryS,
    passedOn: reader.left === 0 ? undefined : meta.subarray(reader.at),
  };
}

/** A publication on its way to MQTT's clients; the same object for all of them. */
export interface Message {
  readonly topic: string;
  /** The topic as UTF-8. */
  readonly topicBytes: Uint8Array;
  readonly payload: Uint8Array;
  /** What the publisher asked for. A publication of another door may have any. */
  readonly qos: Qos;
  readonly retain: boolean;
  /** The broker's time at which it is worth nothing any more. */
  readonly expiresMs: number | undefined;
  readonly passedOn: Uint8Array;
  readonly session: string | undefined;
  /** Its PUBLISH of QoS 0 without retain, for each version, if that is the same for everybody. */
  readonly packets: [Uint8Array | undefined, Uint8Array | undefined];
}

/**
 * The topic stands in the key, if the channel's name does not say it. `topicOf` finds it for those
 * without a key, and for those of other doors.
 */
function messageOf(frame: PubFrame, topics: Topics): Message | undefined {
  const entry: PubEntry = frame;
  const published = readMeta(entry.meta);
  const topic =
    (published === undefined ? undefined : entry.k) ?? topics.topicOf(frame.ch, entry.k);
  if (topic === undefined) return undefined;
  const expiryS = published?.expiryS;
  return {
    topic,
    topicBytes: topics.bytesOf(topic),
    payload: bytesOf(entry.data),
    qos: published?.qos ?? 2,
    retain: published?.retain ?? false,
    expiresMs: expiryS === undefined ? undefined : entry.ts + expiryS * 1000,
    passedOn: published?.passedOn ?? NOTHING,
    session: entry.s,
    packets: [undefined, undefined],
  };
}

/** Reads each frame of the engine once for all clients of a channel, which get it in one turn. */
export class Messages {
  readonly #topics: Topics;
  #frame: PubFrame | undefined;
  #message: Message | undefined;

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  /** Undefined: no topic of MQTT is in that channel. */
  of(frame: PubFrame): Message | undefined {
    if (this.#frame === frame) return this.#message;
    this.#frame = frame;
    this.#message = messageOf(frame, this.#topics);
    return this.#message;
  }
}

function bytesOf(data: Payload): Uint8Array {
  if (data.kind === "bytes") return data.bytes;
  const json = transcode(data, "json");
  return json.kind === "json" ? utf8(json.text) : NOTHING;
}

/**
 * A message's bytes as application data: JSON if the form allows it and it is data that every
 * client can read, or else a byte string. Undefined: the form says JSON, and it is none.
 */
export function dataOf(
  { bytes, from, to }: { readonly bytes: Uint8Array; readonly from: number; readonly to: number },
  form: PayloadForm,
): DoorPublish["data"] | undefined {
  if (form !== "bytes" && mayBeJson(bytes, from, to)) {
    const text = textIn(bytes, from, to);
    if (text !== undefined && jsonProblem(text, 0) === undefined) return { kind: "json", text };
  }
  return form === "json" ? undefined : { kind: "bytes", bytes: bytes.slice(from, to) };
}

/** Looks at the first character alone: most of what is no JSON does not begin like it. */
function mayBeJson(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte === 0x20 || (byte >= 9 && byte <= 13)) continue;
    return JSON_BEGINS.has(byte);
  }
  return false;
}

/** Of `{`, `[`, `"`, `-`, digits, `true`, `false` and `null`. */
const JSON_BEGINS: ReadonlySet<number> = new Set([
  0x7b,
  0x5b,
  0x22,
  0x2d,
  ...Array.from({ length: 10 }, (_, digit) => 0x30 + digit),
  0x74,
  0x66,
  0x6e,
]);

function textIn(bytes: Uint8Array, from: number, to: number): string | undefined {
  try {
    return textOf(bytes, from, to);
  } catch {
    return undefined;
  }
}
