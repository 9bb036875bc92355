// Owns: cutting a stream of bytes into lines, with a limit for one line.

const NEWLINE = 0x0a;

/**
 * Lines are cut as bytes, so a character in two chunks stays whole. Holds at most one line that is
 * not complete.
 */
export class Lines {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder();
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether a line has begun and not ended. */
  get isInside(): boolean {
    return this.#bytes > 0;
  }

  /** Calls `take` with each line that ends here. False: a line is longer than the limit. */
  push(chunk: Uint8Array, take: (line: string) => void): boolean {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      if (!this.#hold(chunk.subarray(from, end))) return false;
      const line = this.#taken();
      if (line !== "") take(line);
      from = end + 1;
    }
    return this.#hold(chunk.subarray(from));
  }

  #hold(part: Uint8Array): boolean {
    if (this.#bytes + part.byteLength > this.#bytesMax) return false;
    // A copy: a short rest must not keep a long chunk alive.
    if (part.byteLength > 0) this.#parts.push(part.slice());
    this.#bytes += part.byteLength;
    return true;
  }

  #taken(): string {
    const [only] = this.#parts;
    const whole =
      this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    return this.#decoder.decode(whole).trim();
  }
}
