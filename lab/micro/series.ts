// Owns: the figures of several rounds together.

/** One figure measured in several rounds. */
export interface Series {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** By round. */
  readonly values: readonly number[];
}

/** Median and spread of at least one value. */
export function series(values: readonly number[]): Series {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.ceil((sorted.length - 1) / 2)],
  ];
  if (low === undefined || high === undefined)
    throw new RangeError("Cannot summarise: found no values, expected at least one");
  return { median: (low + high) / 2, least: sorted[0] ?? low, most: sorted.at(-1) ?? high, values };
}
