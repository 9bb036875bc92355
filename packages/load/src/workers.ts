// Owns: the worker processes of a run, from the parent's side: it sends all of them the same
// commands and merges their answers.

import { type PackedTimes, Times } from "./histogram.ts";
import { LoadError } from "./load-error.ts";
import type { LoadPlan } from "./plan.ts";
import {
  COUNT_KINDS,
  type Counts,
  noCounts,
  type PhaseRecord,
  TIME_KINDS,
  type TimeKind,
} from "./recorder.ts";
import { sum } from "./result.ts";
import type { WorkerCommands, WorkerSample } from "./worker.ts";
import { Helper } from "./worker-process.ts";

/** Command line of a program that calls `workAsWorker`. */
export type WorkerProgram = readonly [string, ...string[]];

/** All workers since the last sample (times, lag) and since the start (the rest). */
export interface ConnectionsSample {
  readonly connected: number;
  readonly absent: number;
  readonly gaveUp: number;
  readonly counts: Counts;
  readonly errors: number;
  /** Most frequent first, a few. */
  readonly errorNames: readonly (readonly [name: string, count: number])[];
  readonly interval: Readonly<Partial<Record<TimeKind, Times>>>;
  /** CPU of each worker so far, in µs. */
  readonly cpus: readonly { readonly userUs: number; readonly systemUs: number }[];
  readonly lagUs: number;
}

/** Building a large population, or reading all histograms, takes long. */
const LONG_MS = 120_000;
/**
 * Pause between two checks for messages that are on their way: for many clients a check is much
 * work for the workers.
 */
const NAP_MS_LEAST = 20;
const NAP_MS_MOST = 1_000;
const ERROR_NAMES_SHOWN = 5;

export class Workers {
  readonly #helpers: readonly Helper<WorkerCommands>[];

  private constructor(helpers: readonly Helper<WorkerCommands>[]) {
    this.#helpers = helpers;
  }

  static async start(plan: LoadPlan, run: number, program: WorkerProgram): Promise<Workers> {
    const helpers = Array.from(
      { length: plan.workers },
      (_, share) => new Helper<WorkerCommands>(`worker ${share + 1}`, program),
    );
    const workers = new Workers(helpers);
    try {
      await Promise.all(
        helpers.map((helper, share) =>
          helper.ask("start", { plan, run, share, of: plan.workers }, LONG_MS),
        ),
      );
      return workers;
    } catch (error) {
      await workers.end();
      throw new LoadError(
        "worker_failed",
        `Cannot run the load: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  async begin(place: number, startUs: number): Promise<void> {
    await Promise.all(
      this.#helpers.map((helper) => helper.ask("begin", { place, startUs }, LONG_MS)),
    );
  }

  async absent(): Promise<number> {
    return sum(
      await Promise.all(this.#helpers.map((helper) => helper.ask("absent", undefined))),
      (count) => count,
    );
  }

  async sample(): Promise<ConnectionsSample> {
    const samples = await Promise.all(
      this.#helpers.map((helper) => helper.ask("sample", undefined)),
    );
    return mergedSample(samples);
  }

  /**
   * Ends the load and waits for messages that are on their way. Answers how many publications did
   * not come and how many requests have no answer.
   */
  async settle(msMax: number): Promise<{ readonly lost: number; readonly unanswered: number }> {
    await Promise.all(this.#helpers.map((helper) => helper.ask("quiet", undefined)));
    const deadlineMs = performance.now() + msMax;
    for (let napMs = NAP_MS_LEAST; ; napMs = Math.min(NAP_MS_MOST, napMs * 2)) {
      const unanswered = sum(
        await Promise.all(this.#helpers.map((helper) => helper.ask("unanswered", undefined))),
        (count) => count,
      );
      const lost = await this.#missing();
      if ((lost === 0 && unanswered === 0) || performance.now() >= deadlineMs)
        return { lost, unanswered };
      await Bun.sleep(Math.max(1, Math.min(napMs, deadlineMs - performance.now())));
    }
  }

  async finish(): Promise<readonly (readonly PhaseRecord[])[]> {
    return Promise.all(this.#helpers.map((helper) => helper.ask("finish", undefined, LONG_MS)));
  }

  async end(): Promise<void> {
    await Promise.all(this.#helpers.map((helper) => helper.end()));
  }

  async #missing(): Promise<number> {
    const parts = await Promise.all(
      this.#helpers.map((helper) => helper.ask("sent", undefined, LONG_MS)),
    );
    const sent: number[] = [];
    for (const [stream, count] of parts.flatMap((part) => part.sent)) sent[stream] = count;
    const excused = parts.flatMap((part) => part.excused);
    return sum(
      await Promise.all(
        this.#helpers.map((helper) => helper.ask("missing", { sent, excused }, LONG_MS)),
      ),
      (count) => count,
    );
  }
}

function mergedSample(samples: readonly WorkerSample[]): ConnectionsSample {
  const counts = noCounts();
  const errors: Record<string, number> = {};
  const interval: Partial<Record<TimeKind, Times>> = {};
  for (const sample of samples) {
    for (const kind of COUNT_KINDS) counts[kind] += sample.counts[kind];
    for (const kind of TIME_KINDS) mergeInto(interval, kind, sample.interval[kind]);
    for (const [name, count] of Object.entries(sample.errors))
      errors[name] = (errors[name] ?? 0) + count;
  }
  return {
    counts,
    interval,
    connected: sum(samples, ({ connected }) => connected),
    absent: sum(samples, ({ absent }) => absent),
    gaveUp: sum(samples, ({ gaveUp }) => gaveUp),
    errors: sum(Object.values(errors), (count) => count),
    errorNames: Object.entries(errors)
      .sort(([, a], [, b]) => b - a)
      .slice(0, ERROR_NAMES_SHOWN),
    cpus: samples.map(({ cpu }) => cpu),
    lagUs: Math.max(...samples.map(({ lagUs }) => lagUs)),
  };
}

function mergeInto(
  all: Partial<Record<TimeKind, Times>>,
  kind: TimeKind,
  packed: PackedTimes | undefined,
): void {
  if (packed === undefined) return;
  const times = all[kind] ?? new Times(2);
  times.merge(packed);
  all[kind] = times;
}
