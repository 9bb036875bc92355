// Owns: entries of one channel by id, in the order in which they came, readable from the middle.

/**
 * Entries by id. Additions are O(1), removals O(log n), amortised. Reading from a place in the
 * order costs a binary search and what is read.
 */
export class MemberList<T extends { readonly sequence: number }> {
  readonly #byId = new Map<string, T>();
  /**
   * By rising sequence. A removed entry leaves an empty place; when half of the places are empty,
   * they are removed.
   */
  #ordered: (T | undefined)[] = [];
  #sequences: number[] = [];

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): T | undefined {
    return this.#byId.get(id);
  }

  /** The id MUST be new, and the sequence higher than every one before. */
  add(id: string, entry: T): void {
    this.#byId.set(id, entry);
    this.#ordered.push(entry);
    this.#sequences.push(entry.sequence);
  }

  delete(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byId.delete(id);
    this.#ordered[this.#indexAfter(entry.sequence - 1)] = undefined;
    if (this.#ordered.length < 16 || this.#ordered.length < 2 * this.#byId.size) return;
    this.#ordered = [...this.#byId.values()];
    this.#sequences = this.#ordered.map((kept) => kept?.sequence ?? 0);
  }

  /** Entries with a higher sequence, in order. */
  *after(sequence: number): Generator<T> {
    for (let index = this.#indexAfter(sequence); index < this.#ordered.length; index++) {
      const entry = this.#ordered[index];
      if (entry !== undefined) yield entry;
    }
  }

  /** Index of the first place with a higher sequence. */
  #indexAfter(sequence: number): number {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sequences[middle] as number) <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
