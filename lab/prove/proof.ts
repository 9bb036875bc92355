// Owns: a whole proof: it starts everything, does and judges each step under load, and ends
// everything.
import { join } from "node:path";
import { Helper } from "@holdfast/load/processes";
import { BackEnd } from "./back-end.ts";
import { type BrokerPlace, linkPlace, redisPlace } from "./broker-place.ts";
import { Crowd } from "./crowd.ts";
import { Fleet } from "./fleet.ts";
import type { NetworkCommands } from "./network.ts";
import { Pacer } from "./pacer.ts";
import type { Plan } from "./plan.ts";
import type { Published } from "./publication.ts";
import type { StepResult } from "./result.ts";
import { resultOfStep } from "./step-result.ts";
import type { Stage, Step } from "./steps/step.ts";
import { type Workload, workloadOf } from "./workload.ts";

/** Publishing before a step's first act, and after its last. */
const LEAD_MS = 1000;
const AFTER_MS = 1500;
const BACK_MS = 60_000;

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
  readonly #crowd: Crowd;
  readonly #httpLog: Published[] = [];
  #broker: BrokerPlace | undefined;
  #fleet: Fleet | undefined;
  #revision = 1;
  #frontPort = 0;

  constructor(options: ProofOptions) {
    const { plan } = options;
    this.#options = options;
    this.#workload = workloadOf(plan);
    const { clients, channels, seed, workers, rival, handshakesPerSecond } = plan;
    this.#crowd = new Crowd({
      size: { clients, channels, seed },
      workers,
      rival,
      connectsPerSecond: handshakesPerSecond,
      publishesPerSecond: plan.publishesPerSecond * (1 - plan.httpShare),
    });
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
      await this.#crowd.leave();
      return { steps, broker: broker.version, bugs: fleet.bugs };
    } finally {
      await this.close();
    }
  }

  /** Ends every process. */
  async close(): Promise<void> {
    await this.#crowd.end();
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
    await this.#crowd.start(`ws://127.0.0.1:${this.#frontPort}/connect`);
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
    await this.#crowd.begin(stepMs);
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
    const [log] = await Promise.all([this.#crowd.pause(), pacer.pause()]);
    const published = [...log, ...this.#httpLog];
    const shares = await this.#crowd.judge(published, step.mayLoseData);
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
      addExtras: (specs, port) => this.#crowd.add(specs, `ws://127.0.0.1:${port}/connect`),
      everyoneBack: () => this.#crowd.everyoneBack(BACK_MS),
    };
  }
}
