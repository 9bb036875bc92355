// Owns: the files that are made from a comparison's result: the page and its charts.
import { CHART_NAMES, chartOf, THEMES } from "./charts.ts";
import { compareDocument } from "./document.ts";
import type { CompareResult } from "./result.ts";

export interface GeneratedFile {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

export function generatedFiles(result: CompareResult): readonly GeneratedFile[] {
  const charts = CHART_NAMES.flatMap((name) =>
    THEMES.flatMap((theme): GeneratedFile[] => {
      const text = chartOf(result, name, theme);
      return text === undefined ? [] : [{ path: `docs/benchmarks/${name}-${theme}.svg`, text }];
    }),
  );
  return [{ path: "docs/benchmarks.md", text: compareDocument(result) }, ...charts];
}
