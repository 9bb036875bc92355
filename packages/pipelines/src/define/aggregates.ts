// Owns: the aggregates that applications declare.
import type { AggregateDefinition, Of } from "./types.ts";

/** A value that is null or undefined is left out; one that is no finite number is a dead letter. */
type Measure<V, P> = Of<V, P, number | null | undefined>;

/** Events in the window, or those for which the function says true. */
export function count<V, P>(of?: Of<V, P, boolean>): AggregateDefinition<V, number, P> {
  return { aggregate: "count", ...(of === undefined ? {} : { of }) };
}

/** Sum, compensated (Neumaier 1974): its error does not grow with the number of events. */
export function sum<V, P>(of: Measure<V, P>): AggregateDefinition<V, number, P> {
  return { aggregate: "sum", of };
}

/** Arithmetic mean; null if nothing was measured. */
export function mean<V, P>(of: Measure<V, P>): AggregateDefinition<V, number | null, P> {
  return { aggregate: "mean", of };
}

/** The same as `mean`. */
export const avg = mean;

/** Smallest value; null if nothing was measured. */
export function min<V, P>(of: Measure<V, P>): AggregateDefinition<V, number | null, P> {
  return { aggregate: "min", of };
}

/** Largest value; null if nothing was measured. */
export function max<V, P>(of: Measure<V, P>): AggregateDefinition<V, number | null, P> {
  return { aggregate: "max", of };
}

/** Variance of the sample, n - 1 (Welford 1962); null below two values. */
export function variance<V, P>(of: Measure<V, P>): AggregateDefinition<V, number | null, P> {
  return { aggregate: "variance", of };
}

/** Standard deviation of the sample; null below two values. */
export function deviation<V, P>(of: Measure<V, P>): AggregateDefinition<V, number | null, P> {
  return { aggregate: "deviation", of };
}

/** What the function says of the event with the earliest event time. At most 4 kB as JSON. */
export function first<V, P, R>(of: Of<V, P, R>): AggregateDefinition<V, R | null, P> {
  return { aggregate: "first", of };
}

/** What the function says of the event with the latest event time. At most 4 kB as JSON. */
export function last<V, P, R>(of: Of<V, P, R>): AggregateDefinition<V, R | null, P> {
  return { aggregate: "last", of };
}

/**
 * About how many different values: HyperLogLog with 4,096 registers, standard error 1.6 %. Exact
 * in practice for up to a few hundred.
 */
export function distinct<V, P>(
  of: Of<V, P, string | number | boolean | null | undefined>,
): AggregateDefinition<V, number, P> {
  return { aggregate: "distinct", of };
}

/**
 * The value below which a share `q` of them lies, from 0 to 1: DDSketch, within 1 % of the exact
 * value. Null if nothing was measured.
 */
export function quantile<V, P>(
  q: number,
  of: Measure<V, P>,
): AggregateDefinition<V, number | null, P> {
  return { aggregate: "quantile", of, parameter: q };
}

/** One of the most frequent values. The true count is from `count` - `error` to `count`. */
export interface TopEntry {
  readonly value: string;
  readonly count: number;
  readonly error: number;
}

/** The `k` most frequent values (Space-Saving with 10 k counters, at least 100), k up to 100. */
export function topK<V, P>(
  k: number,
  of: Of<V, P, string | number | null | undefined>,
): AggregateDefinition<V, readonly TopEntry[], P> {
  return { aggregate: "topK", of, parameter: k };
}
