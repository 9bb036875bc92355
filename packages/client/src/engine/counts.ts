// Owns: the counts of what the application experienced, and what of them the node was not told yet.
import type { ExperienceCounts } from "@holdfast/protocol";

/** Counts since the client was made. Times in ms. */
export interface Stats extends ExperienceCounts {
  /**
   * How long delivery paused in the last resume or migration: from the loss of one connection to
   * being caught up on the next; 0 when they overlapped.
   */
  readonly deliveryPauseMsLast: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const zero = (): Mutable<ExperienceCounts> => ({
  reconnects: 0,
  migrations: 0,
  duplicates: 0,
  gaps: 0,
  lost: 0,
  undeclared: 0,
  resumeMsMax: 0,
});

/** Totals for the application and the differences for `report` frames. */
export class Counts {
  readonly total: Mutable<Stats> = { ...zero(), deliveryPauseMsLast: 0 };
  #since = zero();

  add(name: keyof Omit<ExperienceCounts, "resumeMsMax">, count = 1): void {
    this.total[name] += count;
    this.#since[name] += count;
  }

  /**
   * A connection was lost `lostMs` before the next one was caught up. The wire wants whole numbers.
   */
  resumed(lostMs: number): void {
    const ms = Math.round(lostMs);
    this.total.deliveryPauseMsLast = ms;
    this.total.resumeMsMax = Math.max(this.total.resumeMsMax, ms);
    this.#since.resumeMsMax = Math.max(this.#since.resumeMsMax, ms);
  }

  /** What changed since the last call, or undefined when nothing did. */
  takeReport(): ExperienceCounts | undefined {
    const since = this.#since;
    if (Object.values(since).every((value) => value === 0)) return undefined;
    this.#since = zero();
    return since;
  }
}
