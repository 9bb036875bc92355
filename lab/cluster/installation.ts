// Owns: the chart on a real Kubernetes: a namespace of its own, a small installation, clients
// outside of the pods, and what they experience while something is done.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackEnd } from "../prove/back-end.ts";
import { Crowd, type CrowdOptions } from "../prove/crowd.ts";
import { Pacer } from "../prove/pacer.ts";
import { eventually } from "../prove/prove-error.ts";
import type { Published } from "../prove/publication.ts";
import type { StepResult } from "../prove/result.ts";
import { TOKEN_SECRET } from "../prove/rivals/holdfast.ts";
import { type Measured, resultOfStep } from "../prove/step-result.ts";
import { workloadOf } from "../prove/workload.ts";
import type { ClusterCommands } from "./commands.ts";
import type { Pod } from "./pod.ts";
import { isReady } from "./pod.ts";

const CHART = join(import.meta.dir, "../../deploy/chart");
const RELEASE = "rt";
/** The workload's name, and its Service's. */
export const NAME = `${RELEASE}-holdfast`;
/** Publishing before a step's first act, and after its last. */
const LEAD_MS = 1000;
const AFTER_MS = 1500;

const PERMISSIONS = {
  subscribe: "authenticated",
  publish: "authenticated",
  presence: "authenticated",
  history: "authenticated",
};
const KEPT = { history: { size: 2000, ttlMs: 600_000 }, permissions: PERMISSIONS };

export type Values = Readonly<Record<string, unknown>>;

/** Three small pods, a short drain, the trial broker, the proof's channels. */
const VALUES: Values = {
  replicas: 3,
  minReadySeconds: 1,
  connections: { perPod: 300, handshakesPerSecond: 100, deliveriesPerSecond: 500 },
  drain: { maxSeconds: 20, preDelaySeconds: 3, clusterAutoscaler: false },
  broker: {
    mode: "valkey",
    valkey: { existingSecret: { name: "holdfast" }, memoryMebibytes: 128 },
  },
  auth: { existingSecret: "holdfast", hmacSecretKey: "hmacSecret" },
  config: {
    channels: {
      "ordered:{n}": { class: "ordered", presence: true, ...KEPT },
      "durable:{n}": { class: "durable", ...KEPT },
      "volatile:{n}": { class: "volatile", permissions: PERMISSIONS },
      "latest:{n}": { class: "latest", ...KEPT },
    },
  },
  expose: { mode: "none" },
  test: { channel: "ordered:probe" },
};

export interface InstallationOptions {
  readonly commands: ClusterCommands;
  readonly namespace: string;
  readonly crowd: CrowdOptions;
  /** Beside the crowd a back end publishes so much through the HTTP API; absent: nothing. */
  readonly httpPublishesPerSecond?: number;
  /** Of pods, and of everybody's being back. */
  readonly readyMs: number;
  /** Of one command. */
  readonly commandMs: number;
  /** Over the values of every installation, in every upgrade too. */
  readonly values?: Values;
}

/** What is done, and how it is judged. */
export type Act = Measured["step"] & {
  /** Told while it was done. */
  readonly told?: Measured["told"];
  readonly act: () => Promise<void>;
};

export class ChartInstallation {
  readonly crowd: Crowd;
  readonly #options: InstallationOptions;
  readonly #httpLog: Published[] = [];
  #backEnd: BackEnd | undefined;
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-cluster-"));

  constructor(options: InstallationOptions) {
    this.#options = options;
    this.crowd = new Crowd(options.crowd);
  }

  /** A namespace with the secrets of the chart, in place of one that a killed run left. */
  async createNamespace(): Promise<void> {
    const { namespace } = this.#options;
    await this.#removeNamespace();
    await this.kubectl("create", "namespace", namespace);
    const enforced = "pod-security.kubernetes.io/enforce=restricted";
    await this.kubectl("label", "namespace", namespace, enforced);
    await this.kubectl(
      ...["create", "secret", "generic", "holdfast"],
      `--from-literal=resumeSecret=${crypto.randomUUID()}${crypto.randomUUID()}`,
      `--from-literal=valkeyPassword=${crypto.randomUUID()}`,
      `--from-literal=hmacSecret=${TOKEN_SECRET}`,
    );
  }

  /** Resolves when every pod is ready. */
  async install(values: Values = {}): Promise<void> {
    const timeout = `${this.#options.commandMs / 1000}s`;
    await this.helm("install", CHART, values, "--wait", "--timeout", timeout);
  }

