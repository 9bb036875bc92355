// Owns: a map for things of which most connections have one. The object itself holds the first
// entry; a table is made for the second.

/**
 * As `Map`, in the order of insertion, but a map of one entry costs about 60 bytes and not 300.
 * There is one for each connection, and most connections have one subscription.
 */
export class SmallMap<K, V extends object> {
  #key: K | undefined;
  /** Undefined: no entry, or they are in the table. */
  #value: V | undefined;
  #table: Map<K, V> | undefined;

  get size(): number {
    return this.#table?.size ?? (this.#value === undefined ? 0 : 1);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  get(key: K): V | undefined {
    if (this.#table !== undefined) return this.#table.get(key);
    return this.#key === key ? this.#value : undefined;
  }

  set(key: K, value: V): void {
    const held = this.#value;
    if (this.#table !== undefined) this.#table.set(key, value);
    else if (held === undefined || this.#key === key) this.#hold(key, value);
    else {
      this.#table = new Map([
        [this.#key as K, held],
        [key, value],
      ]);
      this.#hold(undefined, undefined);
    }
  }

  delete(key: K): boolean {
    if (this.#table !== undefined) return this.#table.delete(key);
    if (this.#value === undefined || this.#key !== key) return false;
    this.#hold(undefined, undefined);
    return true;
  }

  keys(): Iterable<K> {
    return this.#table?.keys() ?? (this.#value === undefined ? [] : [this.#key as K]);
  }

  /** Entries may be added and deleted meanwhile. */
  values(): Iterable<V> {
    return this.#table?.values() ?? (this.#value === undefined ? [] : [this.#value]);
  }

  #hold(key: K | undefined, value: V | undefined): void {
    this.#key = key;
    this.#value = value;
  }
}
