// Owns: the figures between scrapes: plain numbers, turned into prom-client's form only for a
// scrape. A prom-client child costs a label hash for each increment; a cell that the caller holds
// costs an addition.

/** One number of a metric. */
export interface Cell {
  value: number;
}

/** One line of a scrape, as prom-client writes it. */
export interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * A metric's cells by their labels' values, made when first asked for. At most `cellsMax`; for
 * further values the last label says `other`.
 */
export interface Family<C> {
  /** `values` in the order of the label names. */
  cell(...values: readonly string[]): C;
  samples(): Sample[];
}

export const CELLS_MAX = 1_000;

export function createFamily<C>(
  labels: readonly string[],
  make: () => C,
  read: (cell: C, labels: Record<string, string>) => readonly Sample[],
  cellsMax = CELLS_MAX,
): Family<C> {
  const cells = new Map<string, { readonly labels: Record<string, string>; readonly cell: C }>();
  const find = (values: readonly string[]): C => {
    const key = values.join("\u0000");
    const known = cells.get(key);
    if (known !== undefined) return known.cell;
    const isFull = cells.size >= cellsMax && values.at(-1) !== OTHER;
    if (isFull) return find(values.map(() => OTHER));
    const entry = {
      labels: Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ""])),
      cell: make(),
    };
    cells.set(key, entry);
    return entry.cell;
  };
  if (labels.length === 0) find([]);
  return {
    cell: (...values) => find(values),
    samples: () => [...cells.values()].flatMap((entry) => read(entry.cell, entry.labels)),
  };
}

export const OTHER = "other";

/** A counter's or gauge's cells. */
export function numberFamily(labels: readonly string[], cellsMax?: number): Family<Cell> {
  return createFamily<Cell>(
    labels,
    () => ({ value: 0 }),
    (cell, names) => [{ labels: names, value: cell.value }],
    cellsMax,
  );
}

/**
 * Counts by bucket. `bounds` are upper bounds, inclusive, rising; `scale` turns the unit of
 * `observe` into the scrape's.
 */
export class HistogramCell {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: Float64Array) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts `value` `weight` times. Below 0 (clocks of two machines) and NaN count as 0. */
  observe(value: number, weight = 1): void {
    const bounded = Number.isNaN(value) ? 0 : Math.max(value, 0);
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && bounded > (bounds[index] as number)) index += 1;
    this.#counts[index] = (this.#counts[index] as number) + weight;
    this.#sum += bounded * weight;
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  samples(name: string, labels: Record<string, string>, scale: number): Sample[] {
    const samples: Sample[] = [];
    let count = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      count += this.#counts[index] as number;
      samples.push({
        metricName: `${name}_bucket`,
        labels: { le: Number((bound * scale).toPrecision(12)), ...labels },
        value: count,
      });
    }
    count += this.#counts[this.#bounds.length] as number;
    samples.push({ metricName: `${name}_bucket`, labels: { le: "+Inf", ...labels }, value: count });
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum * scale });
    samples.push({ metricName: `${name}_count`, labels, value: count });
    return samples;
  }
}

/**
 * `scale`: one unit of `observe` in units of the metric (0.001 for milliseconds in a metric of
 * seconds).
 */
export function histogramFamily(
  name: string,
  labels: readonly string[],
  options: {
    readonly bounds: readonly number[];
    readonly scale: number;
    readonly cellsMax?: number;
  },
): Family<HistogramCell> {
  const bounds = Float64Array.from(options.bounds);
  return createFamily(
    labels,
    () => new HistogramCell(bounds),
    (cell, names) => cell.samples(name, names, options.scale),
    options.cellsMax,
  );
}
