// Owns: packets of MQTT 3.1.1 and 5 (OASIS), as far as a gateway looks into them.

/** The first byte's upper half. */
export const CONNECT = 1;
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBSCRIBE = 8;
export const SUBACK = 9;
export const UNSUBSCRIBE = 10;
export const UNSUBACK = 11;
export const PINGREQ = 12;
export const PINGRESP = 13;
export const DISCONNECT = 14;

/** A whole packet. `at`: where what follows the length begins. */
export interface Packet {
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** Bytes that are no packet, or one that is too large. */
export type PacketFault = "malformed" | "too large";

/**
 * Cuts a stream of bytes into packets. A packet that came in one piece is not copied; of others at
 * most `bytesMax` are kept.
 */
export class PacketReader {
  readonly #bytesMax: number;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of a packet that is not whole yet. */
  get bytes(): number {
    return this.#rest.length;
  }

  *read(chunk: Uint8Array): Generator<Packet | PacketFault> {
    let bytes = this.#rest.length === 0 ? chunk : joined([this.#rest, chunk]);
    this.#rest = new Uint8Array(0);
    while (bytes.length > 0) {
      const head = headOf(bytes);
      if (head === "malformed") return yield "malformed";
      if (head !== undefined && head.at + head.length > this.#bytesMax) return yield "too large";
      if (head === undefined || bytes.length < head.at + head.length) break;
      const end = head.at + head.length;
      yield { type: (bytes[0] as number) >>> 4, bytes: bytes.subarray(0, end), at: head.at };
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes.slice();
  }
}

/** Undefined: it is not there yet. */
function headOf(
  bytes: Uint8Array,
): { readonly at: number; readonly length: number } | "malformed" | undefined {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    const byte = bytes[i];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 128 ** (i - 1);
    if (byte < 0x80) return { at: i + 1, length };
  }
  return "malformed";
}

/** A packet of these parts behind its length. */
export function packetOf(first: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = [first];
  do {
    const rest = Math.floor(length / 128);
    head.push((length % 128) | (rest > 0 ? 0x80 : 0));
    length = rest;
  } while (length > 0);
  return joined([Uint8Array.from(head), ...parts]);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** 2 bytes; 0 if they are not there. */
export const u16 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
export const bytesOfU16 = (value: number): Uint8Array => Uint8Array.of(value >>> 8, value & 0xff);

/** Where the text with its length at `at` ends; undefined: it is not whole. */
export function textEnd(bytes: Uint8Array, at: number): number | undefined {
  const end = at + 2 + u16(bytes, at);
  return end <= bytes.length ? end : undefined;
}

export const qosOf = ({ bytes }: Packet): number => ((bytes[0] as number) >>> 1) & 3;

/** The id of a packet that has one. Undefined: it has none, or is not whole. */
export function idOf(packet: Packet): number | undefined {
  const { bytes, at } = packet;
  const from = packet.type === PUBLISH ? textEnd(bytes, at) : at;
  if (from === undefined || from + 2 > bytes.length) return undefined;
  return u16(bytes, from) || undefined;
}

/** A packet without anything behind its id; a reason that says success is left out. */
export const acknowledgement = (type: number, id: number): Uint8Array =>
  Uint8Array.of((type << 4) | (type === PUBREL ? 2 : 0), 2, id >>> 8, id & 0xff);

/** The same PUBLISH with DUP. */
export function duplicate(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[0] = (copy[0] as number) | 0x08;
  return copy;
}

/** Bytes of a property's value by its id: a number, or how it is counted. */
const PROPERTIES: Readonly<Record<number, number | "text" | "pair" | "varint">> = {
  ...{ 1: 1, 2: 4, 3: "text", 8: "text", 9: "text", 11: "varint", 17: 4, 18: "text", 19: 2 },
  ...{ 21: "text", 22: "text", 23: 1, 24: 4, 25: 1, 26: "text", 28: "text", 31: "text", 33: 2 },
  ...{ 34: 2, 35: 2, 36: 1, 37: 1, 38: "pair", 39: 4, 40: 1, 41: 1, 42: 1 },
};

export interface Property {
  readonly id: number;
  /** Of its value. */
  readonly from: number;
  readonly to: number;
}

export interface Properties {
  readonly list: readonly Property[];
  /** Where they begin, with their length, and where they end. */
  readonly from: number;
  readonly to: number;
}

/** The properties at `from` (MQTT 5). Undefined: they are not what they should be. */
export function propertiesAt(bytes: Uint8Array, from: number): Properties | undefined {
  const length = varintAt(bytes, from);
  if (length === undefined) return undefined;
  const to = length.end + length.value;
  if (to > bytes.length) return undefined;
  const list: Property[] = [];
  for (let at = length.end; at < to; ) {
    const id = bytes[at] as number;
    const end = endOf(bytes, at + 1, PROPERTIES[id]);
    if (end === undefined || end > to) return undefined;
    list.push({ id, from: at + 1, to: end });
    at = end;
  }
  return { list, from, to };
}

function endOf(
  bytes: Uint8Array,
  at: number,
  kind: number | "text" | "pair" | "varint" | undefined,
): number | undefined {
  if (typeof kind === "number") return at + kind;
  if (kind === "varint") return varintAt(bytes, at)?.end;
  if (kind === undefined) return undefined;
  const end = textEnd(bytes, at);
  return kind === "text" || end === undefined ? end : textEnd(bytes, end);
}

function varintAt(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return undefined;
}
