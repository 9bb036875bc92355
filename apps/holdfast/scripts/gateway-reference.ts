// Owns: docs/reference/gateway.md, written from the tables of the gateway's options and metrics.
import { GATEWAY_LABELS, GATEWAY_METRICS, type GatewayMetricRow } from "@holdfast/gateway";
import { gatewayOptionsReference } from "@holdfast/gateway/options";

/** The whole page, with its closing line feed. */
export function renderGatewayReference(): string {
  return `${gatewayOptionsReference(HEAD)}\n${metricsSection()}`;
}

function metricsSection(): string {
  const rows = Object.entries(GATEWAY_METRICS).map(([name, row]: [string, GatewayMetricRow]) =>
    cells(`\`${name}\``, row.type, row.labels.map((label) => `\`${label}\``).join(", "), row.help),
  );
  const labels = Object.entries(GATEWAY_LABELS).map(([name, text]) => cells(`\`${name}\``, text));
  return `${[
    "## Metrics",
    "",
    METRICS_HEAD,
    cells("name", "type", "labels", "description"),
    cells("---", "---", "---", "---"),
    ...rows,
    "",
    "### Labels",
    "",
    cells("label", "values"),
    cells("---", "---"),
    ...labels,
  ].join("\n")}\n`;
}

const cells = (...values: readonly string[]): string =>
  `| ${values.map((value) => value.replaceAll("|", "\\|")).join(" | ")} |`;

const HEAD = `# The gateway: options, routes and metrics

<!-- Generated from packages/gateway by \`npm run generate\`; a check compares the two. -->

\`holdfast gateway\` reads these options. [Its guide](../guide/gateway.md) begins at the beginning.

An option is given in the configuration file (\`--config\`, YAML or JSON), in the environment, or as a flag. A flag wins over the environment, the environment over the file, and the file
over the default. \`holdfast gateway check FILE\` says what is wrong with a file, and where. **Live** options follow the file without a restart and without touching a socket.

Exit status: 0 ended as asked, 1 failed while running, 2 options were refused, 3 could not start, such as a port in use.
`;

const METRICS_HEAD = `The gateway serves these at \`/metrics\` on its admin listener, in Prometheus' text format. A histogram \`x\` has the series \`x_bucket\`, \`x_sum\` and \`x_count\`. A counter begins at 0
when the gateway starts.
`;
