// Owns: the table that the terminal shows.
import type { Quantiles } from "./figures.ts";
import { attemptsPerClient, type ProofResult, type StepResult } from "./result.ts";

export interface Column {
  readonly head: string;
  readonly cell: (step: StepResult) => string;
}

const count = (value: number): string => value.toLocaleString("en");
const ms = (value: number): string => Math.round(value).toLocaleString("en");

export const quantiles = ({ p50Ms, p99Ms, maxMs }: Quantiles): string =>
  `${ms(p50Ms)} / ${ms(p99Ms)} / ${ms(maxMs)}`;

/** One for each figure of a row; shared by the terminal, the page and the document. */
export const COLUMNS: readonly Column[] = [
  { head: "acknowledged", cell: ({ published }) => count(published.acknowledged) },
  { head: "delivered", cell: ({ delivered }) => count(delivered) },
  { head: "lost", cell: ({ violations }) => count(violations.lost) },
  { head: "duplicated", cell: ({ violations }) => count(violations.duplicated) },
  { head: "out of order", cell: ({ violations }) => count(violations.outOfOrder) },
  {
    head: "undeclared",
    cell: ({ violations }) => count(violations.undeclared + violations.unexpected),
  },
  { head: "gaps declared", cell: ({ gaps }) => count(gaps) },
  { head: "visible disconnects", cell: ({ visibleDisconnects }) => count(visibleDisconnects) },
  { head: "presence flickers", cell: ({ flickers }) => count(flickers) },
  { head: "delivery gap p50 / p99 / max, ms", cell: ({ longest }) => quantiles(longest) },
  {
    head: "of that behind the broker, ms",
    cell: ({ longestTransit, transits }) =>
      transits.count === 0 ? "–" : quantiles(longestTransit),
  },
  { head: "attempts per client", cell: (step) => attemptsPerClient(step)?.toFixed(2) ?? "–" },
  { head: "peak handshakes/s of a node", cell: ({ peakOfNode }) => count(peakOfNode) },
  { head: "done, s", cell: ({ doneMs }) => (doneMs / 1000).toFixed(1) },
];

/** A block of lines for one step, for terminals of any width. */
export function stepText(step: StepResult, handshakesPerSecond: number): string {
  const verdict = step.failures.length === 0 ? "ok    " : "FAILED";
  const { violations, longest, longestTransit } = step;
  const doubt =
    step.published.unknown > 0 ? `, ${count(step.published.unknown)} without an outcome` : "";
  const attempts = attemptsPerClient(step);
  const moved = attempts === undefined ? "nobody moved" : movesText(step, attempts);
  return [
    `${verdict} ${step.title} (${(step.doneMs / 1000).toFixed(1)} s)`,
    `         ${count(step.published.acknowledged)} acknowledged${doubt}; ${count(step.delivered)} delivered; lost ${violations.lost}, duplicated ${violations.duplicated}, out of order ${violations.outOfOrder}, undeclared ${violations.undeclared + violations.unexpected}, gaps declared ${step.gaps}`,
    `         delivery gap ${quantiles(longest)} ms (p50 / p99 / max of clients), of that behind the broker ${quantiles(longestTransit)}`,
    `         visible disconnects ${step.visibleDisconnects}, flickers ${step.flickers}; ${moved}; peak ${step.peakOfNode}/s at one node (A = ${handshakesPerSecond})`,
    ...step.notes.map((note) => `         ${note}`),
    ...step.failures.map((failure) => `         FAILED: ${failure}`),
  ].join("\n");
}

function movesText({ moves, movesMax, reconnects }: StepResult, attempts: number): string {
  return `${count(moves)} moves (at most ${movesMax} of one client), ${count(reconnects)} reconnects, ${attempts.toFixed(2)} attempts each`;
}

export function closingText({ steps, tookMs }: Pick<ProofResult, "steps" | "tookMs">): string {
  const failed = steps.filter(({ failures }) => failures.length > 0).length;
  const sum = (pick: (step: StepResult) => number) =>
    count(steps.reduce((total, step) => total + pick(step), 0));
  const what = `${sum((step) => step.published.acknowledged)} publications acknowledged, ${sum((step) => step.delivered)} delivered`;
  const lost = `${sum((step) => step.violations.lost)} lost, ${sum((step) => step.violations.duplicated)} duplicated`;
  const summary =
    failed === 0 ? `all ${steps.length} steps hold` : `${failed} of ${steps.length} steps failed`;
  return `${what}; ${lost}; ${summary} (${(tookMs / 1000).toFixed(0)} s)`;
}

/** Two servers' figures for the same steps, below each other. */
export function sideBySideText(
  own: Pick<ProofResult, "rival" | "steps">,
  other: Pick<ProofResult, "rival" | "steps">,
): string {
  const heads = ["step", "server", ...COLUMNS.map(({ head }) => head)];
  const rows = own.steps.flatMap((step) => {
    const theirs = other.steps.find(({ name }) => name === step.name);
    const row = (rival: string, of: StepResult) => [
      step.name,
      rival,
      ...COLUMNS.map(({ cell }) => cell(of)),
    ];
    return [row(own.rival, step), ...(theirs === undefined ? [] : [row(other.rival, theirs)])];
  });
  // Figures below each other need the width of a page: one line for each, the servers beside each
  // other.
  const names = rows.map(([step = "", rival = ""]) => `${step} ${rival}`);
  const wide = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length));
  const columns = rows.map((cells, place) => [names[place] ?? "", ...cells.slice(2)]);
  const labels = ["", ...heads.slice(2)];
  const label = wide(labels);
  const widths = columns.map(wide);
  return labels
    .map((text, line) =>
      [
        text.padEnd(label),
        ...columns.map((cells, place) => (cells[line] ?? "").padStart(widths[place] ?? 0)),
      ].join("  "),
    )
    .join("\n");
}
