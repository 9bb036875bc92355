// Owns: the files that are made from code. `npm run generate` writes them; with `--check` it only
// says which are out of step.
import { renderGatewayApiReference, renderGatewayOpenApi } from "@holdfast/gateway";
import { observabilityDocuments, watchFiles } from "@holdfast/observability";
import { renderHttpApiReference, renderMetricsReference, renderOpenApi } from "@holdfast/server";
import { NODE_OPTIONS, nodeOptionsReference } from "@holdfast/server/options";
import { renderGatewayReference } from "../apps/holdfast/scripts/gateway-reference.ts";
import { renderOperatorReference } from "../apps/holdfast/scripts/operator-reference.ts";
import { withCodeTable } from "../packages/protocol/scripts/code-table.ts";
import { renderApiOperations } from "./api-operations.ts";
import { benchmarkFiles } from "./benchmarks.ts";
import {
  renderGatewayValuesSchema,
  renderOperatorValuesSchema,
  renderValuesSchema,
  withChartValues,
  withGatewayValues,
  withOperatorValues,
} from "./chart/chart-files.ts";
import { withFigures } from "./figures.ts";
import { operatorFiles } from "./operator/operator-files.ts";
import { withPlanValidation } from "./validation.ts";

const ROOT = new URL("../", import.meta.url);

interface Generated {
  readonly path: string;
  /** What the file should be, given what it is: some have parts that people write. */
  readonly text: (found: string) => string;
}

const FILES: readonly Generated[] = [
  { path: "docs/reference/options.md", text: nodeOptionsReference },
  { path: "docs/reference/metrics.md", text: renderMetricsReference },
  { path: "docs/reference/operator.md", text: renderOperatorReference },
  { path: "docs/reference/gateway.md", text: renderGatewayReference },
  { path: "docs/reference/gateway-api.md", text: renderGatewayApiReference },
  { path: "docs/reference/gateway-openapi.json", text: renderGatewayOpenApi },
  { path: "docs/reference/http-api.md", text: renderHttpApiReference },
  { path: "docs/reference/openapi.json", text: renderOpenApi },
  { path: "packages/api/src/operations.ts", text: renderApiOperations },
  { path: "spec/protocol.md", text: withCodeTable },
  { path: "deploy/chart/values.schema.json", text: () => renderValuesSchema(NODE_OPTIONS) },
  { path: "deploy/chart/README.md", text: withChartValues },
  { path: "deploy/operator/chart/values.schema.json", text: renderOperatorValuesSchema },
  { path: "deploy/operator/chart/README.md", text: withOperatorValues },
  { path: "deploy/gateway/chart/values.schema.json", text: renderGatewayValuesSchema },
  { path: "deploy/gateway/chart/README.md", text: withGatewayValues },
  { path: "docs/operations/sizing.md", text: (found) => withFigures(found) },
  ...watchFiles(),
  ...observabilityDocuments(),
  ...benchmarkFiles(),
  ...operatorFiles(),
  { path: "docs/guide/capacity-planning.md", text: withPlanValidation },
];

/** Files that are not what the code says, with what they should be. */
export async function outOfStep(): Promise<
  readonly { readonly path: string; readonly text: string }[]
> {
  const found = await Promise.all(
    FILES.map(async ({ path, text }) => {
      const file = Bun.file(new URL(path, ROOT));
      const is = (await file.exists()) ? await file.text() : "";
      const should = text(is);
      return is === should ? [] : [{ path, text: should }];
    }),
  );
  return found.flat();
}

if (import.meta.main) {
  const stale = await outOfStep();
  if (process.argv.includes("--check")) {
    for (const { path } of stale)
      console.log(`${path} is not in step with the code: npm run generate`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const { path, text } of stale) await Bun.write(new URL(path, ROOT), text);
    console.log(
      stale.length === 0
        ? "every generated file is in step"
        : `written: ${stale.map(({ path }) => path).join(", ")}`,
    );
  }
}
