// Owns: what a node accepts as MessagePack: a walk over the bytes that allocates nothing and trusts
// no length.
import { DATA_DEPTH_MAX } from "./limits.ts";
import { isUtf8 } from "./utf8.ts";

/** Latest and earliest second of a JavaScript date. */
const SECONDS_MAX = 8.64e12;
const NANOSECONDS_MAX = 999_999_999;
const TIMESTAMP_TYPE = 0xff;
const PROTO_KEY = [0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f];

/**
 * Walks over MessagePack values. Accepted is what every codec can carry: nil, booleans, integers
 * within 2^53-1, finite floats, UTF-8 strings, bins, timestamps, lists, and maps whose keys are
 * strings other than `__proto__`; at most DATA_DEPTH_MAX lists and maps deep.
 */
export class MsgpackWalk {
  position: number;
  /** What was found instead, once `value` returned false. */
  found = "";
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = start;
    this.#end = end;
  }

  /** Passes over one value; false when it is cut off or not accepted. */
  value(depth = 0): boolean {
    if (this.position >= this.#end) return this.#fail("the end of the bytes");
    const token = this.#bytes[this.position++] as number;
    if (token < 0x80 || token >= 0xe0) return true;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#list(token & 0x0f, depth);
    if (token < 0xc0) return this.#string(token & 0x1f);
    return this.#other(token, depth);
  }

  #other(token: number, depth: number): boolean {
    switch (token) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#skip(this.#length(token - 0xc4));
      case 0xca:
      case 0xcb:
        return this.#float(token === 0xca ? 4 : 8);
      case 0xcf:
      case 0xd3:
        return this.#long(token === 0xd3);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#string(this.#length(token - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#length(token - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(token - 0xdd), depth);
      case 0xc1:
        return this.#fail("the byte 0xc1");
      default:
        if (token >= 0xd0 && token <= 0xd2) return this.#skip(1 << (token - 0xd0));
        if (token >= 0xcc && token <= 0xce) return this.#skip(1 << (token - 0xcc));
        return this.#extension(token);
    }
  }

  /**
   * Reads a length of 1, 2 or 4 bytes (`width` 0, 1 or 2); beyond any message when it is cut off.
   */
  #length(width: number): number {
    const at = this.position;
    const size = 1 << width;
    if (at + size > this.#end) return Number.POSITIVE_INFINITY;
    this.position = at + size;
    return width === 0
      ? this.#view.getUint8(at)
      : width === 1
        ? this.#view.getUint16(at)
        : this.#view.getUint32(at);
  }

  #skip(size: number): boolean {
    if (size > this.#end - this.position) return this.#fail("the end of the bytes");
    this.position += size;
    return true;
  }

  #string(size: number): boolean {
    const start = this.position;
    if (!this.#skip(size)) return false;
    return isUtf8(this.#bytes, start, this.position) || this.#fail("a string that is not UTF-8");
  }

  #list(size: number, depth: number): boolean {
    if (depth >= DATA_DEPTH_MAX)
      return this.#fail(`data nested deeper than ${DATA_DEPTH_MAX} levels`);
    // An item takes a byte at least: a declared length beyond the bytes costs nothing.
    if (size > this.#end - this.position) return this.#fail("the end of the bytes");
    for (let i = 0; i < size; i++) if (!this.value(depth + 1)) return false;
    return true;
  }

  #map(size: number, depth: number): boolean {
    if (depth >= DATA_DEPTH_MAX)
      return this.#fail(`data nested deeper than ${DATA_DEPTH_MAX} levels`);
    if (size * 2 > this.#end - this.position) return this.#fail("the end of the bytes");
    for (let i = 0; i < size; i++) if (!this.#key() || !this.value(depth + 1)) return false;
    return true;
  }

  #key(): boolean {
    const token = this.#bytes[this.position] ?? 0xc0;
    const isShort = token >= 0xa0 && token < 0xc0;
    if (!isShort && (token < 0xd9 || token > 0xdb))
      return this.#fail("a map key that is not a string");
    this.position++;
    const size = isShort ? token & 0x1f : this.#length(token - 0xd9);
    const start = this.position;
    if (!this.#string(size)) return false;
    const isProto =
      size === PROTO_KEY.length && PROTO_KEY.every((byte, i) => this.#bytes[start + i] === byte);
    return !isProto || this.#fail("the map key __proto__");
  }

  #float(size: 4 | 8): boolean {
    const at = this.position;
    if (!this.#skip(size)) return false;
    const value = size === 4 ? this.#view.getFloat32(at) : this.#view.getFloat64(at);
    return Number.isFinite(value) || this.#fail("a number that is not finite");
  }

  #long(signed: boolean): boolean {
    const at = this.position;
    if (!this.#skip(8)) return false;
    const value =
      (signed ? this.#view.getInt32(at) : this.#view.getUint32(at)) * 2 ** 32 +
      this.#view.getUint32(at + 4);
    return Number.isSafeInteger(value) || this.#fail("an integer beyond 2^53-1");
  }

  /** Timestamps pass in their three sizes; every other extension is refused. */
  #extension(token: number): boolean {
    const fixed = token >= 0xd4;
    const size = fixed ? 1 << (token - 0xd4) : this.#length(token - 0xc7);
    const type = this.#bytes[this.position] ?? 0;
    const at = this.position + 1;
    if (!this.#skip(size + 1)) return false;
    const isTimestamp = type === TIMESTAMP_TYPE && (fixed ? size === 4 || size === 8 : size === 12);
    if (!isTimestamp) return this.#fail("an extension type other than timestamp");
    if (size === 4) return true;
    const nanoseconds = size === 8 ? this.#view.getUint32(at) >>> 2 : this.#view.getUint32(at);
    const seconds =
      size === 8 ? 0 : this.#view.getInt32(at + 4) * 2 ** 32 + this.#view.getUint32(at + 8);
    const isDate = nanoseconds <= NANOSECONDS_MAX && Math.abs(seconds) < SECONDS_MAX;
    return isDate || this.#fail("a timestamp out of range");
  }

  #fail(found: string): false {
    this.found = found;
    return false;
  }
}