  /** Resolves when every client has all its subscriptions. */
  async connect(): Promise<void> {
    await this.crowd.start(await this.url());
    const { size } = this.#options.crowd;
    this.#backEnd = new BackEnd({
      workload: workloadOf(size),
      seed: size.seed,
      url: `http://${await this.address()}:8000`,
      repeats: true,
      onPublished: (one) => void this.#httpLog.push(one),
    });
  }

  /** Where clients connect. */
  async url(): Promise<string> {
    return `ws://${await this.address()}:8000/connect`;
  }

  /** Ends the clients and removes the namespace. */
  async end(): Promise<void> {
    await this.crowd.end();
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#removeNamespace();
  }

  async #removeNamespace(): Promise<void> {
    await this.kubectl(
      ...["delete", "namespace", this.#options.namespace, "--ignore-not-found", "--wait"],
    );
  }

  /** What kubectl answers, in the namespace. */
  kubectl(...args: readonly string[]): Promise<string> {
    const { commands, namespace, commandMs } = this.#options;
    return commands.kubectl(["--namespace", namespace, ...args], { timeoutMs: commandMs });
  }

  /** Makes an object of the namespace. */
  create(manifest: unknown): Promise<string> {
    return this.given(manifest, "create", "--filename", "-");
  }

  /** As `kubectl`, which reads the manifest from its standard input. */
  given(manifest: unknown, ...args: readonly string[]): Promise<string> {
    const { commands, namespace, commandMs } = this.#options;
    const all = ["--namespace", namespace, ...args];
    return commands.kubectl(all, { stdin: JSON.stringify(manifest), timeoutMs: commandMs });
  }

  /** Whether a command of kubectl ends well. */
  succeeds(...args: readonly string[]): Promise<boolean> {
    return this.kubectl(...args).then(
      () => true,
      () => false,
    );
  }

  /** `helm VERB rt CHART` with the values of this file and these over them. */
  async helm(verb: "install" | "upgrade", chart: string, values: Values, ...rest: string[]) {
    const [base, over] = ["values.json", "more.json"].map((name) => join(this.#folder, name));
    writeFileSync(base as string, JSON.stringify({ ...VALUES, ...this.#options.values }));
    writeFileSync(over as string, JSON.stringify(values));
    const files = ["--values", base as string, "--values", over as string];
    await this.release(verb, RELEASE, chart, ...files, ...rest);
  }

  upgrade(values: Values, ...rest: string[]): Promise<void> {
    return this.helm("upgrade", CHART, values, ...rest);
  }

  /** Any command of helm in the namespace. */
  release(...args: readonly string[]): Promise<string> {
    const { commands, namespace, commandMs } = this.#options;
    return commands.helm([...args, "--namespace", namespace], { timeoutMs: commandMs });
  }

  /** What `holdfast doctor` says of the namespace, read from the cluster. */
  doctor(...args: readonly string[]): Promise<string> {
    return this.#options.commands.holdfast(["doctor", "--cluster", ...args, ...this.#source()]);
  }

  /** `holdfast rollout wait`: resolves when the last old pod has drained. */
  rolledOut(kind = "deployment"): Promise<string> {
    return this.rollout("wait", `${kind}/${NAME}`);
  }

  /** `holdfast rollout ...` in the namespace. */
  rollout(...args: readonly string[]): Promise<string> {
    const { commands, commandMs } = this.#options;
    return commands.holdfast(["rollout", ...args, ...this.#source()], { timeoutMs: commandMs });
  }

  #source(): readonly string[] {
    const { commands, namespace } = this.#options;
    return ["--kubeconfig", commands.kubeconfig, "--namespace", namespace];
  }

  /** The address of the Service, which is reached from this machine. */
  address(): Promise<string> {
    return this.kubectl("get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}");
  }

  /** The nodes' pods, also those that end. */
  async pods(): Promise<readonly Pod[]> {
    const selector = "app.kubernetes.io/component=node";
    const list = await this.kubectl("get", "pods", "--selector", selector, "-o", "json");
    return (JSON.parse(list) as { readonly items: readonly Pod[] }).items;
  }

  async podNames(): Promise<readonly string[]> {
    return (await this.pods()).map(({ metadata }) => metadata.name).sort();
  }

  /** Resolves when so many pods serve and no other is left: every drain has ended. */
  async settled(count: number): Promise<void> {
    await eventually(
      `${count} pods are ready and none ends`,
      async () => {
        const pods = await this.pods();
        return pods.length === count && pods.every(isReady);
      },
      { timeoutMs: this.#options.readyMs, everyMs: 500 },
    );
  }

  /** Resolves when a pod of the workload is in the state. */
  async somePod(what: string, isIt: (pod: Pod) => boolean): Promise<void> {
    await eventually(what, async () => (await this.pods()).some(isIt), {
      timeoutMs: this.#options.readyMs,
      everyMs: 500,
    });
  }

  /** Does something while the clients publish, and accounts for every publication. */
  async measure({ act, told, ...step }: Act): Promise<StepResult> {
    const stepMs = Date.now();
    this.#httpLog.length = 0;
    await this.crowd.begin(stepMs);
    const pacer = this.#overHttp();
    pacer?.start();
    await Bun.sleep(LEAD_MS);
    await act();
    await this.crowd.everyoneBack(this.#options.readyMs);
    const doneMs = Date.now() - stepMs;
    await Bun.sleep(AFTER_MS);
    const [overSockets] = await Promise.all([this.crowd.pause(), pacer?.pause()]);
    const published = [...overSockets, ...this.#httpLog];
    const shares = await this.crowd.judge(published, step.mayLoseData);
    const result = resultOfStep({
      ...{ step, stepMs, doneMs, published, shares, forwarded: [], samples: [], bugs: [] },
      told: told ?? { marks: [], notes: [], failures: [] },
    });
    if (pacer === undefined) return result;
    const overHttp = this.#httpLog.filter(({ outcome }) => outcome.kind === "acknowledged").length;
    return { ...result, published: { ...result.published, overHttp } };
  }

  #overHttp(): Pacer | undefined {
    const { httpPublishesPerSecond: perSecond } = this.#options;
    const backEnd = this.#backEnd;
    if (perSecond === undefined || backEnd === undefined) return undefined;
    return new Pacer({ perSecond, publish: (atMs) => backEnd.publish(atMs) });
  }
}
