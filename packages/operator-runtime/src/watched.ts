// Owns: for how long this process has seen something unchanged, by a clock that never jumps.

/** What was not asked for since the last sweep is forgotten: memory is what is there. */
export class Watched {
  readonly #since = new Map<string, number>();
  #asked = new Set<string>();

  /** For how many ms the key was asked for at each look. 0 at the first. */
  forMs(key: string, nowMs: number): number {
    this.#asked.add(key);
    const since = this.#since.get(key);
    if (since !== undefined) return nowMs - since;
    this.#since.set(key, nowMs);
    return 0;
  }

  /** Ends a look. */
  sweep(): void {
    for (const key of this.#since.keys()) if (!this.#asked.has(key)) this.#since.delete(key);
    this.#asked = new Set();
  }
}
