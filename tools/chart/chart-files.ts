// Owns: which files of deploy/chart are made from code: the values' schema and the README's table.
import { readFileSync } from "node:fs";
import { type ChartValue, readChartValues } from "./values-file.ts";
import { type NodeOptionTable, valuesSchema } from "./values-schema.ts";
import { withValuesTable } from "./values-table.ts";

const VALUES = new URL("../../deploy/chart/values.yaml", import.meta.url);

function chartValues(): readonly ChartValue[] {
  return readChartValues(readFileSync(VALUES, "utf8"));
}

/** `table`: the options that a node has. */
export function renderValuesSchema(table: NodeOptionTable): string {
  return valuesSchema(chartValues(), table);
}

export function withChartValues(readme: string): string {
  return withValuesTable(readme, chartValues());
}
