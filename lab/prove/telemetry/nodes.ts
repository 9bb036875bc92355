// Owns: the nodes under proof as processes: started, drained, killed, frozen; their addresses for
// devices and for readers; what they say of themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Balancer, startBalancer } from "@holdfast/relay";
import { NodeProcess } from "../node-process.ts";
import { eventually, ProveError } from "../prove-error.ts";
import { freePort } from "../redis-servers.ts";
import { TOKEN_SECRET } from "../rivals/holdfast.ts";
import type { Target } from "./device.ts";

const ROOT = join(import.meta.dir, "../../..");
const READY_MS = 60_000;
const END_MS = 30_000;
const PRE_DELAY_MS = 500;
const WINDOW_MS = 2000;
const CHECK_MS = 100;

export interface NodesOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where devices may connect has changed. */
  readonly onTargets: (targets: readonly Target[]) => void;
}

interface Node {
  readonly process: NodeProcess;
  readonly mqttPort: number;
  readonly logFile: string;
  isFrozen: boolean;
}

/** What nodes say of pipelines, summed over them. */
export interface PipelineMetrics {
  readonly lag: number;
  readonly stateBytes: number;
  readonly waiting: number;
  readonly heldBack: number;
}

export class Nodes {
  /** For HTTP and WebSocket. */
  readonly balancer: Balancer = startBalancer({ checkEveryMs: CHECK_MS, waitMs: 10_000 });
  readonly #options: NodesOptions;
  readonly #nodes: Node[] = [];
  readonly #logs: string[] = [];
  #env: Readonly<Record<string, string>> = {};
  #started = 0;
  #told = "";
  readonly #teller: ReturnType<typeof setInterval>;

  constructor(options: NodesOptions) {
    this.#options = options;
    this.#teller = setInterval(() => this.#tell(), CHECK_MS);
  }

  /** Of nodes that are started from now on. */
  setEnv(env: Readonly<Record<string, string>>): void {
    this.#env = env;
  }

  get targets(): readonly Target[] {
    const ready = this.balancer.backends().filter((backend) => backend.ready);
    return this.#nodes
      .filter(({ process: { id } }) => ready.some((backend) => backend.id === id))
      .map(({ mqttPort }) => ({ host: "127.0.0.1", port: mqttPort }));
  }

  async add(): Promise<void> {
    const id = `n${++this.#started}`;
    const mqttPort = await freePort();
    const logFile = join(this.#options.folder, `${id}.log`);
    const process = new NodeProcess({
      ...{ id, revision: "proof", logFile },
      command: [
        ...[globalThis.process.execPath, join(ROOT, "apps/holdfast/src/main.ts"), "serve"],
        ...["--contract", join(import.meta.dir, "contract.ts")],
      ],
      env: { ...environment(id, mqttPort), ...this.#options.env, ...this.#env },
    });
    this.#nodes.push({ process, mqttPort, logFile, isFrozen: false });
    this.#logs.push(logFile);
    await process.started();
    const { host, port, readyUrl } = process.place;
    this.balancer.add({ id, host, port, readyUrl });
    await this.balancer.whenReady(id, READY_MS);
  }

  /** Starts a newer one and ends the oldest, as Kubernetes does. Throws if it did not end well. */
  async replaceOldest(): Promise<void> {
    await this.add();
    const { process } = this.#oldest();
    process.signal("SIGTERM");
    const status = await process.ended(END_MS);
    this.#forget();
    if (status !== 0)
      throw new ProveError("node_unusable", `Node ${process.id} ended with status ${status}`);
  }

  /** kill -9, and a new one comes behind it, as a controller would do. */
  async killOldest(): Promise<void> {
    const { process } = this.#oldest();
    process.signal("SIGKILL");
    await process.ended(END_MS);
    this.#forget();
    await this.add();
  }

  /** The one that holds most partitions. */
  async freezeOne(): Promise<void> {
    const texts = await this.#texts();
    const held = texts.map((text) => sumOf(text, "holdfast_pipeline_partitions"));
    const node = this.#nodes[held.indexOf(Math.max(...held))] ?? this.#oldest();
    node.isFrozen = true;
    node.process.signal("SIGSTOP");
  }

  thaw(): void {
    for (const node of this.#nodes) {
      if (node.isFrozen) node.process.signal("SIGCONT");
      node.isFrozen = false;
    }
  }

  async allReady(): Promise<void> {
    const ready = (): boolean => this.balancer.backends().every((backend) => backend.ready);
    await eventually("every node is ready", ready, { timeoutMs: READY_MS });
  }

  async metrics(): Promise<PipelineMetrics> {
    const texts = await this.#texts();
    const sum = (name: string): number => texts.reduce((all, text) => all + sumOf(text, name), 0);
    return {
      lag: sum("holdfast_pipeline_lag_publications"),
      stateBytes: sum("holdfast_pipeline_state_bytes"),
      waiting: sum("holdfast_pipeline_waiting_records"),
      heldBack: sum("holdfast_pipeline_held_back"),
    };
  }

  /** Resident memory of each, in bytes. */
  memory(): readonly number[] {
    return this.#nodes.map(({ process: { pid } }) => {
      const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
      return pages * 4096;
    });
  }

