// Owns: the few packets of MQTT 5 that a device of the proof sends and reads (OASIS Standard,
// sections 2 and 3). Nothing of it is the node's own codec.

const SESSION_EXPIRY = 0x11;
const PUBLISH_QOS_1 = 0x32;
const DUP = 0x08;
const encoder = new TextEncoder();

/** What a node says to a device that only publishes. */
export type FromNode =
  | {
      readonly kind: "connack";
      readonly sessionPresent: boolean;
      readonly reason: number;
      readonly receiveMax: number;
    }
  | { readonly kind: "puback"; readonly pid: number; readonly reason: number }
  | { readonly kind: "disconnect"; readonly reason: number }
  | { readonly kind: "other" };

export interface ConnectOptions {
  readonly clientId: string;
  readonly password: string;
  readonly keepAliveS: number;
  readonly sessionExpiryS: number;
}

/** A session that goes on, with a token as password. */
export function connectPacket(options: ConnectOptions): Uint8Array {
  const { clientId, password, keepAliveS, sessionExpiryS } = options;
  const out: number[] = [];
  text(out, "MQTT");
  // Version 5; user name and password, no clean start.
  out.push(5, 0xc0);
  u16(out, keepAliveS);
  out.push(5, SESSION_EXPIRY);
  u16(out, Math.floor(sessionExpiryS / 0x10000));
  u16(out, sessionExpiryS % 0x10000);
  for (const part of [clientId, clientId, password]) text(out, part);
  return packet(0x10, out);
}

/** QoS 1, without properties. A repetition is the same packet with `markAgain`. */
export function publishPacket(topic: string, pid: number, payload: string): Uint8Array {
  const [topicBytes, data] = [encoder.encode(topic), encoder.encode(payload)];
  const length = 2 + topicBytes.length + 2 + 1 + data.length;
  const head = lengthBytes(length);
  const bytes = new Uint8Array(1 + head.length + length);
  bytes[0] = PUBLISH_QOS_1;
  bytes.set(head, 1);
  let at = 1 + head.length;
  bytes[at++] = topicBytes.length >>> 8;
  bytes[at++] = topicBytes.length & 255;
  bytes.set(topicBytes, at);
  at += topicBytes.length;
  bytes[at++] = pid >>> 8;
  bytes[at++] = pid & 255;
  bytes[at++] = 0;
  bytes.set(data, at);
  return bytes;
}

/** MQTT-3.3.1-1: what is sent again says so. */
export function markAgain(publish: Uint8Array): Uint8Array {
  publish[0] = PUBLISH_QOS_1 | DUP;
  return publish;
}

export const DISCONNECT = Uint8Array.of(0xe0, 0);
export const PINGREQ = Uint8Array.of(0xc0, 0);

/** Cuts a stream into packets. */
export class PacketReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** Throws RangeError if it is no MQTT. */
  push(chunk: Uint8Array): readonly FromNode[] {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk);
    const found: FromNode[] = [];
    let at = 0;
    for (;;) {
      const [length, size] = lengthAt(bytes, at + 1);
      if (size === 0 || at + 1 + size + length > bytes.length) break;
      const from = at + 1 + size;
      found.push(readPacket(bytes[at] as number, bytes.subarray(from, from + length)));
      at = from + length;
    }
    this.#rest = bytes.slice(at);
    return found;
  }
}

function readPacket(lead: number, body: Uint8Array): FromNode {
  switch (lead >> 4) {
    case 2:
      return {
        kind: "connack",
        sessionPresent: body[0] === 1,
        reason: body[1] ?? 0,
        receiveMax: receiveMaxOf(body),
      };
    case 4:
      return { kind: "puback", pid: ((body[0] ?? 0) << 8) | (body[1] ?? 0), reason: body[2] ?? 0 };
    case 14:
      return { kind: "disconnect", reason: body[0] ?? 0 };
    default:
      return { kind: "other" };
  }
}

const RECEIVE_MAX = 0x21;
const RECEIVE_MAX_DEFAULT = 65_535;
/** Bytes of the properties that CONNACK may have before or behind it (section 2.2.2.2). */
const WIDTHS: Readonly<Record<number, number>> = {
  ...{ 17: 4, 19: 2, 33: 2, 34: 2, 36: 1, 37: 1, 39: 4, 40: 1, 41: 1, 42: 1 },
};

function receiveMaxOf(body: Uint8Array): number {
  const [length, size] = lengthAt(body, 2);
  const end = 2 + size + length;
  for (let at = 2 + size; at < end; ) {
    const id = body[at++] as number;
    const first = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
    if (id === RECEIVE_MAX) return first;
    // What has no fixed width is text.
    at += WIDTHS[id] ?? 2 + first;
  }
  return RECEIVE_MAX_DEFAULT;
}

/** A variable byte integer, and how many bytes it has; 0: it is not whole yet. */
function lengthAt(bytes: Uint8Array, from: number): readonly [value: number, size: number] {
  let value = 0;
  for (let size = 1; size <= 4; size++) {
    const byte = bytes[from + size - 1];
    if (byte === undefined) return [0, 0];
    value += (byte & 127) * 128 ** (size - 1);
    if (byte < 128) return [value, size];
  }
  throw new RangeError("found a length of more than four bytes");
}

function lengthBytes(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const byte = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return bytes;
}

const u16 = (out: number[], value: number): void => void out.push(value >>> 8, value & 255);

function text(out: number[], value: string): void {
  const bytes = encoder.encode(value);
  u16(out, bytes.length);
  out.push(...bytes);
}

const packet = (lead: number, body: readonly number[]): Uint8Array =>
  Uint8Array.from([lead, ...lengthBytes(body.length), ...body]);

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
