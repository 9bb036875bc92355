// Owns: the proof of the gateway for one application: servers, gateway and clients as processes,
// one step after the other, each judged.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import { freePort } from "../redis-servers.ts";
import { type Account, type App, sumOf } from "./app.ts";
import { Backend } from "./backends.ts";
import { cpuSeconds, type Front, memoryBytes } from "./front.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { NginxProcess } from "./nginx-process.ts";
import type { GatewayStage, GatewayStep } from "./steps.ts";
import type { WorkerCommands } from "./worker.ts";

export interface GatewayStepResult {
  readonly name: string;
  readonly title: string;
  readonly tookMs: number;
  readonly account: Omit<Account, "longestMs">;
  /** Of each client the longest time from a frame to its answer. */
  readonly longestMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Re-homings, by what caused them. */
  readonly moves: Readonly<Record<string, number>>;
  /** The gateway's processor time for each frame that passed, both ways, in microseconds. */
  readonly cpuMicrosPerFrame: number;
  readonly notes: readonly string[];
  readonly failures: readonly string[];
}

export interface GatewayResult {
  readonly app: string;
  readonly front: FrontName;
  /** Of what stands before the servers, for each client, beyond what it has without any. */
  readonly bytesPerClient: number;
  readonly title: string;
  readonly clients: number;
  readonly everyMs: number;
  readonly steps: readonly GatewayStepResult[];
}

export const FRONTS = { gateway: GatewayProcess, nginx: NginxProcess } as const;
export type FrontName = keyof typeof FRONTS;

export interface GatewayProofOptions {
  readonly app: App;
  readonly front: FrontName;
  readonly clients: number;
  readonly everyMs: number;
  readonly workers: number;
  readonly folder: string;
  readonly steps: readonly GatewayStep[];
  readonly onStep: (result: GatewayStepResult) => void;
}

const BACKENDS = 3;
/** As shells say it of a program that a signal ended. */
const INTERRUPTED = 130;
const START_MS = 120_000;
const SETTLE_MS = 2000;
/** For answers that are under way when a step ends. */
const WAIT_MS = 3000;
const HANDSHAKES = 500;
const DRAIN_MS = 10_000;
const CONNECTS_PER_SECOND = 200;
const PAUSE_ABOVE_STEADY_MS = 50;
const DEATH_MS = 1000;

export async function proveGateway(options: GatewayProofOptions): Promise<GatewayResult> {
  const { app, clients, everyMs, steps } = options;
  const bench = new Bench(options);
  const stop = () => void bench.close().then(() => process.exit(INTERRUPTED));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    await bench.start();
    const results: GatewayStepResult[] = [];
    for (const step of steps) {
      const result = await bench.step(step, results[0]);
      results.push(result);
      options.onStep(result);
    }
    const { front } = options;
    const { bytesPerClient } = bench;
    return {
      app: app.name,
      front,
      bytesPerClient,
      title: app.title,
      clients,
      everyMs,
      steps: results,
    };
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await bench.close();
  }
}

class Bench {
  readonly #options: GatewayProofOptions;
  readonly #workers: Helper<WorkerCommands>[] = [];
  readonly #backends: Backend[] = [];
  readonly #started: Backend[] = [];
  #front: Front | undefined;
  bytesPerClient = 0;

