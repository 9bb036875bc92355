// Owns: the oracle: what the windows must be, computed from the log of acknowledged events alone,
// and how what every reader got compares with that. It shares no code with the pipelines.
import type { Ack } from "./ack-log.ts";
import { deviceName, kindOf, markOf, saidMs, saidValue } from "./events.ts";
import type { Arrival, Beside, WindowRow } from "./watchers.ts";

export interface OracleRules {
  readonly seed: number;
  readonly windowMs: number;
  readonly latenessMs: number;
}

/** A step in time; an event belongs to the step in which its device made it. */
export interface Span {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The broker cannot know whether something is missing, and says so. */
  readonly mayTellGaps?: boolean | undefined;
}

/** What readers got. */
export interface Got {
  readonly socket: readonly Arrival[];
  readonly events: readonly Arrival[];
  readonly kafka: readonly Arrival[];
  readonly table: readonly Arrival[];
  readonly late: readonly Beside[];
  readonly dead: readonly Beside[];
  /** When a reader was told that something may be missing. */
  readonly gapsAtMs: readonly number[];
}

/** Each gets a window once; Kafka may get it again. */
export const READERS = ["socket", "events", "kafka", "table"] as const;
export type Reader = (typeof READERS)[number];

/** One step's account. */
export interface StepAccount {
  readonly acknowledged: number;
  /** Of these: taken by windows, late, dead. Each event is in one of them. */
  readonly inWindows: number;
  readonly late: number;
  /** Late ones that devices had not made late: a fault kept them for longer than the lateness. */
  readonly lateByFault: number;
  readonly dead: number;
  readonly windows: number;
  readonly kafkaAgain: number;
  /** Told to readers and in dead letters. */
  readonly gaps: number;
  /** From the first moment at which a window could close to its result, in ms, by that moment. */
  readonly delaysMs: Readonly<Record<Reader, readonly number[]>>;
  readonly failures: readonly string[];
}

interface Expected {
  readonly device: string;
  readonly at: number;
  events: number;
  total: number;
  least: number;
  most: number;
  marks: number;
}

interface Counts {
  acknowledged: number;
  inWindows: number;
  late: number;
  lateByFault: number;
  dead: number;
  windows: number;
  kafkaAgain: number;
  gaps: number;
  readonly delaysMs: Record<Reader, number[]>;
  /** What is wrong, with how often and an example. */
  readonly wrongs: Map<string, { count: number; readonly example: string }>;
}

