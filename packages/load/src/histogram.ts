// Owns: times in HDR histograms: recording, moving them between processes without loss, merging,
// reading. Unit: µs.
import { Int32Histogram } from "hdr-histogram-js";

/** Longer times are recorded as this. */
export const TIME_US_MAX = 600_000_000;

/** Counts by value, as pairs value, count, value, count, …: how a histogram travels. */
export type PackedTimes = readonly number[];

export interface TimesSummary {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** Percentile (0 to 100) and value, for a curve. */
  readonly curve: readonly (readonly [percentile: number, us: number])[];
}

/** Percentiles of the curve: evenly spaced nines. */
const CURVE = [
  0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.7, 99.9, 99.95,
  99.97, 99.99, 99.999, 100,
];

/** Times recorded with three digits (two for intervals that only draw a line). */
export class Times {
  readonly #histogram: Int32Histogram;

  constructor(digits: 2 | 3 = 3) {
    this.#histogram = new Int32Histogram(1, TIME_US_MAX, digits);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Negative times (clocks of two machines) are recorded as 0. */
  record(us: number): void {
    this.#histogram.recordValue(us < 0 ? 0 : us > TIME_US_MAX ? TIME_US_MAX : Math.round(us));
  }

  /**
   * All recorded values, each as the lowest that its bucket stands for: merging them into a
   * histogram of the same digits loses nothing.
   */
  packed(): PackedTimes {
    const pairs: number[] = [];
    let left = this.count;
    for (let place = 0; left > 0 && place < this.#histogram.countsArrayLength; place++) {
      const count = this.#histogram.getCountAtIndex(place);
      if (count === 0) continue;
      pairs.push(this.#histogram.valueFromIndex(place), count);
      left -= count;
    }
    return pairs;
  }

  merge(packed: PackedTimes): void {
    for (let at = 0; at < packed.length; at += 2)
      this.#histogram.recordValueWithCount(packed[at] ?? 0, packed[at + 1] ?? 0);
  }

  reset(): void {
    this.#histogram.reset();
  }

  percentileUs(percentile: number): number {
    return this.count === 0 ? 0 : this.#histogram.getValueAtPercentile(percentile);
  }

  summary(): TimesSummary {
    const at = (percentile: number) => this.percentileUs(percentile);
    const none = this.count === 0;
    return {
      count: this.count,
      minUs: none ? 0 : at(0),
      meanUs: none ? 0 : Math.round(this.#histogram.mean),
      p50Us: at(50),
      p90Us: at(90),
      p99Us: at(99),
      p999Us: at(99.9),
      maxUs: at(100),
      curve: none ? [] : CURVE.map((percentile) => [percentile, at(percentile)] as const),
    };
  }
}
