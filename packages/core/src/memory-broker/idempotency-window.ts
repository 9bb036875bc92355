// Owns: which idempotency keys a stream has seen lately, bounded by age and by count.

/**
 * Idempotency keys with the offsets that they were answered with. A key is known for `windowMs`;
 * when more than `keysMax` are known the oldest are forgotten first, so a stream that takes r keyed
 * publications a second has a window of min(windowMs, keysMax / r).
 */
export class IdempotencyWindow {
  readonly #offsets = new Map<string, number>();
  /**
   * Keys and their times in the order in which they were added; places before `#start` are empty.
   * The map has that order too, but its first key is found slowly once others before it are gone.
   */
  #keys: (string | undefined)[] = [];
  #takenMs: number[] = [];
  #start = 0;
  /** Estimated memory. */
  bytes = KEYS_BASE_BYTES;

  get count(): number {
    return this.#offsets.size;
  }

  /** The offset that the key was answered with. Callers trim before they ask. */
  offsetOf(key: string): number | undefined {
    return this.#offsets.get(key);
  }

  /** The key MUST NOT be known. */
  add(key: string, offset: number, nowMs: number): void {
    this.#offsets.set(key, offset);
    this.#keys.push(key);
    this.#takenMs.push(nowMs);
    this.bytes += keyBytes(key);
  }

  trim(nowMs: number, bounds: { readonly windowMs: number; readonly keysMax: number }): void {
    const { windowMs, keysMax } = bounds;
    for (;;) {
      const key = this.#keys[this.#start];
      if (key === undefined) break;
      const ageMs = nowMs - (this.#takenMs[this.#start] as number);
      if (this.#offsets.size <= keysMax && ageMs < windowMs) break;
      this.#offsets.delete(key);
      this.#keys[this.#start] = undefined;
      this.#start += 1;
      this.bytes -= keyBytes(key);
    }
    if (this.#start < 16 || this.#start * 2 < this.#keys.length) return;
    this.#keys = this.#keys.slice(this.#start);
    this.#takenMs = this.#takenMs.slice(this.#start);
    this.#start = 0;
  }
}

/** Bytes of an empty window, estimated from above. */
export const KEYS_BASE_BYTES = 640;

/** Bytes of one known key, estimated from above. */
export const keyBytes = (key: string): number => 120 + 2 * key.length;
