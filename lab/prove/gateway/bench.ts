// Owns: one application's servers, what stands before them, and its clients, all as processes; and
// one step with them.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import { ProveError } from "../prove-error.ts";
import { freePort } from "../redis-servers.ts";
import { StolenTime } from "../stolen-time.ts";
import { quantiles, type Spread, spread, sumOf } from "./account.ts";
import type { App, DocumentState, Surroundings } from "./app.ts";
import { Backend } from "./backends.ts";
import { cpuSeconds, type Front } from "./front.ts";
import { FRONTS, type FrontName } from "./fronts/fronts.ts";
import { type Documents, judged } from "./judge.ts";
import { Ledger } from "./ledger.ts";
import type { GatewayStepResult } from "./result.ts";
import type { GatewayStage, GatewayStep } from "./steps/step.ts";
import type { WorkerCommands } from "./worker.ts";

export interface BenchOptions {
  readonly app: App;
  readonly front: FrontName;
  readonly clients: number;
  readonly everyMs: number;
  readonly workers: number;
  readonly folder: string;
  /** Steps last so much of their full time. */
  readonly pace: number;
}

const BACKENDS = 3;
const START_MS = 120_000;
/** A step that takes longer has failed, and so has the whole run. */
const STEP_MS = 90_000;
const SETTLE_MS = 2000;
/** For answers that are under way when a step ends. */
const WAIT_MS = 3000;
const HANDSHAKES = 500;
const DRAIN_MS = 10_000;
const CONNECTS_PER_SECOND = 200;
const SAMPLE_MS = 1000;
/** Within which documents become equal once nobody writes any more. */
const CONVERGED_MS = 5000;
const LOOK_MS = 100;

interface Sample {
  readonly atMs: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
}

export class Bench {
  readonly #options: BenchOptions;
  readonly #workers: Helper<WorkerCommands>[] = [];
  readonly #backends: Backend[] = [];
  readonly #started: Backend[] = [];
  readonly #ledger: Ledger;
  #surroundings: Surroundings = { env: {}, end: async () => {} };
  #front: Front | undefined;
  #emptyBytes = 0;
  #folders = 0;
  /** Of what stands before the servers, for each client, in the steady step. */
  bytesPerClient: Spread = spread([]);
  cpuMicrosPerFrame: Spread = spread([]);

  constructor(options: BenchOptions) {
    this.#options = options;
    rmSync(options.folder, { recursive: true, force: true });
    mkdirSync(options.folder, { recursive: true });
    this.#ledger = new Ledger(join(options.folder, "ledger"));
  }

