// Owns: what is made from docs/benchmarks/compare.json: the page of benchmarks, its charts, and the
// table in the README.
import { existsSync, readFileSync } from "node:fs";
import { type CompareResult, generatedFiles, withHeadline } from "@holdfast/lab/compare";

const RESULT = new URL("../docs/benchmarks/compare.json", import.meta.url);

/**
 * Files by path, each with what it should be given what it is; none before the first comparison.
 */
export function benchmarkFiles(): readonly {
  readonly path: string;
  readonly text: (found: string) => string;
}[] {
  if (!existsSync(RESULT)) return [];
  const result: CompareResult = JSON.parse(readFileSync(RESULT, "utf8"));
  return [
    ...generatedFiles(result).map(({ path, text }) => ({ path, text: () => text })),
    { path: "README.md", text: (found) => withHeadline(found, result) },
  ];
}