  get pids(): readonly number[] {
    return this.#nodes.map(({ process: { pid } }) => pid);
  }

  /** How often each event is in the logs; `pipeline_fenced`: a partition lost to another owner. */
  logged(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    const add = (event: string): void => {
      counts[event] = (counts[event] ?? 0) + 1;
    };
    for (const file of this.#logs) {
      const text = readFileSync(file, "utf8");
      for (const [, event = ""] of text.matchAll(/"event":"([a-z_]+)"/g)) add(event);
      for (const _ of text.matchAll(/"event":"pipeline_released".*"why":"fenced"/g))
        add("pipeline_fenced");
    }
    return counts;
  }

  async close(): Promise<void> {
    clearInterval(this.#teller);
    this.thaw();
    for (const { process } of this.#nodes) process.signal("SIGKILL");
    await Promise.all(this.#nodes.map(({ process }) => process.ended(END_MS)));
    this.balancer.stop();
  }

  /** Metrics; empty if a node does not answer. */
  #texts(): Promise<readonly string[]> {
    return Promise.all(
      this.#nodes.map(async ({ process: { place }, isFrozen }) => {
        if (isFrozen || place.readyUrl === "") return "";
        const signal = AbortSignal.timeout(1000);
        const answer = fetch(place.readyUrl.replace("/readyz", "/metrics"), { signal });
        return await answer.then((one) => one.text()).catch(() => "");
      }),
    );
  }

  #oldest(): Node {
    const [oldest] = this.#nodes;
    if (oldest === undefined) throw new ProveError("node_unusable", "There is no node");
    return oldest;
  }

  #forget(): void {
    const node = this.#nodes.shift();
    if (node !== undefined) this.balancer.remove(node.process.id);
  }

  #tell(): void {
    const { targets } = this;
    const told = JSON.stringify(targets);
    if (told === this.#told) return;
    this.#told = told;
    this.#options.onTargets(targets);
  }
}

function sumOf(text: string, name: string): number {
  let sum = 0;
  for (const line of text.split("\n"))
    if (line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  return sum;
}

const environment = (id: string, mqttPort: number): Record<string, string> => ({
  HOLDFAST_NODE_ID: id,
  ...{ HOLDFAST_HOST: "127.0.0.1", HOLDFAST_PORT: "0" },
  ...{ HOLDFAST_INTERNAL_HOST: "127.0.0.1", HOLDFAST_INTERNAL_PORT: "0" },
  ...{ HOLDFAST_MQTT_TRANSPORTS: "tcp", HOLDFAST_MQTT_PORT: String(mqttPort) },
  HOLDFAST_MQTT_TOPICS: JSON.stringify({
    "telemetry/+site/#device": { channel: "telemetry:{site}", payload: "json" },
    "direct/+site/#device": { channel: "direct:{site}", payload: "json" },
  }),
  HOLDFAST_AUTH_JWT_HMAC_SECRET: TOKEN_SECRET,
  HOLDFAST_AUTH_RESUME_SECRET: "what signs the resume tokens of a proof",
  HOLDFAST_DRAIN_PRE_DELAY_MS: String(PRE_DELAY_MS),
  HOLDFAST_DRAIN_WINDOW_MS: String(WINDOW_MS),
});
