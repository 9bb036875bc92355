// Owns: writing values as MessagePack: the formats that holdfast.v1 has, and no others.
import { PayloadError } from "./payload.ts";
import { writeText } from "./text-bytes.ts";

/**
 * The MessagePack bytes of null, booleans, numbers, strings, lists, maps and (in frames) byte
 * strings, in a buffer of their own. Members that are undefined are left out. The caller holds the
 * value to the definition of data. Throws a PayloadError for a value of another type.
 */
export function pack(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value);
  return writer.written();
}

const FIRST_BYTES = 256;

class Writer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(FIRST_BYTES);
  #size = 0;

  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#size);
  }

  value(value: unknown): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "boolean") this.#head(value ? 0xc3 : 0xc2, 0, 0);
    else if (value === null) this.#head(0xc0, 0, 0);
    else if (typeof value !== "object") throw unwritable(typeof value);
    else if (Array.isArray(value)) this.#list(value);
    else if (value instanceof Uint8Array) this.#bin(value);
    else this.#map(value as Record<string, unknown>);
  }

  #text(text: string): void {
    const { length } = text;
    this.#reserve(5 + length * 3);
    // The size stands before the text: room for the largest that it can have is left.
    const width = length < 11 ? 0 : length < 86 ? 1 : length < 21_846 ? 2 : 4;
    const start = this.#size + 1 + width;
    const end = writeText(text, this.#bytes, start);
    if (end < 0) throw unwritable("half of a surrogate pair");
    if (width === 0) this.#bytes[this.#size] = 0xa0 | (end - start);
    else this.#head(width === 4 ? 0xdb : 0xd8 + width, end - start, width);
    this.#size = end;
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) this.#float(value);
    else if (value >= 0) this.#positive(value);
    else if (value >= -32) this.#head(value & 0xff, 0, 0);
    else if (value >= -128) this.#head(0xd0, value, 1);
    else if (value >= -32_768) this.#head(0xd1, value, 2);
    else if (value >= -(2 ** 31)) this.#head(0xd2, value, 4);
    else this.#long(0xd3, value);
  }

  #positive(value: number): void {
    if (value < 128) this.#head(value, 0, 0);
    else if (value < 256) this.#head(0xcc, value, 1);
    else if (value < 65_536) this.#head(0xcd, value, 2);
    else if (value < 2 ** 32) this.#head(0xce, value, 4);
    else this.#long(0xcf, value);
  }

  #long(token: number, value: number): void {
    const high = Math.floor(value / 2 ** 32);
    this.#head(token, high, 4);
    this.#put(value - high * 2 ** 32, 4);
  }

  #float(value: number): void {
    this.#head(0xcb, 0, 0);
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#size, value);
    this.#size += 8;
  }

  #bin(bytes: Uint8Array): void {
    const { length } = bytes;
    const width = length < 256 ? 1 : length < 65_536 ? 2 : 4;
    this.#reserve(5 + length);
    this.#head(width === 4 ? 0xc6 : 0xc3 + width, length, width);
    this.#bytes.set(bytes, this.#size);
    this.#size += length;
  }

  #list(list: readonly unknown[]): void {
    this.#count(list.length, 0x90, 0xdc);
    for (let i = 0; i < list.length; i++) this.value(list[i]);
  }

  #map(map: Readonly<Record<string, unknown>>): void {
    const keys = Object.keys(map);
    let count = 0;
    for (const key of keys) if (map[key] !== undefined) count++;
    this.#count(count, 0x80, 0xde);
    for (const key of keys) {
      const member = map[key];
      if (member === undefined) continue;
      this.#text(key);
      this.value(member);
    }
  }

  #count(count: number, small: number, wide: number): void {
    if (count < 16) this.#head(small | count, 0, 0);
    else if (count < 65_536) this.#head(wide, count, 2);
    else this.#head(wide + 1, count, 4);
  }

  /** A token, and a number of `width` bytes behind it. */
  #head(token: number, value: number, width: number): void {
    this.#reserve(9);
    this.#bytes[this.#size++] = token;
    this.#put(value, width);
  }

  #put(value: number, width: number): void {
    for (let shift = (width - 1) * 8; shift >= 0; shift -= 8)
      this.#bytes[this.#size++] = value >>> shift;
  }

  #reserve(bytes: number): void {
    const wanted = this.#size + bytes;
    if (wanted <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

const unwritable = (found: string): PayloadError =>
  new PayloadError(`Cannot write MessagePack: found ${found}, expected plain data`);
