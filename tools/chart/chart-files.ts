// Owns: which files of the charts are made from code: schemas of values and tables of READMEs.
import { readFileSync } from "node:fs";
import { type ChartValue, readChartValues } from "./values-file.ts";
import { type NodeOptionTable, valuesSchema } from "./values-schema.ts";
import { withValuesTable } from "./values-table.ts";

function chartValues(chart = "deploy/chart"): readonly ChartValue[] {
  const file = new URL(`../../${chart}/values.yaml`, import.meta.url);
  return readChartValues(readFileSync(file, "utf8"));
}

/** `table`: the options that a node has. */
export function renderValuesSchema(table: NodeOptionTable): string {
  return valuesSchema(chartValues(), table);
}

export function withChartValues(readme: string): string {
  return withValuesTable(readme, chartValues());
}

const OPERATOR = "deploy/operator/chart";

export function renderOperatorValuesSchema(): string {
  return valuesSchema(chartValues(OPERATOR), undefined, "Values of the operator's chart");
}

export function withOperatorValues(readme: string): string {
  return withValuesTable(readme, chartValues(OPERATOR));
}

const GATEWAY = "deploy/gateway/chart";

export function renderGatewayValuesSchema(): string {
  return valuesSchema(chartValues(GATEWAY), undefined, "Values of the gateway's chart");
}

export function withGatewayValues(readme: string): string {
  return withValuesTable(readme, chartValues(GATEWAY));
}
