// Owns: a whole proof: it starts everything, does and judges each step under load, and ends
// everything.
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import { BackEnd } from "./back-end.ts";
import { type BrokerPlace, linkPlace, redisPlace } from "./broker-place.ts";
import { Fleet } from "./fleet.ts";
import type { NetworkCommands } from "./network.ts";
import { Pacer } from "./pacer.ts";
import type { Plan } from "./plan.ts";
import { eventually } from "./prove-error.ts";
import type { Published } from "./publication.ts";
import type { StepResult } from "./result.ts";
import { resultOfStep } from "./step-result.ts";
import type { Stage, Step } from "./steps/step.ts";
import type { WorkerCommands } from "./worker.ts";
import { type Workload, workloadOf } from "./workload.ts";

/** Publishing before a step's first act, and after its last. */
const LEAD_MS = 1000;
const AFTER_MS = 1500;
/** For what is still on its way when publishing ended. */
const ARRIVE_MS = 15_000;
/** Publishes that wait for an outcome give up after 20 s. */
const PAUSE_MS = 30_000;
/** Connections that were cut are known to be cut after this. */
const NOTICE_MS = 300;
const BACK_MS = 60_000;
const START_MS = 120_000;

export interface ProofOptions {
  readonly plan: Plan;
  /** For logs and the broker's data. */
  readonly folder: string;
  readonly say: (text: string) => void;
  readonly onStep: (result: StepResult) => void;
}

export class Proof {
  readonly #options: ProofOptions;
  readonly #workload: Workload;
  readonly #network = new Helper<NetworkCommands>("network", join(import.meta.dir, "network.ts"));
  readonly #workers: readonly Helper<WorkerCommands>[];
  readonly #httpLog: Published[] = [];
  #broker: BrokerPlace | undefined;
  #fleet: Fleet | undefined;
  #revision = 1;
  #frontPort = 0;

