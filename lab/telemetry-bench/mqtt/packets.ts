// Owns: the packets of MQTT 3.1.1 that the load sends and reads. No more than it needs.

/** Packet types, as the first half of the first byte. */
export const TYPE = { connack: 2, publish: 3, puback: 4, suback: 9, pingresp: 13 } as const;

export const PINGREQ = Uint8Array.of(0xc0, 0);

export function connectPacket(options: {
  readonly clientId: string;
  readonly keepAliveS: number;
  readonly clean: boolean;
}): Uint8Array {
  const { clientId, keepAliveS, clean } = options;
  const level = [4, clean ? 2 : 0, keepAliveS >> 8, keepAliveS & 0xff];
  return packet(0x10, [...textBytes("MQTT"), ...level, ...textBytes(clientId)]);
}

/** For one filter, with QoS 1. */
export function subscribePacket(pid: number, filter: string): Uint8Array {
  return packet(0x82, [pid >> 8, pid & 0xff, ...textBytes(filter), 1]);
}

export function pubackPacket(pid: number): Uint8Array {
  return Uint8Array.of(0x40, 2, pid >> 8, pid & 0xff);
}

/** A PUBLISH of QoS 1 whose packet identifier and payload are written in place. */
export interface PublishTemplate {
  readonly bytes: Uint8Array;
  readonly pidAt: number;
  readonly payloadAt: number;
}

export function publishTemplate(topic: string, payloadBytes: number): PublishTemplate {
  const name = textBytes(topic);
  const bytes = packet(0x32, [...name, 0, 0, ...new Uint8Array(payloadBytes)]);
  const payloadAt = bytes.length - payloadBytes;
  return { bytes, pidAt: payloadAt - 2, payloadAt };
}

function packet(first: number, body: readonly number[]): Uint8Array {
  const length: number[] = [];
  for (let left = body.length; ; left >>= 7) {
    length.push(left > 0x7f ? (left & 0x7f) | 0x80 : left);
    if (left <= 0x7f) break;
  }
  return Uint8Array.from([first, ...length, ...body]);
}

function textBytes(text: string): readonly number[] {
  const bytes = new TextEncoder().encode(text);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

/** One whole packet within `bytes`. */
export type OnPacket = (first: number, bytes: Uint8Array, from: number, to: number) => void;

/** Cuts a stream into packets; a rest waits for what comes next. */
export class PacketReader {
  #rest: Uint8Array | undefined;

  read(chunk: Uint8Array, onPacket: OnPacket): void {
    const bytes = this.#rest === undefined ? chunk : joined(this.#rest, chunk);
    this.#rest = undefined;
    let at = 0;
    for (;;) {
      let [length, shift, next] = [0, 0, at + 1];
      let isWhole = false;
      while (next < bytes.length && !isWhole) {
        const byte = bytes[next++] ?? 0;
        length |= (byte & 0x7f) << shift;
        shift += 7;
        isWhole = byte < 0x80;
      }
      if (!isWhole || next + length > bytes.length) break;
      onPacket(bytes[at] ?? 0, bytes, next, next + length);
      at = next + length;
    }
    // The transport may use its buffer again.
    if (at < bytes.length) this.#rest = bytes.slice(at);
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
