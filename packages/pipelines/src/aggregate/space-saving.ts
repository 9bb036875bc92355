// Owns: the most frequent values in bounded room (Space-Saving).
import type { TopEntry } from "../define/aggregates.ts";
import type { Accumulator, Saved } from "./accumulator.ts";

interface Counter {
  count: number;
  /** How much of the count may belong to others. */
  error: number;
}

/** Counters kept for `k` answers: a value with more than 1 / counters of all events is in it. */
const capacityOf = (k: number): number => Math.max(100, 10 * k);

/**
 * A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in
 * data streams" (2005); merging: P. K. Agarwal et al., "Mergeable summaries" (2012).
 */
export class TopK implements Accumulator {
  readonly #k: number;
  readonly #capacity: number;
  #counters = new Map<string, Counter>();
  #textLength = 0;

  constructor(k: number, saved?: Saved) {
    this.#k = k;
    this.#capacity = capacityOf(k);
    for (const [value, count, error] of (saved ?? []) as [string, number, number][])
      this.#put(value, { count, error });
  }

  get bytes(): number {
    return 64 + this.#counters.size * 64 + this.#textLength * 2;
  }

  add(value: string): void {
    const known = this.#counters.get(value);
    if (known !== undefined) known.count += 1;
    else if (this.#counters.size < this.#capacity) this.#put(value, { count: 1, error: 0 });
    else {
      const [rarest, { count }] = this.#rarest();
      this.#counters.delete(rarest);
      this.#textLength -= rarest.length;
      this.#put(value, { count: count + 1, error: count });
    }
  }

  merge(other: TopK): void {
    const [mine, others] = [this.#floor(), other.#floor()];
    const all = new Map<string, Counter>();
    for (const [value, { count, error }] of this.#counters) {
      const there = other.#counters.get(value);
      all.set(value, {
        count: count + (there?.count ?? others),
        error: error + (there?.error ?? others),
      });
    }
    for (const [value, { count, error }] of other.#counters)
      if (!all.has(value)) all.set(value, { count: count + mine, error: error + mine });
    this.#counters = new Map();
    this.#textLength = 0;
    for (const [value, counter] of ranked(all).slice(0, this.#capacity)) this.#put(value, counter);
  }

  value(): readonly TopEntry[] {
    return ranked(this.#counters)
      .slice(0, this.#k)
      .map(([value, { count, error }]) => ({ value, count, error }));
  }

  save(): Saved {
    return [...this.#counters].map(([value, { count, error }]) => [value, count, error]);
  }

  #put(value: string, counter: Counter): void {
    this.#counters.set(value, counter);
    this.#textLength += value.length;
  }

  /** A value without a counter was seen at most so often. */
  #floor(): number {
    return this.#counters.size < this.#capacity ? 0 : this.#rarest()[1].count;
  }

  /** Of several, the one that has been there longest. */
  #rarest(): [string, Counter] {
    let rarest: [string, Counter] = ["", { count: Number.POSITIVE_INFINITY, error: 0 }];
    for (const entry of this.#counters) if (entry[1].count < rarest[1].count) rarest = entry;
    return rarest;
  }
}

/** Most frequent first; of equal counts by text. */
const ranked = (counters: ReadonlyMap<string, Counter>): [string, Counter][] =>
  [...counters].sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1));
