// Owns: docs/reference/gateway.md, written from the tables of the gateway's options and metrics.
import { GATEWAY_LABELS, GATEWAY_METRICS } from "@holdfast/gateway";
import { gatewayOptionsReference } from "@holdfast/gateway/options";
import { metricsSection } from "./metrics-section.ts";

/** The whole page, with its closing line feed. */
export function renderGatewayReference(): string {
  const metrics = { head: METRICS_HEAD, metrics: GATEWAY_METRICS, labels: GATEWAY_LABELS };
  return `${gatewayOptionsReference(HEAD)}\n${metricsSection(metrics)}`;
}

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
