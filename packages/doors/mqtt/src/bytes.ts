// Owns: reading and writing the primitive types of MQTT (MQTT 5, section 1.5).
import { isUtf8, textBytes, textOf, writeText } from "@holdfast/protocol/node";

/** Most bytes of a text or of binary data. */
export const FIELD_BYTES_MAX = 65_535;
/** Most that a variable byte integer says: the longest packet behind its fixed header. */
export const VARINT_MAX = 268_435_455;

/**
 * Reads from `bytes` between `at` and `end`. Reading beyond the end, or something malformed, sets
 * `broken` and answers nothing of use; whoever reads looks at it once, at the end.
 */
export class Reader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;
  broken = false;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.at + 1 > this.end) return this.#broke(0);
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16();
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 128 ** 3; factor *= 128) {
      const byte = this.u8();
      value += (byte & 127) * factor;
      if (byte < 128) return byte === 0 && factor > 1 ? this.#broke(0) : value;
    }
    return this.#broke(0);
  }

  /** A text; U+0000 and what is not UTF-8 is malformed. */
  text(): string {
    const length = this.u16();
    const from = this.at;
    if (from + length > this.end) return this.#broke("");
    this.at += length;
    if (!isText(this.bytes, from, this.at)) return this.#broke("");
    return textOf(this.bytes, from, this.at);
  }

  /** Binary data; a copy, because the chunk that it came in is not kept. */
  binary(): Uint8Array {
    const length = this.u16();
    const from = this.at;
    if (from + length > this.end) return this.#broke(NOTHING);
    this.at += length;
    return this.bytes.slice(from, this.at);
  }

  #broke<T>(nothing: T): T {
    this.broken = true;
    this.at = this.end;
    return nothing;
  }
}

function isText(bytes: Uint8Array, from: number, to: number): boolean {
  let isAscii = true;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte === 0) return false;
    if (byte >= 0x80) isAscii = false;
  }
  return isAscii || isUtf8(bytes, from, to);
}

export const NOTHING = new Uint8Array(0);

/** Writes into a buffer that grows. */
export class Writer {
  #bytes: Uint8Array;
  at = 0;

  constructor(size = 64) {
    this.#bytes = new Uint8Array(size);
  }

  u8(value: number): this {
    this.#room(1);
    this.#bytes[this.at++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value & 255);
  }

  u32(value: number): this {
    return this.u16(Math.floor(value / 65_536)).u16(value % 65_536);
  }

  varint(value: number): this {
    let left = value;
    do {
      const byte = left % 128;
      left = Math.floor(left / 128);
      this.u8(left > 0 ? byte | 128 : byte);
    } while (left > 0);
    return this;
  }

  text(text: string): this {
    this.#room(2 + 3 * text.length);
    const end = writeText(text, this.#bytes, this.at + 2);
    const length = end - this.at - 2;
    this.u16(length);
    this.at = end;
    return this;
  }

  binary(bytes: Uint8Array): this {
    return this.u16(bytes.length).raw(bytes);
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
    return this;
  }

  /** What was written. A view of a small array costs more than the array: full ones have none. */
  done(): Uint8Array {
    const { length } = this.#bytes;
    return this.at === length ? this.#bytes : this.#bytes.subarray(0, this.at);
  }

  #room(more: number): void {
    if (this.at + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.at + more));
    grown.set(this.#bytes.subarray(0, this.at));
    this.#bytes = grown;
  }
}

export const varintBytes = (value: number): number =>
  value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;

/** A text as UTF-8 without a length. Texts of nodes have whole characters. */
export const utf8 = (text: string): Uint8Array => textBytes(text);
