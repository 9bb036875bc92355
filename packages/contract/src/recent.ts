// Owns: a map that remembers at most a bounded number of things, and forgets the ones not used
// lately.

/**
 * Two generations: what was used since the last turn is kept, the rest goes when the young one is
 * full. Holds at most 2 * `generationMax` values; every operation is one or two map operations.
 */
export class Recent<V extends {}> {
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  readonly #generationMax: number;

  constructor(generationMax: number) {
    this.#generationMax = generationMax;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
