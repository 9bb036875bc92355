// Owns: what one worker counts and times, phase by phase, and its report. Times: µs.
import { type PackedTimes, Times } from "./histogram.ts";

export const TIME_KINDS = [
  "delivery",
  "acknowledgement",
  "ping",
  "handshake",
  "recovery",
  "lateness",
] as const;
/**
 * What is timed: `delivery` from the intended publish to each arrival, `acknowledgement` from it to
 * its answer, `ping` a round trip from its intended moment, `handshake` from the intended opening
 * to the end of the handshake, `recovery` from losing a connection to having caught up (without the
 * time for which the plan kept it away), `lateness` how late the generator itself was.
 */
export type TimeKind = (typeof TIME_KINDS)[number];

export const COUNT_KINDS = [
  "attempts",
  "handshakes",
  "lostConnections",
  "recovered",
  "sent",
  "unsent",
  "acknowledged",
  "pings",
  "pongs",
  "delivered",
  "duplicated",
  "outOfOrder",
  "foreign",
  "gaps",
  "gapPublications",
] as const;
/**
 * `unsent`: the time to send it came while there was no connection. `foreign`: marks of other runs,
 * or messages without one. `gaps`: declared by the server.
 */
export type CountKind = (typeof COUNT_KINDS)[number];
export type Counts = Readonly<Record<CountKind, number>>;

/** What one worker, or all of them, recorded of a phase. */
export interface PhaseRecord {
  readonly times: Readonly<Partial<Record<TimeKind, PackedTimes>>>;
  readonly counts: Counts;
  /** Errors by name. */
  readonly errors: Readonly<Record<string, number>>;
}

const ERROR_NAMES_MAX = 100;

export const noCounts = (): Record<CountKind, number> => ({
  attempts: 0,
  handshakes: 0,
  lostConnections: 0,
  recovered: 0,
  sent: 0,
  unsent: 0,
  acknowledged: 0,
  pings: 0,
  pongs: 0,
  delivered: 0,
  duplicated: 0,
  outOfOrder: 0,
  foreign: 0,
  gaps: 0,
  gapPublications: 0,
});

interface Page {
  readonly startUs: number;
  readonly times: Partial<Record<TimeKind, Times>>;
  readonly counts: Record<CountKind, number>;
  readonly errors: Record<string, number>;
}

export class Recorder {
  readonly #pages: Page[] = [];
  /** Since the last sample, for the chart over time. */
  #interval: Partial<Record<TimeKind, Times>> = {};
  #page: Page = pageFrom(0);

  /** From now on everything belongs to the next phase. */
  turn(startUs: number): void {
    this.#page = pageFrom(startUs);
    this.#pages.push(this.#page);
  }

  count(kind: CountKind, by = 1): void {
    this.#page.counts[kind] += by;
  }

  /** A time and its count, in the phase in which it was intended. */
  time(
    kind: TimeKind,
    us: number,
    intended: { readonly atUs: number; readonly counts?: CountKind },
  ): void {
    const page = intended.atUs >= this.#page.startUs ? this.#page : this.#pageAt(intended.atUs);
    timesOf(page.times, kind, 3).record(us);
    if (kind !== "lateness") timesOf(this.#interval, kind, 2).record(us);
    if (intended.counts !== undefined) page.counts[intended.counts]++;
  }

  error(name: string): void {
    const { errors } = this.#page;
    const known = errors[name];
    if (known === undefined && Object.keys(errors).length >= ERROR_NAMES_MAX)
      errors.other = (errors.other ?? 0) + 1;
    else errors[name] = (known ?? 0) + 1;
  }

  records(): PhaseRecord[] {
    return this.#pages.map(({ times, counts, errors }) => ({
      times: packedOf(times),
      counts,
      errors,
    }));
  }

  /** Sums over all phases. */
  totals(): { readonly counts: Counts; readonly errors: Readonly<Record<string, number>> } {
    const counts = noCounts();
    const errors: Record<string, number> = {};
    for (const page of this.#pages) {
      for (const kind of COUNT_KINDS) counts[kind] += page.counts[kind];
      for (const [name, count] of Object.entries(page.errors))
        errors[name] = (errors[name] ?? 0) + count;
    }
    return { counts, errors };
  }

  /** Times since the last call. */
  takeInterval(): Readonly<Partial<Record<TimeKind, PackedTimes>>> {
    const packed = packedOf(this.#interval);
    for (const times of Object.values(this.#interval)) times.reset();
    return packed;
  }

  #pageAt(us: number): Page {
    for (let at = this.#pages.length - 1; at > 0; at--) {
      const page = this.#pages[at];
      if (page !== undefined && us >= page.startUs) return page;
    }
    return this.#pages[0] ?? this.#page;
  }
}

const pageFrom = (startUs: number): Page => ({
  startUs,
  times: {},
  counts: noCounts(),
  errors: {},
});

function timesOf(all: Partial<Record<TimeKind, Times>>, kind: TimeKind, digits: 2 | 3): Times {
  const known = all[kind];
  if (known !== undefined) return known;
  const times = new Times(digits);
  all[kind] = times;
  return times;
}

function packedOf(all: Partial<Record<TimeKind, Times>>): Partial<Record<TimeKind, PackedTimes>> {
  const packed: Partial<Record<TimeKind, PackedTimes>> = {};
  for (const kind of TIME_KINDS) {
    const times = all[kind];
    if (times !== undefined && times.count > 0) packed[kind] = times.packed();
  }
  return packed;
}
