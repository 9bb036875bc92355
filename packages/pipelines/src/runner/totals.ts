// Owns: what this node has counted for a pipeline, whatever partitions came and went.
import type { Account } from "../engine/engine.ts";
import { type DeadReason, type Fates, noFates } from "../engine/run.ts";

/** Counts of one pipeline on this node since it started. */
export interface Totals {
  readonly events: Fates;
  readonly results: Fates;
  readonly told: { partlyLate: number; forgotten: number; lost: number; gaps: number };
  readonly deadBy: Partial<Record<DeadReason, number>>;
}

export const noTotals = (): Totals => ({
  events: noFates(),
  results: noFates(),
  told: { partlyLate: 0, forgotten: 0, lost: 0, gaps: 0 },
  deadBy: {},
});

export const copyTotals = ({ events, results, told, deadBy }: Totals): Totals => ({
  events: { ...events },
  results: { ...results },
  told: { ...told },
  deadBy: { ...deadBy },
});

/** Adds what was counted between two accounts of one partition. */
export function addAccount(totals: Totals, before: Account, after: Account): void {
  add(totals.events, before.events, after.events);
  add(totals.results, before.results, after.results);
  add(totals.told, before.told, after.told);
  add(totals.deadBy, before.deadBy, after.deadBy);
}

function add(
  totals: { [name: string]: number | undefined } | object,
  before: object,
  after: object,
): void {
  const sums = totals as Record<string, number | undefined>;
  const earlier = before as Record<string, number | undefined>;
  for (const [name, value] of Object.entries(after as Record<string, number>))
    sums[name] = (sums[name] ?? 0) + value - (earlier[name] ?? 0);
}
