// Owns: a worker process of a load run: its share of the connections, told what to do by its
// parent.
import { createSeededRandom } from "@holdfast/core";
import { Connections, type SentStreams } from "./connections.ts";
import type { PackedTimes } from "./histogram.ts";
import type { LoadPlan } from "./plan.ts";
import type { Counts, PhaseRecord, TimeKind } from "./recorder.ts";
import type { StreamTruth } from "./stream-check.ts";
import { Timer } from "./timer.ts";
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
  readonly connections: Connections;
  readonly timer: Timer;
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
    throw new RangeError("Cannot continue: found no connections, expected start first");
  return running;
}

const commands = {
  start({ plan, run, share, of }: WorkerStart): void {
    const random = createSeededRandom(plan.seed * 1_000 + share);
    const connections = new Connections({
      plan,
      run,
      share,
      of,
      nowUs,
      random: () => random.next(),
    });
    running = { connections, plan, timer: new Timer(connections, nowUs) };
  },
  begin({ place, startUs }: { readonly place: number; readonly startUs: number }): void {
    const phase = run().plan.phases[place];
    if (phase !== undefined) run().connections.begin(phase, startUs);
  },
  absent: (): number => run().connections.absent(),
  sample(): WorkerSample {
    const { connections, timer } = run();
    const { user, system } = process.cpuUsage();
    return {
      ...connections.recorder.totals(),
      connected: connections.connected(),
      absent: connections.absent(),
      gaveUp: connections.gaveUp(),
      interval: connections.recorder.takeInterval(),
      cpu: { userUs: user, systemUs: system },
      lagUs: timer.takeLagUsMax(),
    };
  },
  quiet(): void {
    run().connections.quiet();
  },
  sent: (): SentStreams => run().connections.sentStreams(),
  unanswered: (): number => run().connections.unanswered(),
  /** `sent` by stream; `excused` numbers of those that have some. */
  missing({
    sent,
    excused,
  }: {
    readonly sent: readonly number[];
    readonly excused: SentStreams["excused"];
  }): number {
    const sets = new Map(excused.map(([stream, numbers]) => [stream, new Set(numbers)]));
    return run().connections.missing(
      (stream): StreamTruth => ({ sent: sent[stream] ?? 0, excused: sets.get(stream) ?? NONE }),
    );
  },
  /** Everything recorded; connections leave. */
  finish(): readonly PhaseRecord[] {
    const { connections, timer } = run();
    timer.stop();
    const records = connections.recorder.records();
    connections.leave();
    return records;
  },
};
export type WorkerCommands = typeof commands;

/** Turns this process into a worker; it ends with its parent. */
export const workAsWorker = (child: ChildEnd): void => answerCommands(child, commands);

if (import.meta.main) workAsWorker(process);
