// Owns: a whole proof on a real cluster: it installs operator and nodes, does and judges each step
// under load, and removes everything.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ClusterCommands } from "../../cluster/commands.ts";
import { ChartInstallation, NAME } from "../../cluster/installation.ts";
import { API_KEY } from "../fleet.ts";
import type { StepResult } from "../result.ts";
import { StolenTime } from "../stolen-time.ts";
import { missedTargets } from "./judgement.ts";
import { operatorFigures } from "./operator-figures.ts";
import type { ClusterPlan } from "./plan.ts";
import { SetWatch } from "./set-watch.ts";
import { type ClusterStep, isSettled, SHARE_PERCENT } from "./steps/cluster-step.ts";

export const NAMESPACE = "prove";
const OPERATOR_CHART = join(import.meta.dir, "../../../deploy/operator/chart");
const CRDS = join(import.meta.dir, "../../../deploy/operator/crds");
const READY_MS = 120_000;
const COMMAND_MS = 300_000;
/** An evening-out ends then at the latest. */
const EVEN_MS = 600_000;
/** drain.maxSeconds of the installation's values. */
const DRAIN_MS = 20_000;
/** Full at perPod times the chart's headroom, of which the set keeps a part free. */
const PER_POD = 300;
const CONNECTS_PER_SECOND = 60;
/** Of the publications, those of a back end through the HTTP API. */
const HTTP_SHARE = 0.2;
const hashOf = (key: string): string => `sha256:${createHash("sha256").update(key).digest("hex")}`;

/** The chart's values beside those of every installation. */
export const OPERATED = {
  kind: "RealtimeSet",
  operator: {
    keySecret: { name: "rt-operator" },
    serviceAccount: { name: "holdfast-operator", namespace: NAMESPACE },
  },
  minReadySeconds: 3,
  config: { apiKeys: [{ name: "back-end", keyHash: hashOf(API_KEY), scopes: ["publish"] }] },
};

export interface ClusterProofOptions {
  readonly plan: ClusterPlan;
  readonly commands: ClusterCommands;
  readonly say: (text: string) => void;
  readonly onStep: (result: StepResult) => Promise<void>;
}

export class ClusterProof {
  readonly #options: ClusterProofOptions;
  readonly #rt: ChartInstallation;
  readonly #watch: SetWatch;

