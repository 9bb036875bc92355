// Owns: adding up what clients saw.
import type { Account } from "./app.ts";

export const NOTHING: Account = {
  ...{ sent: 0, answered: 0, told: 0, unanswered: 0, doubled: 0, outOfOrder: 0 },
  ...{
    pushed: 0,
    pushesWrong: 0,
    pushesTwice: 0,
    anew: 0,
    closes: {},
    longestMs: [],
    silentMs: [],
    missing: [],
  },
};

export function sumOf(accounts: readonly Account[]): Account {
  const sum = (of: (one: Account) => number): number =>
    accounts.reduce((all, one) => all + of(one), 0);
  const closes: Record<string, number> = {};
  for (const one of accounts)
    for (const [code, count] of Object.entries(one.closes))
      closes[code] = (closes[code] ?? 0) + count;
  return {
    sent: sum(({ sent }) => sent),
    answered: sum(({ answered }) => answered),
    told: sum(({ told }) => told),
    unanswered: sum(({ unanswered }) => unanswered),
    doubled: sum(({ doubled }) => doubled),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    pushed: sum(({ pushed }) => pushed),
    pushesWrong: sum(({ pushesWrong }) => pushesWrong),
    pushesTwice: sum(({ pushesTwice }) => pushesTwice),
    anew: sum(({ anew }) => anew),
    closes,
    longestMs: accounts.flatMap(({ longestMs }) => longestMs),
    silentMs: accounts.flatMap(({ silentMs }) => silentMs),
    missing: accounts.flatMap(({ missing }) => missing),
  };
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** A figure that was measured several times. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return { median, least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0 };
}
