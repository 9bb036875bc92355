// Owns: the numbers and texts that Yjs writes into its messages (lib0 encoding).

/** Reads one after the other. What is not there reads as 0 or nothing, and `isBroken` says so. */
export class Lib0Reader {
  readonly #bytes: Uint8Array;
  at: number;
  isBroken = false;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** Seven bits a byte, the lowest first. */
  uint(): number {
    let value = 0;
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) break;
      value += (byte % 128) * factor;
      if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : this.#broken();
    }
    return this.#broken();
  }

  /** A view of what was read. */
  bytes(): Uint8Array {
    const length = this.uint();
    const from = this.at;
    if (this.isBroken || from + length > this.#bytes.length) {
      this.#broken();
      return NOTHING;
    }
    this.at = from + length;
    return this.#bytes.subarray(from, this.at);
  }

  #broken(): number {
    this.isBroken = true;
    this.at = this.#bytes.length;
    return 0;
  }
}

const NOTHING = new Uint8Array();

/** A number as `Lib0Reader.uint` reads it. */
export function uintBytes(value: number): readonly number[] {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left];
    bytes.push(128 + (left % 128));
  }
}

/** Parts one after the other; a number is a number of lib0, and bytes stand as they are. */
export function joined(...parts: readonly (number | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => (typeof part === "number" ? uintBytes(part) : part));
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** With their length before them. */
export const sized = (bytes: Uint8Array): Uint8Array => joined(bytes.length, bytes);

/** A copy: a view would keep alive all that was read with it. */
export const copied = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

/** Names bytes, as a key of a map. */
export function keyOf(bytes: Uint8Array): string {
  let key = "";
  for (const byte of bytes) key += String.fromCharCode(byte);
  return key;
}

export const areEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);
