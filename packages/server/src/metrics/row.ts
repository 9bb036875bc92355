// Owns: what a row of the table of metrics says.
import type { LabelName } from "./labels.ts";

export type MetricType = "counter" | "gauge" | "histogram";

export interface MetricRow {
  readonly type: MetricType;
  /** What a value counts or measures. */
  readonly unit: string;
  readonly labels: readonly LabelName[];
  readonly help: string;
}

export const row = (
  type: MetricType,
  unit: string,
  labels: readonly LabelName[],
  help: string,
): MetricRow => ({ type, unit, labels, help });
