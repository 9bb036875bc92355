// Owns: docs/reference/operator.md, written from the tables of the operator's options and metrics.
import { optionsReference } from "@holdfast/config";
import { OPERATOR_LABELS, OPERATOR_METRICS } from "@holdfast/operator-runtime";
import { OPERATOR_OPTIONS } from "../src/operator/options.ts";
import { metricsSection } from "./metrics-section.ts";

/** The whole page, with its closing line feed. */
export function renderOperatorReference(): string {
  const options = optionsReference(OPERATOR_OPTIONS, HEAD).replace("\n## node\n", "\n## Options\n");
  const metrics = { head: METRICS_HEAD, metrics: OPERATOR_METRICS, labels: OPERATOR_LABELS };
  return `${options.replace("\n## log\n", "\n### log\n")}\n${metricsSection(metrics)}`;
}

const HEAD = `# The operator: options and metrics

<!-- Generated from apps/holdfast/src/operator and packages/operator-runtime by \`npm run generate\`; a check compares the two. -->

\`holdfast operator\` runs the operator. [The chart](../../deploy/operator/chart/README.md) runs it for you.

An option is a variable of the environment or a flag. A flag wins over the environment, and the environment over the default. Lists are separated by commas.
Values that cannot be are refused at start, all at once. \`--context\` and \`--kubeconfig\` choose the cluster. Without them, a pod has the access of its ServiceAccount.

Exit status: 0 ended as asked, 1 failed while running, 2 options or the access were refused, 3 could not start: its port is in use, or nobody reaches the API server.
`;

const METRICS_HEAD = `Each operator serves these at \`/metrics\` on its listener (\`internalPort\`), in Prometheus' text format. Only the operator that leads shows series with the label
\`set\`. They end with its term, and with the set. A histogram \`x\` has the series \`x_bucket\`, \`x_sum\` and \`x_count\`. A counter begins at 0 when the operator starts.
`;
