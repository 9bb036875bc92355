// Owns: docs/reference/metrics.md, written from the table. Pure.
import { LABELS, METRICS, type MetricRow } from "./table.ts";

/** The whole page, with its closing line feed. */
export function renderMetricsReference(): string {
  const rows = Object.entries(METRICS).map(([name, row]: [string, MetricRow]) =>
    cells(
      `\`${name}\``,
      row.type,
      row.unit,
      row.labels.map((label) => `\`${label}\``).join(", "),
      row.help,
    ),
  );
  const labels = Object.entries(LABELS).map(([name, values]) => cells(`\`${name}\``, values));
  return `${[
    "# Metrics",
    "",
    "<!-- Generated from packages/server/src/metrics/table.ts by `npm run generate`; a check compares the two. -->",
    "",
    "A node serves these at `/metrics` on its internal listener, in Prometheus' text format.",
    "",
    "A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`. A counter begins at 0 when the node starts.",
    "",
    cells("name", "type", "unit", "labels", "description"),
    cells("---", "---", "---", "---", "---"),
    ...rows,
    "",
    "## Labels",
    "",
    cells("label", "values"),
    cells("---", "---"),
    ...labels,
  ].join("\n")}\n`;
}

const cells = (...values: readonly string[]): string =>
  `| ${values.map((value) => value.replaceAll("|", "\\|")).join(" | ")} |`;
