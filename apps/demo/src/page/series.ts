// Owns: the last minute of one metric, as the two columns that uPlot draws. Pure.

/** The chart's width in time. */
export const SPAN_S = 60;
/** Points kept for each metric: a minute at ten a second, and a reserve. */
export const POINTS_MAX = 700;

/** `timesS` are seconds since the Unix epoch, rising. */
export interface Series {
  readonly timesS: readonly number[];
  readonly values: readonly number[];
}

export const emptySeries: Series = { timesS: [], values: [] };

/**
 * The series with a point more and without those that left the span. A point that is not newer than
 * the last one is ignored.
 */
export function extend(series: Series, timeS: number, value: number): Series {
  const last = series.timesS.at(-1) ?? Number.NEGATIVE_INFINITY;
  if (timeS <= last) return series;
  const times = [...series.timesS, timeS];
  const oldest = times.findIndex((t) => t >= timeS - SPAN_S - 1);
  const from = Math.max(oldest, times.length - POINTS_MAX);
  return { timesS: times.slice(from), values: [...series.values, value].slice(from) };
}
