// Owns: what is made from docs/benchmarks/compare.json and the results of telemetry: pages of
// benchmarks, charts, and the table in the README.
import { existsSync, readFileSync } from "node:fs";
import { type CompareResult, generatedFiles, withHeadline } from "@holdfast/lab/compare";
import {
  type Results,
  resultPath,
  SUBJECT_NAMES,
  telemetryFiles,
} from "@holdfast/lab/telemetry-bench";

const RESULT = new URL("../docs/benchmarks/compare.json", import.meta.url);

/**
 * Files by path, each with what it should be given what it is; none before the first comparison.
 */
export function benchmarkFiles(): readonly {
  readonly path: string;
  readonly text: (found: string) => string;
}[] {
  const telemetry = telemetryFiles(telemetryResults()).map(({ path, text }) => ({
    path,
    text: () => text,
  }));
  if (!existsSync(RESULT)) return telemetry;
  const result: CompareResult = JSON.parse(readFileSync(RESULT, "utf8"));
  return [
    ...telemetry,
    ...generatedFiles(result).map(({ path, text }) => ({ path, text: () => text })),
    { path: "README.md", text: (found) => withHeadline(found, result) },
  ];
}

function telemetryResults(): Results {
  return Object.fromEntries(
    SUBJECT_NAMES.flatMap((name) => {
      const path = new URL(`../${resultPath(name)}`, import.meta.url);
      return existsSync(path) ? [[name, JSON.parse(readFileSync(path, "utf8"))]] : [];
    }),
  );
}
