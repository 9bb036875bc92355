// Owns: what this page has of each window by each way, and what is missing, came twice or differs.
// Pure.

/** A window of one machine, as a channel or the table has it. */
export interface Window {
  readonly line: string;
  readonly machine: string;
  readonly fromMs: number;
  readonly mean: number;
  readonly most: number;
  readonly n: number;
}

export const WAYS = ["socket", "events", "table"] as const;
export type Way = (typeof WAYS)[number];

export interface Counts {
  readonly windows: number;
  /** Windows that came by another way, and for `GRACE_MS` not by this one. */
  readonly missing: number;
  readonly twice: number;
  /** Windows with other figures than by the way that was first. */
  readonly different: number;
}

/** Ways need not be equally fast: the table is read once a second. */
export const GRACE_MS = 5_000;
/** Windows that are compared. The oldest are counted for good. */
const KEPT_MAX = 20_000;

interface Kept {
  readonly closedMs: number;
  readonly firstMs: number;
  readonly figures: string;
  readonly times: Record<Way, number>;
  readonly different: Record<Way, number>;
}

const zero = (): Record<Way, number> => ({ socket: 0, events: 0, table: 0 });

export class Tally {
  readonly #kept = new Map<string, Kept>();
  readonly #closedBy: (window: Window) => number;
  readonly #keptMax: number;
  readonly #final = { windows: zero(), missing: zero(), twice: zero(), different: zero() };
  #sinceMs = Number.POSITIVE_INFINITY;
  #forgottenMs = 0;

  constructor(widthMs: number, keptMax = KEPT_MAX) {
    this.#closedBy = ({ fromMs }) => fromMs + widthMs;
    this.#keptMax = keptMax;
  }

  /** From now on everybody listens: windows that close later must come by every way. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  saw(way: Way, window: Window, atMs: number): void {
    const name = `${window.line} ${window.machine} ${window.fromMs}`;
    const figures = `${window.n} ${window.mean} ${window.most}`;
    let kept = this.#kept.get(name);
    if (kept === undefined) {
      if (this.#closedBy(window) <= Math.max(this.#sinceMs, this.#forgottenMs)) return;
      kept = {
        closedMs: this.#closedBy(window),
        firstMs: atMs,
        figures,
        times: zero(),
        different: zero(),
      };
      this.#kept.set(name, kept);
      if (this.#kept.size > this.#keptMax) this.#forgetOldest();
    }
    // A row that is read again is no second row: the table's key says so.
    kept.times[way] = way === "table" ? 1 : kept.times[way] + 1;
    if (kept.figures !== figures) kept.different[way] = 1;
  }

  counts(way: Way, nowMs: number): Counts {
    const sum = {
      windows: this.#final.windows[way],
      missing: this.#final.missing[way],
      twice: this.#final.twice[way],
      different: this.#final.different[way],
    };
    for (const kept of this.#kept.values()) add(sum, kept, { way, isDue: isDue(kept, nowMs) });
    return sum;
  }

  #forgetOldest(): void {
    const [oldest] = this.#kept;
    if (oldest === undefined) return;
    const [name, kept] = oldest;
    this.#kept.delete(name);
    // What is read again of it must not count as new.
    this.#forgottenMs = Math.max(this.#forgottenMs, kept.closedMs);
    for (const way of WAYS) {
      const sum = { windows: 0, missing: 0, twice: 0, different: 0 };
      add(sum, kept, { way, isDue: true });
      for (const figure of ["windows", "missing", "twice", "different"] as const)
        this.#final[figure][way] += sum[figure];
    }
  }
}

const isDue = ({ firstMs }: Kept, nowMs: number): boolean => nowMs - firstMs > GRACE_MS;

function add(
  sum: { windows: number; missing: number; twice: number; different: number },
  { times, different }: Kept,
  { way, isDue }: { readonly way: Way; readonly isDue: boolean },
): void {
  if (times[way] > 0) sum.windows += 1;
  else if (isDue) sum.missing += 1;
  if (times[way] > 1) sum.twice += 1;
  sum.different += different[way];
}
