// Owns: how much processor time the host of a virtual machine gave to others (steal). Meanwhile
// every process of the machine stands still, whatever it does.
import { readFileSync } from "node:fs";

/** Columns of the first line of `/proc/stat`, in ticks; see proc_stat(5). */
const STEAL = 7;
const COLUMNS = 8;

/** `/proc/stat` at one moment. */
export class StolenTime {
  readonly #ticks = ticksNow();

  /** Percent of all processor time since then; 0 where the kernel does not tell. */
  percentSince(): number {
    return stolenPercent(this.#ticks, ticksNow());
  }
}

/** Of two readings, the older one first. */
export function stolenPercent(before: readonly number[], after: readonly number[]): number {
  const spent = after.map((ticks, column) => ticks - (before[column] ?? 0));
  const all = spent.reduce((sum, ticks) => sum + ticks, 0);
  return all === 0 ? 0 : ((spent[STEAL] ?? 0) / all) * 100;
}

export function ticksOf(stat: string): readonly number[] {
  const [, ...columns] = (stat.split("\n")[0] ?? "").trim().split(/\s+/);
  return columns.slice(0, COLUMNS).map(Number);
}

function ticksNow(): readonly number[] {
  try {
    return ticksOf(readFileSync("/proc/stat", "utf8"));
  } catch {
    return [];
  }
}
