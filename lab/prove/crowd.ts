// Owns: the clients of a proof in their load processes: how they begin, what they published, and
// their judgement of what came.
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import type { ShareOfStep } from "./figures.ts";
import { eventually } from "./prove-error.ts";
import type { Published } from "./publication.ts";
import type { WorkerCommands } from "./worker.ts";
import type { ClientSpec, WorkloadSize } from "./workload.ts";

/** For what is still on its way when publishing ended. */
const ARRIVE_MS = 15_000;
/** Publishes that wait for an outcome give up after 20 s. */
const PAUSE_MS = 30_000;
/** Connections that were cut are known to be cut after this. */
const NOTICE_MS = 300;
const START_MS = 120_000;
/** For thousands of clients that come or go. */
const IDLE_MS = 300_000;

export interface CrowdOptions {
  readonly size: WorkloadSize;
  readonly workers: number;
  readonly rival: string;
  /** Of all workers together. */
  readonly connectsPerSecond: number;
  readonly publishesPerSecond: number;
}

export class Crowd {
  readonly #options: CrowdOptions;
  readonly #workers: readonly Helper<WorkerCommands>[];

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.#workers = Array.from(
      { length: options.workers },
      (_, share) => new Helper(`load ${share}`, join(import.meta.dir, "worker.ts")),
    );
  }

  /** Resolves when every client has all its subscriptions. */
  async start(url: string): Promise<void> {
    const { size, rival, connectsPerSecond, publishesPerSecond } = this.#options;
    const of = this.#workers.length;
    await Promise.all(
      this.#workers.map((worker, share) =>
        worker.ask(
          "start",
          {
            ...{ size, rival, url, share, of },
            connectsPerSecond: connectsPerSecond / of,
            publishesPerSecond: publishesPerSecond / of,
          },
          START_MS,
        ),
      ),
    );
  }

  /** More clients, which are judged apart. */
  async add(specs: readonly ClientSpec[], url: string): Promise<void> {
    await this.#workers[0]?.ask("add", { specs, url });
  }

  /** More clients without subscriptions, so many a second of all workers together. */
  async addIdle(count: number, perSecond: number, url: string): Promise<void> {
    const of = this.#workers.length;
    const each = { count: Math.ceil(count / of), perSecond: perSecond / of, url };
    await this.#all((worker) => worker.ask("addIdle", each, IDLE_MS));
  }

  /** They leave, so many a second of all workers together. */
  async removeIdle(perSecond: number): Promise<void> {
    const each = { perSecond: perSecond / this.#workers.length };
    await this.#all((worker) => worker.ask("removeIdle", each, IDLE_MS));
  }

  /** A step begins at this time of the clock: publishing continues. */
  async begin(stepMs: number): Promise<void> {
    await this.#all((worker) => worker.ask("begin", { stepMs }));
  }

  /** Publishing ends; resolves with what was published since the step's beginning. */
  async pause(): Promise<readonly Published[]> {
    return (await this.#all((worker) => worker.ask("pause", undefined, PAUSE_MS))).flat();
  }

  /** Waits for what must still come, and judges. `published`: by anybody. */
  judge(published: readonly Published[], mayLoseData: boolean): Promise<readonly ShareOfStep[]> {
    return this.#all((worker) =>
      worker.ask("end", { published, mayLoseData, timeoutMs: ARRIVE_MS }, ARRIVE_MS * 4),
    );
  }

  /** Throws `not_in_time`. */
  async everyoneBack(timeoutMs: number): Promise<void> {
    await Bun.sleep(NOTICE_MS);
    await eventually(
      "every client is connected",
      async () =>
        (await this.#all((worker) => worker.ask("connected", undefined))).every(
          ({ connected, total }) => connected === total,
        ),
      { timeoutMs },
    );
  }

  /** The clients say goodbye. */
  async leave(): Promise<void> {
    await this.#all((worker) => worker.ask("close", undefined));
  }

  /** Ends the processes. */
  async end(): Promise<void> {
    await this.#all((worker) => worker.end());
  }

  #all<T>(task: (worker: Helper<WorkerCommands>) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#workers.map(task));
  }
}
