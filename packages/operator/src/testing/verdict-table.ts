// Owns: the table of docs/design/operator.md that says how many connection-minutes a verdict takes.
import { SIGNALS, type Signal } from "../analysis/tally.ts";
import { type Felt, felt, type Outcome, type Rates } from "./felt.ts";

/** What a good revision suffers on an ordinary day. */
export const USUAL: Rates = {
  crashes: 0.0001,
  lost: 0.0005,
  slow: 0.01,
  resumesFailed: 0.01,
  closedAbnormally: 0.004,
};

/** How much worse a bad canary is, from the least that counts as bad on. */
export const WORSE: Readonly<Record<Signal, readonly number[]>> = {
  crashes: [0.005, 0.02, 0.05],
  lost: [0.01, 0.05, 0.2],
  slow: [0.05, 0.2, 0.5],
  resumesFailed: [0.1, 0.2, 0.5],
  closedAbnormally: [0.01, 0.05, 0.2],
};

export const RULES = {
  connectionMinutesMin: 200,
  connectionMinutesMax: 50_000,
  waitMsMax: 3_600_000,
} as const;

/** A canary with a tenth of 2,000 connections. */
export const CANARY: Felt = {
  canary: 200,
  stable: 1800,
  usual: USUAL,
  worse: {},
  rules: RULES,
};

export interface Row {
  readonly what: string;
  readonly isBad: boolean;
  readonly outcomes: readonly Outcome[];
}

/** One row for a good canary and one for each way of being bad, with so many releases each. */
export function rowsOf(releases: number): readonly Row[] {
  const run = (plan: Felt): readonly Outcome[] =>
    Array.from({ length: releases }, (_, seed) => felt(seed, plan));
  return [
    { what: "nothing is worse", isBad: false, outcomes: run(CANARY) },
    ...SIGNALS.flatMap((signal) =>
      WORSE[signal].map((more) => ({
        what: `\`${signal}\` + ${more * 100} %`,
        isBad: true,
        outcomes: run({ ...CANARY, worse: { [signal]: more } }),
      })),
    ),
  ];
}

/** The rows as Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, isBad, outcomes }) => {
    const minutes = outcomes.map((one) => one.minutes).sort((a, b) => a - b);
    const at = (part: number): string =>
      String(Math.round(minutes[Math.floor(part * (minutes.length - 1))] ?? 0));
    const right = outcomes.filter(({ outcome }) => (outcome === "bad") === isBad).length;
    const verdict = isBad ? "bad" : "good";
    return `| ${what} | ${verdict} | ${right} of ${outcomes.length} | ${at(0.5)} | ${at(0.95)} |`;
  });
  return [
    "| the canary against stable | verdict | right | median | 95 % |",
    "| --- | --- | --- | --- | --- |",
    ...lines,
  ].join("\n");
}
