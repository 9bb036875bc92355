// Owns: what several runs of one step on a real cluster had in common: the least and the most.
import type { ProofResult, StepResult, StepRun } from "../result.ts";
import { attemptsPerMove, movesPerSession, pauseAboveStayed, refusalShare } from "./judgement.ts";

/** Of one step; older ones are forgotten. */
const RUNS_MAX = 20;

/** The newer step with the runs of both. */
export function withRuns(newer: StepResult, kept: StepResult | undefined): StepResult {
  if (kept === undefined) return newer;
  return { ...newer, runs: [...runsOf(kept), ...runsOf(newer)].slice(-RUNS_MAX) };
}

const runsOf = (step: StepResult): readonly StepRun[] => step.runs ?? [runOf(step)];

function runOf(step: StepResult): StepRun {
  const attempts = attemptsPerMove(step);
  const steadyMs = step.operator?.steadyPauseMs;
  const pauseAboveStayedMs = pauseAboveStayed(step);
  return {
    movesPerSession: movesPerSession(step),
    ...(attempts === undefined ? {} : { attemptsPerMove: attempts }),
    refusalShare: refusalShare(step),
    ...(steadyMs === undefined ? {} : { pauseAboveSteadyMs: step.longestTransit.p99Ms - steadyMs }),
    ...(pauseAboveStayedMs === undefined ? {} : { pauseAboveStayedMs }),
    doneMs: step.doneMs,
    violations: Object.values(step.violations).reduce((sum, count) => sum + count, 0),
  };
}

const COLUMNS: readonly (readonly [head: string, cell: (run: StepRun) => string | undefined])[] = [
  ["moves per session", (run) => run.movesPerSession.toFixed(3)],
  ["attempts per move", (run) => run.attemptsPerMove?.toFixed(3)],
  ["refused on the way, %", (run) => (run.refusalShare * 100).toFixed(1)],
  [
    "pause p99 of those who move above those who stay, ms",
    (run) => run.pauseAboveStayedMs?.toFixed(0),
  ],
  ["pause p99 above steady, ms", (run) => run.pauseAboveSteadyMs?.toFixed(0)],
  ["done, s", (run) => (run.doneMs / 1000).toFixed(1)],
  ["lost, doubled, out of order, undeclared", (run) => String(run.violations)],
];

/** A table of the steps that ran more than once; empty if there are none. */
export function runsTable({ steps }: Pick<ProofResult, "steps">): readonly string[] {
  const several = steps.filter(({ runs = [] }) => runs.length > 1);
  if (several.length === 0) return [];
  const heads = ["step", "runs", ...COLUMNS.map(([head]) => head)];
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    row(heads),
    row(heads.map((_, place) => (place === 0 ? "---" : "---:"))),
    ...several.map(({ title, runs = [] }) =>
      row([title, String(runs.length), ...COLUMNS.map(([, cell]) => range(runs.map(cell)))]),
    ),
  ];
}

function range(values: readonly (string | undefined)[]): string {
  const known = values.filter((value) => value !== undefined).sort((a, b) => Number(a) - Number(b));
  const [least, most] = [known[0], known.at(-1)];
  if (least === undefined) return "–";
  return least === most ? least : `${least} to ${most}`;
}
