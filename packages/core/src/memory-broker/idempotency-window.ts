// Owns: which idempotency keys a stream has seen lately, bounded by age and by count.

/**
 * Idempotency keys with the offsets that they were answered with. A key is known for `windowMs`;
 * when more than `keysMax` are known the oldest are forgotten first, so a stream that takes r keyed
 * publications a second has a window of min(windowMs, keysMax / r).
 */
export class IdempotencyWindow {
  /** In the order in which they were added, which is the order of ages. */
  #known = new Map<string, { readonly offset: number; readonly takenMs: number }>();
  /** Estimated memory. */
  bytes = KEYS_BASE_BYTES;

  get count(): number {
    return this.#known.size;
  }

  /** The offset that the key was answered with. Callers trim before they ask. */
  offsetOf(key: string): number | undefined {
    return this.#known.get(key)?.offset;
  }

  add(key: string, offset: number, nowMs: number): void {
    this.#known.set(key, { offset, takenMs: nowMs });
    this.bytes += keyBytes(key);
  }

  trim(nowMs: number, bounds: { readonly windowMs: number; readonly keysMax: number }): void {
    for (const [key, { takenMs }] of this.#known) {
      if (this.#known.size <= bounds.keysMax && nowMs - takenMs < bounds.windowMs) return;
      this.#known.delete(key);
      this.bytes -= keyBytes(key);
    }
  }
}

/** Bytes of an empty window, estimated from above. */
export const KEYS_BASE_BYTES = 640;

/** Bytes of one known key, estimated from above. */
export const keyBytes = (key: string): number => 120 + 2 * key.length;
