// Owns: something for each key, with a bound: the key that was used longest ago goes first.

interface Kept<T> {
  value: T;
  usedMs: number;
}

/** Keys in the order of their last use, with the time of it. */
export class RecentKeys<T> {
  readonly #kept = new Map<string, Kept<T>>();

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): T | undefined {
    return this.#kept.get(key)?.value;
  }

  /** The key is the newest now. */
  put(key: string, value: T, nowMs: number): void {
    this.#kept.delete(key);
    this.#kept.set(key, { value, usedMs: nowMs });
  }

  delete(key: string): void {
    this.#kept.delete(key);
  }

  /** The key that was used longest ago, if that is at least so long ago. */
  oldest(nowMs: number, atLeastMs: number): [string, T] | undefined {
    for (const [key, { value, usedMs }] of this.#kept)
      return nowMs - usedMs >= atLeastMs ? [key, value] : undefined;
    return undefined;
  }

  *entries(): IterableIterator<[string, T, number]> {
    for (const [key, { value, usedMs }] of this.#kept) yield [key, value, usedMs];
  }
}
