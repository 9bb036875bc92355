// Owns: values out of MessagePack: the formats that holdfast.v1 has, and no others.
import { DATA_DEPTH_MAX } from "./limits.ts";
import { textOf } from "./text-bytes.ts";

/** Frames have lists of maps around data. */
const DEPTH_MAX = DATA_DEPTH_MAX + 4;

/** The one value in the bytes. Throws a TypeError for anything else, also for a bin in it. */
export function unpack(bytes: Uint8Array): unknown {
  const reader = new MsgpackReader(bytes, 0, false);
  const value = reader.value();
  return reader.position === bytes.length ? value : fail("bytes behind the value");
}

/** All values of a message; byte strings are copies. Throws a TypeError for anything else. */
export function unpackAll(bytes: Uint8Array): unknown[] {
  const reader = new MsgpackReader(bytes, 0, true);
  const values: unknown[] = [];
  do values.push(reader.value());
  while (reader.position < bytes.length);
  return values;
}

/** Reads values one behind the other. Every method throws a TypeError on what it cannot read. */
export class MsgpackReader {
  position: number;
  readonly #bytes: Uint8Array;
  #dataView: DataView | undefined;
  readonly #takesBins: boolean;
  readonly #keys: string[] = [];

  constructor(bytes: Uint8Array, position: number, takesBins: boolean) {
    this.#bytes = bytes;
    this.position = position;
    this.#takesBins = takesBins;
  }

  value(depth = 0): unknown {
    const token = this.#bytes[this.#take(1)] as number;
    if (token < 0x80) return token;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#list(token & 0x0f, depth);
    if (token < 0xc0) return this.#text(token & 0x1f);
    if (token >= 0xe0) return token - 256;
    switch (token) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return token === 0xc3;
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcf:
        return this.#big(4) * 2 ** 32 + this.#big(4);
      case 0xd3:
        return (this.#big(4) | 0) * 2 ** 32 + this.#big(4);
    }
    return this.#sized(token, depth);
  }

  #sized(token: number, depth: number): unknown {
    if (token >= 0xcc && token <= 0xce) return this.#big(1 << (token - 0xcc));
    if (token >= 0xd0 && token <= 0xd2) {
      const width = 1 << (token - 0xd0);
      return (this.#big(width) << (32 - width * 8)) >> (32 - width * 8);
    }
    if (token >= 0xd9 && token <= 0xdb) return this.#text(this.#big(1 << (token - 0xd9)));
    if (token === 0xdc || token === 0xdd) return this.#list(this.#big(1 << (token - 0xdb)), depth);
    if (token === 0xde || token === 0xdf) return this.#map(this.#big(1 << (token - 0xdd)), depth);
    if (token < 0xc4 || token > 0xc6 || !this.#takesBins) fail(`the byte 0x${token.toString(16)}`);
    const size = this.#big(1 << (token - 0xc4));
    const start = this.#take(size);
    return this.#bytes.slice(start, start + size);
  }

  /** Made when it is first needed: most values need none, and it costs more than a short walk. */
  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#dataView ??= new DataView(buffer, byteOffset, byteLength);
    return this.#dataView;
  }

  #text(size: number): string {
    const start = this.#take(size);
    return textOf(this.#bytes, start, start + size);
  }

  #list(count: number, depth: number): unknown[] {
    this.#checkNesting(count, depth);
    const list: unknown[] = [];
    for (let i = 0; i < count; i++) list.push(this.value(depth + 1));
    return list;
  }

  #map(count: number, depth: number): Record<string, unknown> {
    this.#checkNesting(count, depth);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#key();
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  /** A map's next key. The same keys come again and again: one that was made is used again. */
  #key(): string {
    const token = this.#bytes[this.position] ?? 0xc1;
    const size = token & 0x1f;
    if (token < 0xa0 || token >= 0xc0) {
      const key = this.value(DEPTH_MAX);
      return typeof key === "string" && key !== "__proto__"
        ? key
        : fail("a key that is not allowed");
    }
    const start = this.#take(size + 1) + 1;
    const place = (size * 31 + (this.#bytes[start] ?? 0)) & 63;
    const known = this.#keys[place];
    if (known !== undefined && this.#says(start, size, known)) return known;
    const key = textOf(this.#bytes, start, start + size);
    if (key === "__proto__") fail("a key that is not allowed");
    this.#keys[place] = key;
    return key;
  }

  /** Whether the bytes are the letters of `text`. */
  #says(start: number, size: number, text: string): boolean {
    if (text.length !== size) return false;
    for (let i = 0; i < size; i++)
      if (this.#bytes[start + i] !== text.charCodeAt(i) || text.charCodeAt(i) >= 0x80) return false;
    return true;
  }

  /** An item takes a byte at least: a count beyond the bytes is refused before anything is made. */
  #checkNesting(count: number, depth: number): void {
    if (depth >= DEPTH_MAX) fail("data that is nested too deep");
    if (count > this.#bytes.length - this.position) fail("the end of the bytes");
  }

  #big(width: number): number {
    const at = this.#take(width);
    if (width === 4) return this.#view.getUint32(at);
    return width === 2 ? this.#view.getUint16(at) : (this.#bytes[at] as number);
  }

  /** The place of the next `size` bytes, which are passed over. */
  #take(size: number): number {
    const start = this.position;
    if (size > this.#bytes.length - start) fail("the end of the bytes");
    this.position = start + size;
    return start;
  }
}

function fail(found: string): never {
  throw new TypeError(`Cannot read MessagePack: found ${found}, expected a value of holdfast.v1`);
}