  constructor(options: ProofOptions) {
    const { plan } = options;
    this.#options = options;
    this.#workload = workloadOf(plan);
    this.#workers = Array.from(
      { length: plan.workers },
      (_, share) => new Helper(`load ${share}`, join(import.meta.dir, "worker.ts")),
    );
  }

  /** Results in the order of the steps; a step that could not be carried out ends the proof. */
  async run(): Promise<{
    readonly steps: readonly StepResult[];
    readonly broker: string;
    readonly bugs: readonly string[];
  }> {
    const { plan, say, onStep } = this.#options;
    try {
      say("starting broker, nodes and clients");
      const { fleet, broker, backEnd } = await this.#start();
      const steps: StepResult[] = [];
      for (const step of plan.steps) {
        say(step.title);
        const result = await this.#step(step, { fleet, broker, backEnd });
        steps.push(result);
        onStep(result);
      }
      say("ending");
      await Promise.all(this.#workers.map((worker) => worker.ask("close", undefined)));
      return { steps, broker: broker.version, bugs: fleet.bugs };
    } finally {
      await this.close();
    }
  }

  /** Ends every process. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
    await this.#fleet?.close().catch(() => {});
    await this.#network.end();
    await this.#broker?.close();
  }

  async #start(): Promise<{ fleet: Fleet; broker: BrokerPlace; backEnd: BackEnd }> {
    const { plan, folder } = this.#options;
    const network = this.#network;
    this.#frontPort = await network.ask("start", undefined);
    const broker = await (plan.broker === "redis"
      ? redisPlace(network, join(folder, "redis"))
      : linkPlace(network));
    this.#broker = broker;
    const { rival, handshakesPerSecond, quick } = plan;
    const fleet = new Fleet({ network, broker, handshakesPerSecond, folder, rival, quick });
    this.#fleet = fleet;
    for (let node = 0; node < plan.nodes; node++) await fleet.start(`r${this.#revision}`);
    const url = `ws://127.0.0.1:${this.#frontPort}/connect`;
    const of = this.#workers.length;
    await Promise.all(
      this.#workers.map((worker, share) =>
        worker.ask(
          "start",
          {
            size: { clients: plan.clients, channels: plan.channels, seed: plan.seed },
            rival,
            url,
            share,
            of,
            connectsPerSecond: handshakesPerSecond / of,
            publishesPerSecond: (plan.publishesPerSecond * (1 - plan.httpShare)) / of,
          },
          START_MS,
        ),
      ),
    );
    const { seed } = plan;
    const backEnd = new BackEnd({
      workload: this.#workload,
      seed,
      url: `http://127.0.0.1:${this.#frontPort}`,
      repeats: rival === "holdfast",
      onPublished: (one) => this.#httpLog.push(one),
    });
    return { fleet, broker, backEnd };
  }

  async #step(
    step: Step,
    parts: { fleet: Fleet; broker: BrokerPlace; backEnd: BackEnd },
  ): Promise<StepResult> {
    const { plan } = this.#options;
    const { fleet, backEnd } = parts;
    const told = {
      marks: [] as { atMs: number; text: string }[],
      notes: [] as string[],
      failures: [] as string[],
    };
    let backMs: number | undefined;
    await this.#network.ask("take", undefined);
    this.#httpLog.length = 0;
    const stepMs = Date.now();
    const pacer = new Pacer({
      perSecond: plan.publishesPerSecond * plan.httpShare,
      publish: (atMs) => backEnd.publish(atMs),
    });
    await this.#all((worker) => worker.ask("begin", { stepMs }));
    pacer.start();
    await Bun.sleep(LEAD_MS);
    const beganMs = performance.now();
    const stage = this.#stage(parts, {
      mark: (text) => told.marks.push({ atMs: Date.now() - stepMs, text }),
      note: (text) => told.notes.push(text),
      fail: (text) => told.failures.push(text),
      back: (ms) => {
        backMs = ms;
      },
    });
    await this.#carryOut(step, stage);
    const doneMs = Math.round(performance.now() - beganMs);
    await Bun.sleep(AFTER_MS);
    const [logs] = await Promise.all([
      this.#all((worker) => worker.ask("pause", undefined, PAUSE_MS)),
      pacer.pause(),
    ]);
    const published = [...logs.flat(), ...this.#httpLog];
    const { mayLoseData } = step;
    const shares = await this.#all((worker) =>
      worker.ask("end", { published, mayLoseData, timeoutMs: ARRIVE_MS }, ARRIVE_MS * 4),
    );
    const { forwarded, samples } = await this.#network.ask("take", undefined);
    return resultOfStep({
      step,
      stepMs,
      doneMs,
      published,
      shares,
      forwarded,
      samples,
      told: { ...told, ...(backMs === undefined ? {} : { backMs }) },
      bugs: fleet.bugs,
    });
  }

  /**
   * A step that takes too long still runs to its end, within its own time limits, and has failed.
   */
  async #carryOut(step: Step, stage: Stage): Promise<void> {
    try {
      await step.run(stage);
      await stage.fleet.allReady(BACK_MS);
      await stage.everyoneBack();
    } catch (error) {
      stage.fail(error instanceof Error ? error.message : String(error));
    }
  }

  #stage(
    parts: { fleet: Fleet; broker: BrokerPlace; backEnd: BackEnd },
    tell: Pick<Stage, "mark" | "note" | "fail" | "back">,
  ): Stage {
    const { plan } = this.#options;
    return {
      ...parts,
      ...tell,
      network: this.#network,
      frontPort: this.#frontPort,
      workload: this.#workload,
      quick: plan.quick,
      revision: () => `r${this.#revision}`,
      nextRevision: () => `r${++this.#revision}`,
      addExtras: async (specs, port) => {
        await this.#workers[0]?.ask("add", { specs, url: `ws://127.0.0.1:${port}/connect` });
      },
      everyoneBack: async () => {
        await Bun.sleep(NOTICE_MS);
        await eventually(
          "every client is connected",
          async () =>
            (await this.#all((worker) => worker.ask("connected", undefined))).every(
              ({ connected, total }) => connected === total,
            ),
          { timeoutMs: BACK_MS },
        );
      },
    };
  }

  #all<T>(task: (worker: Helper<WorkerCommands>) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#workers.map(task));
  }
}
