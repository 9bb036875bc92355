// Owns: the table of values in deploy/chart/README.md, between its two marks.
import type { ChartValue } from "./values-file.ts";

const BEGIN = "<!-- values: made from values.yaml by `npm run generate` -->";
const END = "<!-- end of values -->";

/** The README with the current table. Throws if the marks are missing. */
export function withValuesTable(readme: string, values: readonly ChartValue[]): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(
      `Cannot write the table of values: expected ${BEGIN} and ${END} in the chart's README`,
    );
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${valuesTable(values)}\n${readme.slice(end)}`;
}

function valuesTable(values: readonly ChartValue[]): string {
  const top = values.filter((value) => value.children === undefined);
  const groups = values.filter((value) => value.children !== undefined);
  const sections = groups.map(
    (group) => `### ${group.path}\n\n${group.description}\n\n${table(leavesOf(group))}`,
  );
  return [`### At the top\n\n${table(top)}`, ...sections].join("\n");
}

function leavesOf(value: ChartValue): readonly ChartValue[] {
  return value.children === undefined ? [value] : value.children.flatMap(leavesOf);
}

function table(values: readonly ChartValue[]): string {
  const rows = values.map(
    ({ path, description, default: value }) =>
      `| \`${path}\` | ${shown(value)} | ${cell(description)} |`,
  );
  return ["| value | default | what it is |", "| --- | --- | --- |", ...rows, ""].join("\n");
}

function shown(value: unknown): string {
  if (value === null) return "derived";
  if (value === "") return "empty";
  return `\`${typeof value === "object" ? JSON.stringify(value) : String(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
