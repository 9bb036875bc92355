// Owns: something for each key, with a bound: the key that was used longest ago goes first.

import { OldestFirst } from "@holdfast/core";

interface Kept<T> {
  readonly value: T;
  readonly usedMs: number;
}

/** Keys in the order of their last use, with the time of it. */
export class RecentKeys<T> {
  readonly #kept = new OldestFirst<Kept<T>>();
  /** Keys that were put since `entries` or `changes`, in the order of their last use. */
  readonly #fresh = new Set<string>();

  get size(): number {
    return this.#kept.size;
  }

  get(key: string): T | undefined {
    return this.#kept.get(key)?.value;
  }

  /** The key is the newest now. */
  put(key: string, value: T, nowMs: number): void {
    this.#kept.put(key, { value, usedMs: nowMs });
    this.#fresh.delete(key);
    this.#fresh.add(key);
  }

  delete(key: string): void {
    this.#kept.delete(key);
    this.#fresh.delete(key);
  }

  /** Forgets the oldest keys above so many. Answers how many. */
  trim(keysMax: number): number {
    const count = Math.max(0, this.#kept.size - keysMax);
    for (let i = 0; i < count; i++) this.delete(this.#kept.oldest?.key ?? "");
    return count;
  }

  /** The key that was used longest ago, if that is at least so long ago. */
  oldest(nowMs: number, atLeastMs: number): [string, T] | undefined {
    const { oldest } = this.#kept;
    if (oldest === undefined || nowMs - oldest.value.usedMs < atLeastMs) return undefined;
    return [oldest.key, oldest.value.value];
  }

  entries(): readonly [string, T, number][] {
    this.#fresh.clear();
    return [...this.#kept.entries()].map(([key, { value, usedMs }]) => [key, value, usedMs]);
  }

  /** Entries of keys that were put since the last call of this or of `entries`. */
  changes(): readonly [string, T, number][] {
    const changes: [string, T, number][] = [];
    for (const key of this.#fresh) {
      const kept = this.#kept.get(key);
      if (kept !== undefined) changes.push([key, kept.value, kept.usedMs]);
    }
    this.#fresh.clear();
    return changes;
  }
}
