// Owns: aggregates of numbers that take constant room: count, sum, mean, min, max, variance.
import type { Accumulator, Saved } from "./accumulator.ts";

export class Count implements Accumulator {
  readonly bytes = 16;
  #count: number;

  constructor(saved: Saved = 0) {
    this.#count = saved as number;
  }

  add(counts: boolean): void {
    if (counts) this.#count += 1;
  }

  merge(other: Count): void {
    this.#count += other.#count;
  }

  value(): number {
    return this.#count;
  }

  save(): Saved {
    return this.#count;
  }
}

/**
 * A. Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54
 * (1974): the low-order bits that an addition loses are summed beside it.
 */
class CompensatedSum {
  high = 0;
  low = 0;

  add(value: number): void {
    const next = this.high + value;
    this.low +=
      Math.abs(this.high) >= Math.abs(value) ? this.high - next + value : value - next + this.high;
    this.high = next;
  }

  get total(): number {
    return this.high + this.low;
  }
}

export class Sum implements Accumulator {
  readonly bytes = 32;
  readonly #sum = new CompensatedSum();

  constructor(saved?: Saved) {
    if (saved !== undefined) [this.#sum.high, this.#sum.low] = saved as [number, number];
  }

  add(value: number): void {
    this.#sum.add(value);
  }

  merge(other: Sum): void {
    this.#sum.add(other.#sum.high);
    this.#sum.add(other.#sum.low);
  }

  value(): number {
    return this.#sum.total;
  }

  save(): Saved {
    return [this.#sum.high, this.#sum.low];
  }
}

export class Mean implements Accumulator {
  readonly bytes = 40;
  readonly #sum = new CompensatedSum();
  #count = 0;

  constructor(saved?: Saved) {
    if (saved !== undefined)
      [this.#count, this.#sum.high, this.#sum.low] = saved as [number, number, number];
  }

  add(value: number): void {
    this.#count += 1;
    this.#sum.add(value);
  }

  merge(other: Mean): void {
    this.#count += other.#count;
    this.#sum.add(other.#sum.high);
    this.#sum.add(other.#sum.low);
  }

  value(): number | null {
    return this.#count === 0 ? null : this.#sum.total / this.#count;
  }

  save(): Saved {
    return [this.#count, this.#sum.high, this.#sum.low];
  }
}

export class Extreme implements Accumulator {
  readonly bytes = 16;
  readonly #sign: 1 | -1;
  #value: number | null;

  /** `sign` 1: the largest; -1: the smallest. */
  constructor(sign: 1 | -1, saved: Saved = null) {
    this.#sign = sign;
    this.#value = saved as number | null;
  }

  add(value: number): void {
    if (this.#value === null || (value - this.#value) * this.#sign > 0) this.#value = value;
  }

  merge(other: Extreme): void {
    if (other.#value !== null) this.add(other.#value);
  }

  value(): number | null {
    return this.#value;
  }

  save(): Saved {
    return this.#value;
  }
}

/**
 * B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
 * Technometrics 4 (1962); merging: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and
 * a pairwise algorithm for computing sample variances" (1979).
 */
export class Variance implements Accumulator {
  readonly bytes = 40;
  readonly #deviation: boolean;
  #count = 0;
  #mean = 0;
  #squares = 0;

  constructor(deviation: boolean, saved?: Saved) {
    this.#deviation = deviation;
    if (saved !== undefined)
      [this.#count, this.#mean, this.#squares] = saved as [number, number, number];
  }

  add(value: number): void {
    this.#count += 1;
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#squares += delta * (value - this.#mean);
  }

  merge(other: Variance): void {
    if (other.#count === 0) return;
    const count = this.#count + other.#count;
    const delta = other.#mean - this.#mean;
    this.#squares += other.#squares + (delta * delta * this.#count * other.#count) / count;
    this.#mean += (delta * other.#count) / count;
    this.#count = count;
  }

  value(): number | null {
    if (this.#count < 2) return null;
    const variance = this.#squares / (this.#count - 1);
    return this.#deviation ? Math.sqrt(variance) : variance;
  }

  save(): Saved {
    return [this.#count, this.#mean, this.#squares];
  }
}
