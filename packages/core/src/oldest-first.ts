// Owns: values by key, of which the one that was put longest ago is found at once.

interface Link<V> {
  readonly key: string;
  value: V;
  older: Link<V> | undefined;
  newer: Link<V> | undefined;
}

/**
 * A map in the order in which keys were put last, as a chain. A Map has that order too, but what
 * was removed from it stays in the way of whoever looks for its first key: in JavaScriptCore up to
 * as many places as there are keys, for each look.
 */
export class OldestFirst<V> {
  readonly #links = new Map<string, Link<V>>();
  #oldest: Link<V> | undefined;
  #newest: Link<V> | undefined;

  get size(): number {
    return this.#links.size;
  }

  /** Key and value that were put longest ago. */
  get oldest(): { readonly key: string; readonly value: V } | undefined {
    return this.#oldest;
  }

  get(key: string): V | undefined {
    return this.#links.get(key)?.value;
  }

  /** The key is the newest now. */
  put(key: string, value: V): void {
    let link = this.#links.get(key);
    if (link === undefined) {
      link = { key, value, older: undefined, newer: undefined };
      this.#links.set(key, link);
    } else {
      if (link === this.#newest) {
        link.value = value;
        return;
      }
      this.#cut(link);
      link.value = value;
    }
    link.older = this.#newest;
    link.newer = undefined;
    if (this.#newest === undefined) this.#oldest = link;
    else this.#newest.newer = link;
    this.#newest = link;
  }

  delete(key: string): boolean {
    const link = this.#links.get(key);
    if (link === undefined) return false;
    this.#links.delete(key);
    this.#cut(link);
    return true;
  }

  /** Oldest first. What is put meanwhile may come as well. */
  *entries(): IterableIterator<readonly [key: string, value: V]> {
    for (let link = this.#oldest; link !== undefined; link = link.newer)
      yield [link.key, link.value];
  }

  #cut({ older, newer }: Link<V>): void {
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
  }
}
