// Owns: the figures of a step on a real cluster as people read them: in the terminal, in tables.
import { markdownTable } from "../report-table.ts";
import { COLUMNS, type Column, quantiles } from "../report-text.ts";
import type { ProofResult, StepResult } from "../result.ts";
import { verdictOf } from "../targets.ts";
import { attemptsPerMove, movesPerSession, operatorTargets, refusalShare } from "./judgement.ts";
import type { SetSample } from "./operator-figures.ts";

const seconds = (ms: number | undefined): string =>
  ms === undefined ? "–" : (ms / 1000).toFixed(1);
const range = (values: readonly number[]): string => {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (values.length === 0) return "–";
  return least === most ? String(least) : `${least} to ${most}`;
};

const OVER_HTTP: Column = {
  head: "of them over HTTP",
  cell: ({ published }) => published.overHttp?.toLocaleString("en") ?? "–",
};

/** Columns that only a cluster with the operator has. */
export const OPERATOR_COLUMNS: readonly Column[] = [
  { head: "moves per session", cell: (step) => movesPerSession(step).toFixed(2) },
  { head: "attempts per move", cell: (step) => attemptsPerMove(step)?.toFixed(2) ?? "–" },
  {
    head: "refused on the way",
    cell: (step) => `${(refusalShare(step) * 100).toFixed(1)} %`,
  },
  {
    head: "most people on the new revision",
    cell: ({ operator }) => `${Math.round(operator?.touchedPercent ?? 0)} %`,
  },
  { head: "verdict after, s", cell: ({ operator }) => seconds(operator?.verdictMs) },
  { head: "everyone back after, s", cell: ({ operator }) => seconds(operator?.backMs) },
  {
    head: "pods",
    cell: ({ operator }) => range((operator?.samples ?? []).map(({ pods }) => pods)),
  },
];

const PAUSES: readonly Column[] = [
  {
    head: "pause around a move p50 / p99 / max, ms",
    cell: ({ pauseOfMoved }) => (pauseOfMoved?.count ? quantiles(pauseOfMoved) : "–"),
  },
  {
    head: "of those who stayed then, ms",
    cell: ({ pauseOfStayed }) => (pauseOfStayed?.count ? quantiles(pauseOfStayed) : "–"),
  },
  {
    head: "processor time taken by the host",
    cell: ({ stolenPercent }) =>
      stolenPercent === undefined ? "–" : `${stolenPercent.toFixed(1)} %`,
  },
];

/** The lines of the terminal behind those of every proof. */
export function operatorText(step: StepResult): string {
  const cells = [OVER_HTTP, ...OPERATOR_COLUMNS, ...PAUSES].map(
    ({ head, cell }) => `${head} ${cell(step)}`,
  );
  const { because, samples = [] } = step.operator ?? {};
  return [
    `         ${cells.join("; ")}`,
    `         share of the new revision: ${shareText(samples)}`,
    ...(because === undefined ? [] : [`         rolled back: ${because}`]),
  ].join("\n");
}

/** Nothing between clients and pods counts the handshakes. */
const NOT_MEASURED = ["peak handshakes/s of a node", "attempts per client"];

const MEASURED: Column = {
  head: "measured",
  cell: ({ of }) =>
    of === undefined
      ? "–"
      : `${of.measuredAt.slice(5, 16).replace("T", " ")}, load ${of.loadBefore.toFixed(1)}`,
};

export const clusterTable = (result: Pick<ProofResult, "steps">): string =>
  markdownTable(result, [
    ...COLUMNS.filter(({ head }) => !NOT_MEASURED.includes(head)).toSpliced(1, 0, OVER_HTTP),
    ...OPERATOR_COLUMNS,
    ...PAUSES,
    MEASURED,
  ]);

/** Rows of a table. */
export const shareRows = ({ steps }: Pick<ProofResult, "steps">): readonly string[] =>
  steps.map(({ title, operator }) => `| ${title} | ${shareText(operator?.samples ?? [])} |`);

const SHOWN_MAX = 12;

/** The share over time, in at most a dozen places. */
export function shareText(samples: readonly SetSample[]): string {
  const some = samples.filter(({ release }) => release !== undefined);
  if (some.length === 0) return "no release";
  const every = Math.ceil(some.length / SHOWN_MAX);
  return some
    .filter((_, place) => place % every === 0)
    .map(
      ({ atMs, release }) =>
        `${Math.round(atMs / 1000)} s ${Math.round(release?.sharePercent ?? 0)} %`,
    )
    .join(", ");
}

/** Rows of a table of targets, of all steps that have some. */
export function targetRows({ steps }: Pick<ProofResult, "steps">): readonly string[] {
  return steps.flatMap((step) =>
    operatorTargets(step).map(
      (target) =>
        `| ${step.title} | ${target.what} | ${target.wanted} | ${target.found} | ${verdictOf(target)} |`,
    ),
  );
}
