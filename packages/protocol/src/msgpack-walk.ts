// Owns: what a node accepts as MessagePack: a walk over the bytes that trusts no length.
import type { Trail } from "./data-path.ts";
import { KeyHashes } from "./key-set.ts";
import { DATA_DEPTH_MAX } from "./limits.ts";
import { textOf } from "./text-bytes.ts";
import { isUtf8 } from "./utf8.ts";

const NOWHERE: Trail = [];
const TOO_DEEP = `data nested deeper than ${DATA_DEPTH_MAX} levels`;
const PROTO_HASH = /* @__PURE__ */ [..."__proto__"].reduce(
  (hash, letter) => (Math.imul(hash, 31) + letter.charCodeAt(0)) | 0,
  0,
);
const END = "the end of the bytes";

/**
 * Walks over MessagePack values. `data` holds to the definition of application data: nil, booleans,
 * integers within 2^53-1, finite floats, UTF-8 strings, lists, and maps whose keys are strings
 * other than `__proto__` and stand there once; at most DATA_DEPTH_MAX lists and maps deep. `skip`
 * asks for nothing but values that are whole.
 */
export class MsgpackWalk {
  position: number;
  /** What was found instead, once a walk returned false. */
  found = "";
  /** Where in the data it was found. */
  trail: Trail = NOWHERE;
  readonly #bytes: Uint8Array;
  #dataView: DataView | undefined;
  readonly #hashes = new KeyHashes();
  #isExact = false;
  /** A key may stand twice in its map. */
  #isDoubtful = false;

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes;
    this.position = position;
  }

  /** Passes over one value of any depth; false when it is cut off. */
  skip(): boolean {
    // A list or map adds its items to what is left: nothing is called again, however deep it is.
    for (let left = 1; left > 0; left--) {
      const token = this.#token();
      if (token < 0) return false;
      if (token < 0x80 || token >= 0xe0) continue;
      if (token < 0x90) left += (token & 0x0f) * 2;
      else if (token < 0xa0) left += token & 0x0f;
      else if (token < 0xc0) {
        if (!this.#pass(token & 0x1f)) return false;
      } else if (token >= 0xdc && token <= 0xdf) {
        left += this.#length(token & 1 ? 2 : 1) * (token < 0xde ? 1 : 2);
        if (left > this.#bytes.length) return this.#fail(END);
      } else if (!this.#pass(this.#size(token))) return false;
    }
    return true;
  }

  /** Passes over one value; false when it is no data. */
  data(): boolean {
    const start = this.position;
    if (!this.#value(0)) return false;
    if (!this.#isDoubtful) return true;
    this.#isExact = true;
    this.position = start;
    return this.#value(0);
  }

  /** The number of members of the map that is next; passes over its head. Undefined for no map. */
  mapHead(): number | undefined {
    const token = this.#bytes[this.position] ?? 0xc1;
    const isShort = token >= 0x80 && token < 0x90;
    if (!isShort && token !== 0xde && token !== 0xdf) return undefined;
    this.position++;
    return isShort ? token & 0x0f : this.#length(token - 0xdd);
  }

  /** Passes over the string that is next; where its text begins. Undefined for no whole string. */
  stringStart(): number | undefined {
    const token = this.#bytes[this.position] ?? 0xc1;
    const isShort = token >= 0xa0 && token < 0xc0;
    if (!isShort && (token < 0xd9 || token > 0xdb)) return undefined;
    this.position++;
    const size = isShort ? token & 0x1f : this.#length(token - 0xd9);
    return this.#pass(size) ? this.position - size : undefined;
  }

  #value(depth: number): boolean {
    const token = this.#bytes[this.position] ?? -1;
    if (token < 0) return this.#fail(END);
    if ((token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb)) return this.#string();
    this.position++;
    if (token < 0x80 || token >= 0xe0) return true;
    if (token < 0x90) return this.#map(token & 0x0f, depth);
    if (token < 0xa0) return this.#list(token & 0x0f, depth);
    if (token === 0xdc || token === 0xdd) return this.#list(this.#length(token - 0xdb), depth);
    if (token === 0xde || token === 0xdf) return this.#map(this.#length(token - 0xdd), depth);
    return this.#plain(token);
  }

  #plain(token: number): boolean {
    const at = this.position;
    if (token === 0xc1) return this.#fail("the byte 0xc1");
    if (token >= 0xc4 && token <= 0xc6) return this.#fail("a byte string inside of data");
    if (token >= 0xc7 && token <= 0xc9) return this.#fail("an extension type");
    if (token >= 0xd4 && token <= 0xd8) return this.#fail("an extension type");
    if (!this.#pass(this.#size(token))) return false;
    if (token === 0xca || token === 0xcb) {
      const value = token === 0xca ? this.#view.getFloat32(at) : this.#view.getFloat64(at);
      return Number.isFinite(value) || this.#fail("a number that is not finite");
    }
    if (token !== 0xcf && token !== 0xd3) return true;
    const high = token === 0xd3 ? this.#view.getInt32(at) : this.#view.getUint32(at);
    const isSafe = Number.isSafeInteger(high * 2 ** 32 + this.#view.getUint32(at + 4));
    return isSafe || this.#fail("an integer beyond 2^53-1");
  }

  #string(): boolean {
    const start = this.stringStart();
    if (start === undefined) return this.#fail(END);
    return isUtf8(this.#bytes, start, this.position) || this.#fail("a string that is not UTF-8");
  }

  #list(size: number, depth: number): boolean {
    if (!this.#checkNesting(size, depth)) return false;
    for (let i = 0; i < size; i++) if (!this.#value(depth + 1)) return this.#inside(i);
    return true;
  }

  #map(size: number, depth: number): boolean {
    if (!this.#checkNesting(size * 2, depth)) return false;
    const base = this.#hashes.begin();
    const keys = this.#isExact ? new Set<string>() : undefined;
    for (let i = 0; i < size; i++) {
      const start = this.stringStart();
      const end = this.position;
      if (start === undefined) return this.#fail(this.found || "a map key that is not a string");
      if (!this.#key(start, base, keys)) return false;
      if (!this.#value(depth + 1)) return this.#inside(textOf(this.#bytes, start, end));
    }
    this.#hashes.end(base);
    return true;
  }

  /** Checks the key that was passed over last. */
  #key(start: number, base: number, keys: Set<string> | undefined): boolean {
    const bytes = this.#bytes;
    const end = this.position;
    let hash = 0;
    let all = 0;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      all |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (all >= 0x80 && !isUtf8(bytes, start, end)) return this.#fail("a key that is not UTF-8");
    const isDoubtful = keys === undefined && this.#hashes.add(base, hash);
    if (isDoubtful) this.#isDoubtful = true;
    if (keys === undefined && hash !== PROTO_HASH) return true;
    const key = textOf(bytes, start, end);
    if (key !== "__proto__" && !keys?.has(key)) {
      keys?.add(key);
      return true;
    }
    this.#inside(key);
    return this.#fail(key === "__proto__" ? "a member of this name" : "a member that stands twice");
  }

  /** Bytes behind a token that has no items. */
  #size(token: number): number {
    if (token === 0xc1) return Number.POSITIVE_INFINITY;
    if (token < 0xc4) return 0;
    if (token <= 0xc6) return this.#length(token - 0xc4);
    if (token <= 0xc9) return this.#length(token - 0xc7) + 1;
    if (token <= 0xcb) return token === 0xca ? 4 : 8;
    if (token <= 0xd3) return 1 << ((token - 0xcc) & 3);
    if (token <= 0xd8) return (1 << (token - 0xd4)) + 1;
    return this.#length(token - 0xd9);
  }

  /** Reads a length of 1, 2 or 4 bytes (`width` 0, 1 or 2); beyond any message if it is cut off. */
  #length(width: number): number {
    const at = this.position;
    if (!this.#pass(1 << width)) return Number.POSITIVE_INFINITY;
    if (width === 0) return this.#bytes[at] as number;
    return width === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** Made when it is first needed: most values need none, and it costs more than a short walk. */
  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#dataView ??= new DataView(buffer, byteOffset, byteLength);
    return this.#dataView;
  }

  #token(): number {
    const at = this.position;
    return this.#pass(1) ? (this.#bytes[at] as number) : -1;
  }

  #pass(size: number): boolean {
    if (size > this.#bytes.length - this.position) return this.#fail(END);
    this.position += size;
    return true;
  }

  #checkNesting(least: number, depth: number): boolean {
    if (depth >= DATA_DEPTH_MAX) return this.#fail(TOO_DEEP);
    // An item takes a byte at least: a declared length beyond the bytes costs nothing.
    return least <= this.#bytes.length - this.position || this.#fail(END);
  }

  #inside(step: string | number): false {
    // What is too deep is no matter of one field.
    if (this.found !== TOO_DEEP) this.trail = [step, ...this.trail];
    return false;
  }

  #fail(found: string): false {
    this.found = found;
    return false;
  }
}
