// Owns: the chart on a real Kubernetes as the tests of this folder use it: helm and kubectl, a
// namespace of its own, clients outside of the pods, and steps that are judged.
import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Crowd, eventually, resultOfStep, type StepResult, TOKEN_SECRET } from "@holdfast/lab";
import { kubectl, kubectlSucceeds } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { run } from "../../tools/cluster/shell.ts";
import { patience } from "../patience.ts";

const CHART = join(import.meta.dir, "../../deploy/chart");
const HOLDFAST = join(import.meta.dir, "../../apps/holdfast/src/main.ts");
const RELEASE = "rt";
/** The workload's name, and its Service's. */
const NAME = `${RELEASE}-holdfast`;
const READY_MS = patience(120_000);
const HELM_MS = patience(180_000);
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

/** Values of the tests: three small pods, a short drain, the trial broker, the proof's channels. */
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
  /** A machine that gets no pod meanwhile, so that the trial broker is on another. */
  readonly avoiding?: string;
  /** Over those of all tests, in every upgrade too. */
  readonly values?: Values;
  /** What the chart needs to be there. */
  readonly before?: (installation: Installation) => Promise<void>;
}

interface Pod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly state: { readonly waiting?: { readonly reason: string } };
    }[];
  };
}

export class Installation {
  readonly #programs: Programs;
  readonly #namespace: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-cluster-"));
  readonly #crowd = new Crowd({
    size: { clients: 120, channels: 30, seed: 10 },
    workers: 1,
    rival: "holdfast",
    connectsPerSecond: 60,
    publishesPerSecond: 40,
  });

  readonly #own: Values;

  private constructor(programs: Programs, namespace: string, own: Values) {
    this.#programs = programs;
    this.#namespace = namespace;
    this.#own = own;
  }

  /** Installs the chart and resolves when its pods are ready and the clients connected. */
  static async begin(
    namespace: string,
    { avoiding, values = {}, before }: InstallationOptions = {},
  ): Promise<Installation> {
    const installation = new Installation(await ensurePrograms(), namespace, values);
    try {
      await installation.#prepare();
      await before?.(installation);
      if (avoiding !== undefined) await installation.kubectl("cordon", avoiding);
      await installation.#install();
      return installation;
    } catch (error) {
      await installation.end();
      throw error;
    } finally {
      if (avoiding !== undefined) await installation.kubectl("uncordon", avoiding);
    }
  }

  async #prepare(): Promise<void> {
    // Of a run that was killed.
    await this.#removeNamespace();
    await this.kubectl("create", "namespace", this.#namespace);
    const enforced = "pod-security.kubernetes.io/enforce=restricted";
    await this.kubectl("label", "namespace", this.#namespace, enforced);
    await this.kubectl(
      ...["create", "secret", "generic", "holdfast"],
      `--from-literal=resumeSecret=${crypto.randomUUID()}${crypto.randomUUID()}`,
      `--from-literal=valkeyPassword=${crypto.randomUUID()}`,
      `--from-literal=hmacSecret=${TOKEN_SECRET}`,
    );
  }

  async #install(): Promise<void> {
    await this.helm("install", CHART, {}, "--wait", "--timeout", `${HELM_MS / 1000}s`);
    await this.#crowd.start(`ws://${await this.address()}:8000/connect`);
  }

  /** Ends the clients and removes the namespace. */
  async end(): Promise<void> {
    await this.#crowd.end();
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#removeNamespace();
  }

  async #removeNamespace(): Promise<void> {
    await this.kubectl("delete", "namespace", this.#namespace, "--ignore-not-found", "--wait");
  }

  /** What kubectl answers, in the namespace. */
  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl(this.#programs, ["--namespace", this.#namespace, ...args], {
      timeoutMs: HELM_MS,
    });
  }

  /** `helm VERB rt CHART` with the values of the tests and these over them. */
  async helm(verb: "install" | "upgrade", chart: string, values: Values, ...rest: string[]) {
    const [base, over] = ["values.json", "more.json"].map((name) => join(this.#folder, name));
    writeFileSync(base as string, JSON.stringify({ ...VALUES, ...this.#own }));
    writeFileSync(over as string, JSON.stringify(values));
    const files = ["--values", base as string, "--values", over as string];
    await this.release(verb, RELEASE, chart, ...files, ...rest);
  }

  upgrade(values: Values, ...rest: string[]): Promise<void> {
    return this.helm("upgrade", CHART, values, ...rest);
  }

  /** Any command of helm in the namespace. */
  async release(...args: readonly string[]): Promise<string> {
    return await run([process.env.HELM ?? "helm", ...args, "--namespace", this.#namespace], {
      env: { KUBECONFIG: PATHS.kubeconfig },
      timeoutMs: HELM_MS,
    });
  }

  /** What `holdfast doctor` says of the namespace, read from the cluster. */
  async doctor(): Promise<string> {
    const source = ["--cluster", "--kubeconfig", PATHS.kubeconfig, "--namespace", this.#namespace];
    return await run([process.execPath, HOLDFAST, "doctor", ...source]);
  }

  /** `holdfast rollout wait`: resolves when the last old pod has drained. */
  async rolledOut(): Promise<string> {
    return await this.rollout("wait", `deployment/${NAME}`);
  }

  /** What `holdfast rollout` says. Rejects if its exit status is not 0. */
  async rollout(...args: readonly string[]): Promise<string> {
    const source = ["--kubeconfig", PATHS.kubeconfig, "--namespace", this.#namespace];
    const command = [process.execPath, HOLDFAST, "rollout", ...args, ...source];
    return await run(command, { timeoutMs: HELM_MS });
  }

  /** The address of the Service, which is reached from this machine. */
  async address(): Promise<string> {
    return await this.kubectl("get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}");
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
      { timeoutMs: READY_MS, everyMs: 500 },
    );
  }

  /** Resolves when a pod of the workload is in the state. */
  async somePod(what: string, isIt: (pod: Pod) => boolean): Promise<void> {
    await eventually(what, async () => (await this.pods()).some(isIt), {
      timeoutMs: READY_MS,
      everyMs: 500,
    });
  }

  succeeds(...args: readonly string[]): Promise<boolean> {
    return kubectlSucceeds(this.#programs, ["--namespace", this.#namespace, ...args]);
  }

  /**
   * Does something while the clients publish, and accounts for every publication. Whatever happens,
   * nothing may be lost, doubled or out of order. In a drain no application may see a disconnect.
   */
  async step(
    title: string,
    act: () => Promise<void>,
    { isDrain = true } = {},
  ): Promise<StepResult> {
    const stepMs = Date.now();
    await this.#crowd.begin(stepMs);
    await Bun.sleep(LEAD_MS);
    await act();
    await this.#crowd.everyoneBack(READY_MS);
    const doneMs = Date.now() - stepMs;
    await Bun.sleep(AFTER_MS);
    const published = await this.#crowd.pause();
    const shares = await this.#crowd.judge(published, false);
    const timeLimitMs = Number.POSITIVE_INFINITY;
    const step = { name: title, title, isDrain, mayLoseData: false, timeLimitMs };
    const told = { marks: [], notes: [], failures: [] };
    const parts = { published, shares, forwarded: [], samples: [], told, bugs: [] };
    const result = resultOfStep({ step, stepMs, doneMs, ...parts });
    const { acknowledged } = result.published;
    const { moves, attempts, delivered, reconnects, longestTransit } = result;
    const figures = [
      `${Math.round(doneMs / 1000)} s, ${acknowledged} published, ${delivered} delivered`,
      `${moves} moves, ${reconnects} reconnects, ${attempts} attempts`,
      `longest pause p99 ${longestTransit.p99Ms} ms, worst ${longestTransit.maxMs} ms`,
    ];
    console.log(`  ${title}: ${figures.join(", ")}`);
    expect({ title, failures: result.failures, notes: result.notes }).toEqual({
      title,
      failures: [],
      notes: [],
    });
    return result;
  }
}

export const isReady = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status.conditions ?? []).some(({ type, status }) => type === "Ready" && status === "True");

/** Why a pod's container does not run; undefined if it does. */
export const waitingFor = (pod: Pod): string | undefined =>
  pod.status.containerStatuses?.map(({ state }) => state.waiting?.reason).find(Boolean);
