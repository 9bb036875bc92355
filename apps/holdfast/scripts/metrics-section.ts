// Owns: the section of a reference page that tables of metrics and labels make.

interface MetricRow {
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

export interface MetricsSection {
  /** Where the metrics are, in a paragraph. */
  readonly head: string;
  readonly metrics: Readonly<Record<string, MetricRow>>;
  /** What each label holds. */
  readonly labels: Readonly<Record<string, string>>;
}

/** With its closing line feed. */
export function metricsSection({ head, metrics, labels }: MetricsSection): string {
  const rows = Object.entries(metrics).map(([name, row]) =>
    cells(`\`${name}\``, row.type, row.labels.map((label) => `\`${label}\``).join(", "), row.help),
  );
  return `${[
    "## Metrics",
    "",
    head,
    cells("name", "type", "labels", "description"),
    cells("---", "---", "---", "---"),
    ...rows,
    "",
    "### Labels",
    "",
    cells("label", "values"),
    cells("---", "---"),
    ...Object.entries(labels).map(([name, text]) => cells(`\`${name}\``, text)),
  ].join("\n")}\n`;
}

const cells = (...values: readonly string[]): string =>
  `| ${values.map((value) => value.replaceAll("|", "\\|")).join(" | ")} |`;