/** By step; `""`: of no step, which must have nothing. */
export function judge(
  acks: Iterable<Ack>,
  got: Got,
  { spans, seed, windowMs, latenessMs }: OracleRules & { readonly spans: readonly Span[] },
): ReadonlyMap<string, StepAccount> {
  const steps = new Map<string, Counts>();
  const spanAt = (timeMs: number): Span | undefined =>
    spans.find(({ fromMs, toMs }) => timeMs >= fromMs && timeMs < toMs);
  const declares = (timeMs: number): boolean => spanAt(timeMs)?.mayTellGaps === true;
  const at = (timeMs: number): Counts => {
    const name = spanAt(timeMs)?.name ?? "";
    const known = steps.get(name);
    if (known !== undefined) return known;
    const fresh = noCounts();
    steps.set(name, fresh);
    return fresh;
  };
  const late = new Fates(got.late);
  const dead = new Fates(got.dead);
  const expected = new Map<string, Expected>();
  for (const { device, n, madeMs, isDirect } of acks) {
    if (isDirect) continue;
    const counts = at(madeMs);
    const mark = markOf(seed, device, n);
    const name = deviceName(device);
    const [isLate, isDead] = [late.take(name, n), dead.take(name, n)];
    const kind = kindOf(mark);
    const told = (what: string): void => wrong(counts, what, `${name} ${n}`);
    counts.acknowledged += 1;
    if (isLate > 1) told("events late twice");
    if (isDead > 1) told("events dead twice");
    if (isLate > 0 && isDead > 0) told("events late and dead");
    if (kind === "broken" && isDead === 0) told("events that must be dead letters are none");
    if (kind !== "broken" && isDead > 0) told("events are dead letters for no reason");
    if (isDead > 0) counts.dead += 1;
    else if (isLate > 0) {
      counts.late += 1;
      if (kind !== "old") counts.lateByFault += 1;
    } else {
      counts.inWindows += 1;
      if (kind !== "broken") addTo(expected, name, saidMs(mark, madeMs), saidValue(mark), mark);
    }
  }
  const nowhere = at(Number.NaN);
  for (const text of late.left()) wrong(nowhere, "late events that nobody acknowledged", text);
  for (const text of dead.left()) wrong(nowhere, "dead letters that nobody acknowledged", text);
  for (const { at: fromMs } of expected.values()) at(fromMs).windows += 1;
  for (const atMs of got.gapsAtMs) {
    const counts = at(atMs);
    counts.gaps += 1;
    if (!declares(atMs)) wrong(counts, "gaps told", new Date(atMs).toISOString());
  }
  for (const reader of READERS) compare(reader);
  return new Map([...steps].map(([name, counts]) => [name, accountOf(counts)]));

  function addTo(
    all: Map<string, Expected>,
    device: string,
    timeMs: number,
    value: number,
    mark: number,
  ): void {
    const fromMs = Math.floor(timeMs / windowMs) * windowMs;
    const key = `${device} ${fromMs}`;
    const one = all.get(key);
    if (one === undefined) {
      const fresh = { device, at: fromMs, events: 1, total: value, marks: mark };
      all.set(key, { ...fresh, least: value, most: value });
      return;
    }
    one.events += 1;
    one.total += value;
    one.marks += mark;
    one.least = Math.min(one.least, value);
    one.most = Math.max(one.most, value);
  }

  function compare(reader: Reader): void {
    const seen = new Map<string, number>();
    for (const { row, atMs } of got[reader]) {
      const key = `${row.device} ${row.at}`;
      const counts = at(row.at);
      const times = (seen.get(key) ?? 0) + 1;
      seen.set(key, times);
      const wanted = expected.get(key);
      if (wanted === undefined) wrong(counts, `${reader}: windows that must not be`, key);
      else if (!isEqual(row, wanted))
        wrong(counts, `${reader}: windows that differ`, `${text(row)}, expected ${text(wanted)}`);
      if (times > 1) {
        if (reader === "kafka") counts.kafkaAgain += 1;
        else wrong(counts, `${reader}: windows twice`, key);
      } else {
        // What happens when it could close is what delays it.
        const dueMs = row.at + windowMs + latenessMs;
        at(dueMs).delaysMs[reader].push(atMs - dueMs);
      }
    }
    for (const [key, { at: fromMs }] of expected)
      if (!seen.has(key)) wrong(at(fromMs), `${reader}: windows missing`, key);
  }
}

/** Events that were told beside the results, by device and number. */
class Fates {
  readonly #counts = new Map<string, number>();

  constructor(all: readonly Beside[]) {
    for (const { device, n } of all) {
      const key = `${device} ${n}`;
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  /** How often it is there; afterwards it is not. */
  take(device: string, n: number): number {
    const key = `${device} ${n}`;
    const count = this.#counts.get(key) ?? 0;
    this.#counts.delete(key);
    return count;
  }

  left(): readonly string[] {
    return [...this.#counts.keys()];
  }
}

/** What the pipeline without a window must give for an acknowledged event; undefined: nothing. */
export function directResult(
  { device, n, madeMs }: Ack,
  seed: number,
): { readonly key: string; readonly at: number; readonly value: number } | undefined {
  const mark = markOf(seed, device, n);
  if (kindOf(mark) === "broken") return undefined;
  return {
    key: `${deviceName(device)} ${n}`,
    at: saidMs(mark, madeMs),
    value: saidValue(mark) * 2,
  };
}

const isEqual = (row: WindowRow, wanted: Expected): boolean =>
  row.events === wanted.events &&
  row.total === wanted.total &&
  row.least === wanted.least &&
  row.most === wanted.most &&
  row.marks === wanted.marks;

const text = ({ device, at, events, total, marks }: Expected): string =>
  `${device} ${at}: ${events} events, total ${total}, marks ${marks}`;

function wrong({ wrongs }: Counts, what: string, example: string): void {
  const known = wrongs.get(what);
  if (known === undefined) wrongs.set(what, { count: 1, example });
  else known.count += 1;
}

const noCounts = (): Counts => ({
  ...{ acknowledged: 0, inWindows: 0, late: 0, lateByFault: 0, dead: 0, windows: 0 },
  ...{ kafkaAgain: 0, gaps: 0 },
  delaysMs: { socket: [], events: [], kafka: [], table: [] },
  wrongs: new Map(),
});

function accountOf({ wrongs, ...counts }: Counts): StepAccount {
  const failures = [...wrongs].map(
    ([what, { count, example }]) => `${count} ${what}, such as ${example}`,
  );
  return { ...counts, failures };
}
