// Owns: quantiles with a bounded relative error (DDSketch).
import type { Accumulator, Saved } from "./accumulator.ts";

/** Relative error of every answer. */
const ACCURACY = 0.01;
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);
/**
 * Bins of each sign at most: enough for values that differ by a factor of 10^17. Beyond that the
 * bins of the smallest absolute values become one, and only answers there lose their accuracy.
 */
const BINS_MAX = 2048;
const SMALLEST = 1e-300;

/**
 * C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
 * relative-error guarantees", VLDB 12 (2019). Sparse bins, logarithmic mapping.
 */
export class Quantile implements Accumulator {
  readonly #q: number;
  #zeros = 0;
  #count = 0;
  readonly #positive = new Map<number, number>();
  readonly #negative = new Map<number, number>();

  constructor(q: number, saved?: Saved) {
    this.#q = q;
    if (saved === undefined) return;
    const [zeros, positive, negative] = saved as [number, Saved[], Saved[]];
    this.#zeros = zeros;
    this.#count = zeros + fill(this.#positive, positive) + fill(this.#negative, negative);
  }

  get bytes(): number {
    return 64 + 32 * (this.#positive.size + this.#negative.size);
  }

  add(value: number): void {
    this.#count += 1;
    if (value > SMALLEST) put(this.#positive, indexOf(value), 1);
    else if (value < -SMALLEST) put(this.#negative, indexOf(-value), 1);
    else this.#zeros += 1;
  }

  merge(other: Quantile): void {
    this.#zeros += other.#zeros;
    this.#count += other.#count;
    for (const [index, count] of other.#positive) put(this.#positive, index, count);
    for (const [index, count] of other.#negative) put(this.#negative, index, count);
  }

  value(): number | null {
    if (this.#count === 0) return null;
    let rank = this.#q * (this.#count - 1);
    for (const [index, count] of sorted(this.#negative).reverse()) {
      if (rank < count) return -middleOf(index);
      rank -= count;
    }
    if (rank < this.#zeros) return 0;
    rank -= this.#zeros;
    const positive = sorted(this.#positive);
    for (const [index, count] of positive) {
      if (rank < count) return middleOf(index);
      rank -= count;
    }
    return middleOf(positive.at(-1)?.[0] ?? 0);
  }

  save(): Saved {
    return [this.#zeros, sorted(this.#positive).flat(), sorted(this.#negative).flat()];
  }
}

const indexOf = (value: number): number => Math.ceil(Math.log(value) / LOG_GAMMA);
const middleOf = (index: number): number => (2 * GAMMA ** index) / (GAMMA + 1);
const sorted = (bins: ReadonlyMap<number, number>): [number, number][] =>
  [...bins].sort(([a], [b]) => a - b);

function fill(bins: Map<number, number>, flat: readonly Saved[]): number {
  let sum = 0;
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const count = flat[at + 1] as number;
    bins.set(flat[at] as number, count);
    sum += count;
  }
  return sum;
}

function put(bins: Map<number, number>, index: number, count: number): void {
  const known = bins.get(index);
  if (known !== undefined) bins.set(index, known + count);
  else {
    bins.set(index, count);
    if (bins.size > BINS_MAX) collapse(bins);
  }
}

/** The two lowest bins become one. */
function collapse(bins: Map<number, number>): void {
  let [low, next] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const index of bins.keys()) {
    if (index < low) [low, next] = [index, low];
    else if (index < next) next = index;
  }
  bins.set(next, (bins.get(next) ?? 0) + (bins.get(low) ?? 0));
  bins.delete(low);
}
