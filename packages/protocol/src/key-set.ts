// Owns: noticing a key that stands twice in a map, without keeping the keys.

/** Keys of one map that are compared one by one; a larger map is left to the exact check. */
const COMPARED_MAX = 16;

/**
 * The hashes of the keys of the maps that are open. `add` says whether a key may be in its map
 * already: never false for one that is, seldom true for one that is not (always in large maps).
 */
export class KeyHashes {
  #hashes: number[] = [];
  #size = 0;

  /** Begins a map; `end` with the result ends it. */
  begin(): number {
    return this.#size;
  }

  end(base: number): void {
    this.#size = base;
  }

  add(base: number, hash: number): boolean {
    const size = this.#size;
    if (size - base >= COMPARED_MAX) return true;
    const hashes = this.#hashes;
    for (let i = base; i < size; i++) if (hashes[i] === hash) return true;
    hashes[size] = hash;
    this.#size = size + 1;
    return false;
  }
}