  constructor(options: GatewayProofOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { app, folder, clients, everyMs, workers } = this.#options;
    mkdirSync(folder, { recursive: true });
    for (let count = 0; count < BACKENDS; count++) this.#backends.push(await this.#startBackend());
    const front = await FRONTS[this.#options.front].start(
      {
        ...{ folder, app, port: await freePort(), adminPort: await freePort() },
        ...{ handshakesPerSecond: HANDSHAKES, drainMs: DRAIN_MS },
      },
      this.#backends.map(({ address }) => address),
    );
    this.#front = front;
    const { url } = front;
    const emptyBytes = memoryBytes(front.pids());
    for (let share = 0; share < workers; share++)
      this.#workers.push(new Helper(`load ${share}`, join(import.meta.dir, "worker.ts")));
    const each = Math.ceil(clients / workers);
    await this.#all((worker, share) =>
      worker.ask(
        "start",
        {
          ...{ app: app.name, url, everyMs, firstId: share * each },
          clients: Math.min(each, clients - share * each),
          connectsPerSecond: CONNECTS_PER_SECOND / workers,
        },
        START_MS,
      ),
    );
    this.bytesPerClient = Math.round((memoryBytes(front.pids()) - emptyBytes) / clients);
  }

  async step(step: GatewayStep, steady: GatewayStepResult | undefined): Promise<GatewayStepResult> {
    const front = this.#front as Front;
    const [cpuBefore, movesBefore] = [cpuSeconds(front.pids()), await front.moves()];
    const [notes, failures]: [string[], string[]] = [[], []];
    await this.#all((worker) => worker.ask("begin", undefined));
    const startedMs = performance.now();
    const stage: GatewayStage = {
      ...{ front, backends: this.#backends, note: (text) => void notes.push(text) },
      startBackend: (port) => this.#startBackend(port),
    };
    await step
      .run(stage)
      .catch((error: unknown) =>
        failures.push(error instanceof Error ? error.message : String(error)),
      );
    const tookMs = Math.round(performance.now() - startedMs);
    // So that everybody has talked at the end, too.
    await Bun.sleep(SETTLE_MS);
    const shares = await this.#all((worker) =>
      worker.ask("account", { waitMs: WAIT_MS }, WAIT_MS + START_MS),
    );
    const { longestMs: all, ...account } = sumOf(shares);
    const sorted = [...all].sort((a, b) => a - b);
    const at = (part: number): number =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0);
    const longestMs = { p50: at(0.5), p99: at(0.99), max: at(1) };
    const moves = Object.fromEntries(
      Object.entries(await front.moves())
        .map(([cause, count]): [string, number] => [cause, count - (movesBefore[cause] ?? 0)])
        .filter(([, count]) => count > 0),
    );
    const frames = account.sent + account.answered + account.pushed;
    const cpuMicrosPerFrame = ((cpuSeconds(front.pids()) - cpuBefore) * 1e6) / Math.max(1, frames);
    failures.push(
      ...wrongs(step, account, longestMs.p99 - (steady?.longestMs.p99 ?? 0), this.#options.app),
    );
    const { name, title } = step;
    return { name, title, tookMs, account, longestMs, moves, cpuMicrosPerFrame, notes, failures };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
    await this.#front?.end();
    for (const backend of this.#started) backend.signal("SIGKILL");
  }

  async #startBackend(port?: number): Promise<Backend> {
    const backend = await Backend.start(this.#options.app.server, port ?? (await freePort()));
    this.#started.push(backend);
    return backend;
  }

  #all<T>(
    ask: (worker: Helper<WorkerCommands>, share: number) => Promise<T>,
  ): Promise<readonly T[]> {
    return Promise.all(this.#workers.map(ask));
  }
}

/** What must not be, in words. */
function wrongs(
  { kind, aboveSteadyMsMax }: GatewayStep,
  account: Omit<Account, "longestMs">,
  aboveSteadyMs: number,
  { mayMissAnswersOfDead }: App,
): readonly string[] {
  const { unanswered, doubled, outOfOrder, pushesWrong, closes } = account;
  const closed = Object.values(closes).reduce((sum, count) => sum + count, 0);
  const mayMiss = kind === "death" && mayMissAnswersOfDead;
  const limitMs = aboveSteadyMsMax ?? (kind === "death" ? DEATH_MS : PAUSE_ABOVE_STEADY_MS);
  return [
    ...(unanswered > 0 && !mayMiss ? [`${unanswered} frames without an answer`] : []),
    ...(doubled > 0 ? [`${doubled} answers twice`] : []),
    ...(outOfOrder > 0 ? [`${outOfOrder} answers out of order`] : []),
    ...(pushesWrong > 0 && !mayMiss ? [`${pushesWrong} frames of servers missing or twice`] : []),
    ...(closed > 0 ? [`${closed} clients were closed: ${JSON.stringify(closes)}`] : []),
    ...(kind !== "steady" && aboveSteadyMs > limitMs
      ? [`longest pause p99 ${aboveSteadyMs} ms above steady, wanted at most ${limitMs} ms`]
      : []),
  ];
}