  async start(): Promise<void> {
    const { app, folder, clients, everyMs, workers } = this.#options;
    if (app.surroundings !== undefined)
      this.#surroundings = await app.surroundings(join(folder, "surroundings"));
    for (let count = 0; count < BACKENDS; count++) this.#backends.push(await this.#startBackend());
    const front: Front = await FRONTS[this.#options.front](
      {
        ...{ folder: join(folder, "front"), app },
        ...{ port: await freePort(), adminPort: await freePort() },
        ...{ handshakesPerSecond: HANDSHAKES, drainMs: DRAIN_MS },
      },
      this.#backends.map(({ address }) => address),
    );
    this.#front = front;
    const { url } = front;
    this.#emptyBytes = front.memoryBytes();
    for (let share = 0; share < workers; share++)
      this.#workers.push(new Helper(`load ${share}`, join(import.meta.dir, "worker.ts")));
    const each = Math.ceil(clients / workers);
    await this.#all((worker, share) =>
      worker.ask(
        "start",
        {
          ...{ app: app.name, url, everyMs, firstId: share * each },
          clients: Math.max(0, Math.min(each, clients - share * each)),
          connectsPerSecond: CONNECTS_PER_SECOND / workers,
        },
        START_MS,
      ),
    );
  }

  /** `stillP99Ms`: the longest answer while nobody moved; 0 in the first step. */
  async step(step: GatewayStep, stillP99Ms: number): Promise<GatewayStepResult> {
    const front = this.#front as Front;
    const { app, pace, front: name } = this.#options;
    const [cpuBefore, movesBefore] = [cpuSeconds(front.pids()), await front.moves()];
    const told = { notes: [] as string[], failures: [] as string[] };
    this.#ledger.taken([]);
    await this.#all((worker) => worker.ask("begin", undefined));
    const stolen = new StolenTime();
    const startedMs = performance.now();
    const samples: Sample[] = [];
    const sampler = setInterval(
      () => samples.push(this.#sample(front)),
      SAMPLE_MS * this.#options.pace,
    );
    await this.#run(step, told);
    const tookMs = Math.round(performance.now() - startedMs);
    const stolenPercent = stolen.percentSince();
    clearInterval(sampler);
    // So that everybody has talked at the end, too.
    await Bun.sleep(SETTLE_MS * pace);
    const shares = await this.#all((worker) =>
      worker.ask("account", { waitMs: WAIT_MS }, WAIT_MS + START_MS),
    );
    const account = sumOf(shares);
    const documents = await this.#documents();
    const taken = this.#ledger.taken(account.missing);
    const longestMs = quantiles(account.longestMs);
    const frames = account.sent + account.answered + account.pushed;
    if (stillP99Ms === 0) this.#measured(samples, frames / (tookMs + SETTLE_MS * pace));
    const aboveSteadyMs = longestMs.p99 - (stillP99Ms === 0 ? longestMs.p99 : stillP99Ms);
    // A profile declares what may be missing; other proxies have none.
    const holes = name === "gateway" ? app.declared : [];
    const { failures, declared } = judged(step, holes, {
      account,
      aboveSteadyMs,
      taken,
      documents,
    });
    const { longestMs: _, silentMs, missing, ...counts } = account;
    const cpu = cpuSeconds(front.pids()) - cpuBefore;
    return {
      ...{ name: step.name, title: step.title, kind: step.kind, tookMs, account: counts },
      ...{ longestMs, silentMs: quantiles(silentMs), aboveSteadyMs, stolenPercent, declared },
      ...{ moves: differences(await front.moves(), movesBefore), notes: told.notes },
      // A process that was restarted counts from 0.
      cpuMicrosPerFrame: cpu < 0 ? 0 : (cpu * 1e6) / Math.max(1, frames),
      failures: [...told.failures, ...failures],
      ...(taken === undefined ? {} : { taken }),
      ...(documents === undefined ? {} : { documents }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
    await this.#front?.end();
    for (const backend of this.#started) backend.signal("SIGKILL");
    await Promise.all(this.#started.map((backend) => backend.ended()));
    await this.#surroundings.end();
  }

  async #run(
    step: GatewayStep,
    told: { readonly notes: string[]; readonly failures: string[] },
  ): Promise<void> {
    const stage: GatewayStage = {
      ...{ front: this.#front as Front, backends: this.#backends, pace: this.#options.pace },
      startBackend: (port) => this.#startBackend(port),
      note: (text) => void told.notes.push(text),
      fail: (text) => void told.failures.push(text),
    };
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        late.reject(new ProveError("not_in_time", `${step.name} took longer than ${STEP_MS} ms`)),
      STEP_MS,
    );
    const run = step.run(stage).catch((error: unknown) => {
      told.failures.push(error instanceof Error ? error.message : String(error));
    });
    await Promise.race([run, late.promise]).finally(() => clearTimeout(timer));
  }

  #sample(front: Front): Sample {
    const atMs = performance.now();
    return { atMs, cpuSeconds: cpuSeconds(front.pids()), bytes: front.memoryBytes() };
  }

  #measured(samples: readonly Sample[], framesPerMs: number): void {
    const { clients } = this.#options;
    this.bytesPerClient = spread(
      samples.map(({ bytes }) => Math.round((bytes - this.#emptyBytes) / clients)),
    );
    const micros = samples.slice(1).map((sample, place) => {
      const before = samples[place] ?? sample;
      const frames = Math.max(1, (sample.atMs - before.atMs) * framesPerMs);
      return ((sample.cpuSeconds - before.cpuSeconds) * 1e6) / frames;
    });
    this.cpuMicrosPerFrame = spread(micros);
  }

  /** Nobody writes: within a while all that have a document must have the same. */
  async #documents(): Promise<Documents | undefined> {
    const { app } = this.#options;
    if (app.documentsOf === undefined) return undefined;
    const untilMs = performance.now() + CONVERGED_MS;
    for (;;) {
      const digests = new Map<string, Set<string>>();
      for (const { name, digest } of await this.#states(app))
        digests.set(name, (digests.get(name) ?? new Set()).add(digest));
      const different = [...digests].filter(([, all]) => all.size > 1).map(([name]) => name);
      if (different.length === 0 || performance.now() > untilMs)
        return { count: digests.size, different };
      await Bun.sleep(LOOK_MS);
    }
  }

  /** Of clients, and of servers. A document without a server is one that differs. */
  async #states({ documentsOf }: App): Promise<readonly DocumentState[]> {
    const ofClients = (await this.#all((worker) => worker.ask("documents", undefined))).flat();
    const names = [...new Set(ofClients.map(({ name }) => name))];
    const ofServers = (
      await Promise.all(this.#backends.map(({ address }) => documentsOf?.(address, names) ?? []))
    ).flat();
    const known = new Set(ofServers.map(({ name }) => name));
    const nowhere = names
      .filter((name) => !known.has(name))
      .map((name) => ({ name, digest: "no server has it" }));
    return [...ofClients, ...ofServers, ...nowhere];
  }

  async #startBackend(port?: number): Promise<Backend> {
    const { app, folder } = this.#options;
    // Several may start at once, and each has a folder of its own.
    const place = this.#folders++;
    const backend = await Backend.start({
      ...{ app, port: port ?? (await freePort()) },
      folder: join(folder, `server-${place}`),
      env: { ...this.#surroundings.env, LEDGER: join(folder, "ledger") },
    });
    this.#started.push(backend);
    return backend;
  }

  #all<T>(
    ask: (worker: Helper<WorkerCommands>, share: number) => Promise<T>,
  ): Promise<readonly T[]> {
    return Promise.all(this.#workers.map(ask));
  }
}

/** What was counted since. A process that was restarted counts from 0. */
function differences(
  now: Readonly<Record<string, number>>,
  before: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(now)
      .map(([cause, count]): [string, number] => [cause, count - (before[cause] ?? 0)])
      .filter(([, count]) => count > 0),
  );
}
