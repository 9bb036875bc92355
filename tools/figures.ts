// Owns: figures in the documents that are measured: `2.6 <!-- measured: idleBytes kB -->` is filled
// in from docs/benchmarks/micro.json.
import { readFileSync } from "node:fs";

const RESULT = new URL("../docs/benchmarks/micro.json", import.meta.url);
/** A dot path of Holdfast's part of the result, and the unit it is shown in. */
const FIGURE = /[\d.,]+( <!-- measured: ([\w.]+)( kB)? -->)/g;
const SIGNIFICANT_DIGITS = 2;

/**
 * The text with every marked figure as the benchmark's median, to two digits. Throws for a figure
 * that the result does not have.
 */
export function withFigures(
  text: string,
  result: unknown = JSON.parse(readFileSync(RESULT, "utf8")).rivals.holdfast,
): string {
  return text.replaceAll(FIGURE, (_all, mark: string, path: string, kB: string | undefined) => {
    const median = medianAt(result, path);
    return `${Number((kB === undefined ? median : median / 1024).toPrecision(SIGNIFICANT_DIGITS))}${mark}`;
  });
}

function medianAt(result: unknown, path: string): number {
  const found = path
    .split(".")
    .reduce<unknown>(
      (value, key) => (value as Readonly<Record<string, unknown>> | undefined)?.[key],
      result,
    );
  const median = (found as { readonly median?: unknown } | undefined)?.median;
  if (typeof median !== "number")
    throw new Error(`Cannot fill in a figure: the benchmark's result has no ${path}`);
  return median;
}
