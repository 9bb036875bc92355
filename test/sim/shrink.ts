// Owns: finding the few faults of a failing seed that are enough to make it fail.
import { type RunOptions, type RunResult, runSeed } from "@holdfast/testkit/sim";

const RUNS_MAX = 60;

/**
 * Leaves out one fault after the other as long as the same rule stays broken; the indices of those
 * that are left. At most 60 runs.
 */
export function shrink(failing: RunResult, options: RunOptions): readonly number[] {
  const rule = failing.violations[0]?.rule;
  let kept = failing.plan.faults.map((_, index) => index);
  let runs = 0;
  const fails = (only: readonly number[]): boolean => {
    runs += 1;
    return runSeed(failing.seed, { ...options, only, trace: undefined }).violations.some(
      (violation) => violation.rule === rule,
    );
  };
  if (fails([])) return [];
  for (let index = kept.length - 1; index >= 0 && runs < RUNS_MAX; index--) {
    const without = kept.filter((_, place) => place !== index);
    if (fails(without)) kept = without;
  }
  return kept;
}
