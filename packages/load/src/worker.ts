// Owns: a worker process of a load run: its share of the connections, told what to do by its
// parent.
import { createSeededRandom } from "@holdfast/core";
import { Crew, type SentStreams } from "./connections.ts";
import type { PackedTimes } from "./histogram.ts";
import type { LoadPlan } from "./plan.ts";
import type { Counts, PhaseRecord, TimeKind } from "./recorder.ts";
import type { StreamTruth } from "./stream-check.ts";
import { Pump } from "./timer.ts";
import { answerCommands, type ChildEnd } from "./worker-process.ts";

export interface WorkerStart {
  readonly plan: LoadPlan;
  readonly run: number;
  readonly share: number;
  readonly of: number;
}

/** How a worker is doing since the last sample (times, lag) and since the start (the rest). */
export interface WorkerSample {
  readonly connected: number;
  readonly absent: number;
  readonly gaveUp: number;
  readonly counts: Counts;
  readonly errors: Readonly<Record<string, number>>;
  readonly interval: Readonly<Partial<Record<TimeKind, PackedTimes>>>;
  readonly cpu: { readonly userUs: number; readonly systemUs: number };
  readonly lagUs: number;
}

interface Running {
  readonly crew: Crew;
  readonly pump: Pump;
  readonly plan: LoadPlan;
}

/**
 * µs since the Unix epoch; `timeOrigin` has a better grain than `Date`, and processes of one
 * machine agree on it within µs.
 */
const originMs = performance.timeOrigin;
const nowUs = (): number => (originMs + performance.now()) * 1000;
const NONE: ReadonlySet<number> = new Set();

let running: Running | undefined;

function run(): Running {
  if (running === undefined)
    throw new RangeError("Cannot go on: found no connections, expected start first");
  return running;
}

const commands = {
  start({ plan, run, share, of }: WorkerStart): void {
    const random = createSeededRandom(plan.seed * 1_000 + share);
    const crew = new Crew({ plan, run, share, of, nowUs, random: () => random.next() });
    running = { crew, plan, pump: new Pump(crew, nowUs) };
  },
  begin({ place, startUs }: { readonly place: number; readonly startUs: number }): void {
    const phase = run().plan.phases[place];
    if (phase !== undefined) run().crew.begin(phase, startUs);
  },
  absent: (): number => run().crew.absent(),
  sample(): WorkerSample {
    const { crew, pump } = run();
    const { user, system } = process.cpuUsage();
    return {
      ...crew.recorder.totals(),
      connected: crew.connected(),
      absent: crew.absent(),
      gaveUp: crew.gaveUp(),
      interval: crew.recorder.takeInterval(),
      cpu: { userUs: user, systemUs: system },
      lagUs: pump.takeLagUsMax(),
    };
  },
  quiet(): void {
    run().crew.quiet();
  },
  sent: (): SentStreams => run().crew.sentStreams(),
  unanswered: (): number => run().crew.unanswered(),
  /** `sent` by stream; `excused` numbers of those that have some. */
  missing({
    sent,
    excused,
  }: {
    readonly sent: readonly number[];
    readonly excused: SentStreams["excused"];
  }): number {
    const sets = new Map(excused.map(([stream, numbers]) => [stream, new Set(numbers)]));
    return run().crew.missing(
      (stream): StreamTruth => ({ sent: sent[stream] ?? 0, excused: sets.get(stream) ?? NONE }),
    );
  },
  /** Everything recorded; connections leave. */
  finish(): readonly PhaseRecord[] {
    const { crew, pump } = run();
    pump.stop();
    const records = crew.recorder.records();
    crew.leave();
    return records;
  },
};
export type WorkerCommands = typeof commands;

/** Turns this process into a worker; it ends with its parent. */
export const workAsWorker = (child: ChildEnd): void => answerCommands(child, commands);

if (import.meta.main) workAsWorker(process);
