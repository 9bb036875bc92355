// Owns: the tables of docs/guide/capacity-planning.md, from the last validation that was kept.
import { readFileSync } from "node:fs";
import { type ValidationResult, withValidation } from "@holdfast/lab";

const RESULT = new URL("../docs/benchmarks/plan-validation.json", import.meta.url);

/** The text with the tables of the kept result. */
export function withPlanValidation(text: string): string {
  return withValidation(text, JSON.parse(readFileSync(RESULT, "utf8")) as ValidationResult);
}
