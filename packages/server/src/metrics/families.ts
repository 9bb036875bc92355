// Owns: one family of cells for each row of the table, registered with prom-client.
import type { Metric, Registry } from "prom-client";
import {
  type Cell,
  type Family,
  type HistogramCell,
  histogramFamily,
  numberFamily,
  type Sample,
} from "./cells.ts";
import { METRICS, type MetricName } from "./table.ts";

export type HistogramName = {
  [N in MetricName]: (typeof METRICS)[N]["type"] extends "histogram" ? N : never;
}[MetricName];

/** Upper bounds in ms: from a delivery on one machine to a recovery after a bad reconnect. */
export const LATENCY_BOUNDS_MS = [
  0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];
const LIFETIME_BOUNDS_MS = [1, 10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 604_800].map(
  (seconds) => seconds * 1_000,
);
const SIZE_BOUNDS = [0, 1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];

/** Most methods and places that get their own label. */
const CELLS_MAX: { readonly [N in MetricName]?: number } = {
  holdfast_rpcs_total: 2_000,
  holdfast_rpc_seconds: 200,
  holdfast_bugs_total: 50,
};

export interface Families {
  number(name: MetricName): Family<Cell>;
  histogram(name: MetricName): Family<HistogramCell>;
}

/** Registers every row. `refresh` runs once before each scrape reads the cells. */
export function createFamilies(registry: Registry, refresh: () => void): Families {
  const numbers = new Map<string, Family<Cell>>();
  const histograms = new Map<string, Family<HistogramCell>>();
  let isFirst = true;
  for (const [name, row] of Object.entries(METRICS)) {
    const cellsMax = CELLS_MAX[name as MetricName];
    let samples: () => Sample[];
    if (row.type === "histogram") {
      const family = histogramFamily(name, row.labels, {
        ...boundsOf(name),
        ...(cellsMax === undefined ? {} : { cellsMax }),
      });
      histograms.set(name, family);
      samples = family.samples;
    } else {
      const family = numberFamily(row.labels, cellsMax);
      numbers.set(name, family);
      samples = family.samples;
    }
    // prom-client asks its metrics in the order of their registration, so the first one's turn is
    // the scrape's start.
    const before = isFirst ? refresh : undefined;
    isFirst = false;
    registry.registerMetric(asMetric(name, row.help, row.type, samples, before));
  }
  return { number: (name) => found(numbers, name), histogram: (name) => found(histograms, name) };
}

function boundsOf(name: string): { readonly bounds: readonly number[]; readonly scale: number } {
  if (name === "holdfast_recovered_publications") return { bounds: SIZE_BOUNDS, scale: 1 };
  return {
    bounds: name === "holdfast_connection_seconds" ? LIFETIME_BOUNDS_MS : LATENCY_BOUNDS_MS,
    scale: 0.001,
  };
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const family = map.get(name);
  if (family === undefined) throw new RangeError(`metric ${name} is of another type`);
  return family;
}

/** The part of a prom-client metric that its registry uses. */
function asMetric(
  name: string,
  help: string,
  type: string,
  samples: () => Sample[],
  before: (() => void) | undefined,
): Metric {
  const metric = {
    name,
    help,
    type,
    aggregator: "sum",
    get() {
      before?.();
      return Promise.resolve({ name, help, type, aggregator: "sum", values: samples() });
    },
    reset() {},
  };
  return metric as unknown as Metric;
}