  constructor(options: ClusterProofOptions) {
    const { plan, commands } = options;
    const { clients, channels, seed, workers, publishesPerSecond } = plan;
    this.#options = options;
    this.#rt = new ChartInstallation({
      commands,
      namespace: NAMESPACE,
      crowd: {
        ...{ size: { clients, channels, seed }, workers, rival: "holdfast" },
        publishesPerSecond: publishesPerSecond * (1 - HTTP_SHARE),
        connectsPerSecond: CONNECTS_PER_SECOND,
      },
      httpPublishesPerSecond: publishesPerSecond * HTTP_SHARE,
      readyMs: READY_MS,
      commandMs: COMMAND_MS,
    });
    const { kubeconfig } = commands;
    this.#watch = new SetWatch({ kubeconfig, namespace: NAMESPACE, name: NAME });
  }

  /** Results in the order of the steps. */
  async run(): Promise<readonly StepResult[]> {
    const { plan, say, onStep } = this.#options;
    try {
      await this.#start();
      const results: StepResult[] = [];
      let steadyPauseMs: number | undefined;
      for (const step of plan.steps) {
        say(step.title);
        const result = await this.#step(step, steadyPauseMs);
        results.push(result);
        if (step.isStill === true)
          steadyPauseMs = Math.max(steadyPauseMs ?? 0, result.longestTransit.p99Ms);
        await onStep(result);
      }
      say("ending");
      await this.#rt.crowd.leave();
      return results;
    } finally {
      await this.close();
    }
  }

  /** Ends the clients and removes the namespace with everything in it. */
  async close(): Promise<void> {
    this.#watch.stop();
    // Without its set nothing decides anything about pods that go with the namespace.
    await this.#rt.release("uninstall", "op", "--ignore-not-found").catch(() => {});
    await this.#rt.end();
  }

  async #start(): Promise<void> {
    const { say } = this.#options;
    const rt = this.#rt;
    say("installing the operator");
    await rt.createNamespace();
    await rt.kubectl("apply", "--server-side", "--force-conflicts", "--filename", CRDS);
    const key = randomBytes(32).toString("hex");
    await rt.kubectl(
      ...["create", "secret", "generic", "rt-operator"],
      ...[`--from-literal=key=${key}`, `--from-literal=keyHash=${hashOf(key)}`],
    );
    const set = ["--set", `namespaces={${NAMESPACE}}`, "--set", "crds.install=false"];
    await rt.release("install", "op", OPERATOR_CHART, ...set, "--wait");
    say("installing the nodes");
    // helm --wait does not know what a ready RealtimeSet is.
    await rt.install(OPERATED);
    this.#watch.start();
    await this.#watch.until(
      "the set is settled",
      (one) => isSettled(one) && one.ready === one.desired,
      READY_MS,
    );
    say("connecting the clients");
    await rt.connect();
  }

  async #step(step: ClusterStep, steadyPauseMs: number | undefined): Promise<StepResult> {
    const { clients } = this.#options.plan;
    const told = {
      marks: [] as { atMs: number; text: string }[],
      notes: [] as string[],
      failures: [] as string[],
    };
    // What the step before left uneven is no move of this one.
    await this.#watch
      .until("the set is even", ({ evens }) => evens === undefined, EVEN_MS)
      .catch((error: unknown) => told.notes.push(String(error)));
    const fromMs = Date.now();
    const stage = {
      ...{ rt: this.#rt, watch: this.#watch, clients, values: OPERATED, perPod: PER_POD },
      addIdle: async (count: number, perSecond: number) =>
        this.#rt.crowd.addIdle(count, perSecond, await this.#rt.url()),
      removeIdle: (perSecond: number) => this.#rt.crowd.removeIdle(perSecond),
      everyoneConnected: () => this.#rt.crowd.everyoneBack(READY_MS),
      machine: (...args: readonly string[]) => this.#options.commands.machine(args),
      note: (text: string) => void told.notes.push(text),
      mark: (text: string) => void told.marks.push({ atMs: Date.now() - fromMs, text }),
      fail: (text: string) => void told.failures.push(text),
    };
    const act = (): Promise<void> =>
      step.run(stage).catch((error: unknown) => {
        stage.fail(error instanceof Error ? error.message : String(error));
      });
    const stolen = new StolenTime();
    const row = await this.#rt.measure({ ...step, act, told });
    const stolenPercent = stolen.percentSince();
    const samples = this.#watch.samplesSince(fromMs);
    const to = samples.findLast(({ release }) => release !== undefined)?.release?.to;
    const because = to === undefined ? undefined : await this.#watch.because(to);
    const operator = operatorFigures(samples, {
      ...{ kind: step.kind, clients, drainMs: DRAIN_MS, perPod: PER_POD },
      ...(step.kind === "bad" ? { sharePercentMax: step.sharePercentMax ?? SHARE_PERCENT } : {}),
      ...(steadyPauseMs === undefined ? {} : { steadyPauseMs }),
      ...(because === undefined ? {} : { because }),
    });
    const result = { ...row, operator, stolenPercent };
    const harm = row.failures.filter((text) => !told.failures.includes(text));
    const isMeant = step.doesHarm === true;
    return {
      ...result,
      notes: isMeant
        ? [...told.notes, ...harm.map((text) => `the fault did this: ${text}`)]
        : row.notes,
      failures: [...(isMeant ? told.failures : row.failures), ...missedTargets(result)],
    };
  }
}
