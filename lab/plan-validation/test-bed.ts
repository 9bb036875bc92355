// Owns: the nodes and load processes of a validation: real node processes on a broker of this
// process, and two drivers that deal connections out as a balancer would.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createMemoryBroker } from "@holdfast/core";
import {
  createLinkServer,
  formatLink,
  type LinkServer,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import { Child } from "../micro/child.ts";
import type { Data } from "../micro/commands.ts";
import { NodeProcess } from "../prove/node-process.ts";

const DRIVERS = 2;
const ENDS_MS = 120_000;
const TICKS_PER_SECOND = 100;

export interface NodeSettings {
  readonly handshakesPerSecond: number;
  readonly preDelayMs: number;
  readonly windowMs: number;
}

export class ValidationGround {
  readonly #folder: string;
  readonly #link: LinkServer;
  readonly #drivers: readonly Child[];
  readonly #nodes = new Map<string, NodeProcess>();
  #started = 0;

  private constructor(folder: string, link: LinkServer, drivers: readonly Child[]) {
    this.#folder = folder;
    this.#link = link;
    this.#drivers = drivers;
  }

  static async prepare(folder: string): Promise<ValidationGround> {
    mkdirSync(folder, { recursive: true });
    const broker = createMemoryBroker({ clock: systemClock, random: systemRandom });
    const link = await createLinkServer({
      broker,
      clock: systemClock,
      place: { kind: "tcp", host: "127.0.0.1", port: 0 },
    });
    const driver = [process.execPath, join(import.meta.dir, "mass-reconnect-driver.ts")];
    return new ValidationGround(
      folder,
      link,
      await Promise.all(Array.from({ length: DRIVERS }, () => Child.start(driver))),
    );
  }

  /** Starts a node; resolves with its id when it is ready. */
  async startNode(settings: NodeSettings, revision = "1"): Promise<string> {
    const id = `v${++this.#started}`;
    const command = [
      process.execPath,
      join(import.meta.dir, "../prove/link-node.ts"),
      formatLink(this.#link.endpoint),
    ];
    const node = new NodeProcess({
      id,
      revision,
      command,
      env: environment(id, revision, settings),
      logFile: join(this.#folder, `${id}.log`),
    });
    this.#nodes.set(id, node);
    await node.started();
    for (let turn = 0; turn < 200; turn++) {
      const ready = await fetch(node.place.readyUrl).then(
        ({ ok }) => ok,
        () => false,
      );
      if (ready) break;
      await Bun.sleep(50);
    }
    return id;
  }

  port(id: string): number {
    return this.#nodes.get(id)?.place.port ?? 0;
  }

  /** The nodes to which the drivers send connections from now on. */
  async balance(ids: readonly string[]): Promise<void> {
    await this.all("ready", { ports: ids.map((id) => this.port(id)) });
  }

  /** As Kubernetes does; resolves when it has ended. */
  async drain(id: string): Promise<void> {
    const node = this.#nodes.get(id);
    node?.signal("SIGTERM");
    await node?.ended(ENDS_MS);
    this.#nodes.delete(id);
  }

  async kill(id: string): Promise<void> {
    const node = this.#nodes.get(id);
    node?.signal("SIGKILL");
    await node?.ended(ENDS_MS);
    this.#nodes.delete(id);
  }

  /** CPU of a node so far, user and system, in µs (10 ms steps). */
  cpuUs(id: string): number {
    const fields = readFileSync(`/proc/${this.#pid(id)}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
  }

  rssBytes(id: string): number {
    return (
      Number(
        /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#pid(id)}/status`, "utf8"))?.[1],
      ) * 1024
    );
  }

  all(cmd: string, args: Data = {}): Promise<readonly Data[]> {
    return Promise.all(this.#drivers.map((driver) => driver.ask(cmd, args)));
  }

  one(cmd: string, args: Data = {}): Promise<Data> {
    const [driver] = this.#drivers;
    return driver === undefined ? Promise.resolve({}) : driver.ask(cmd, args);
  }

  /** Starts clients at every driver; their numbers go on from one to the next. */
  async startClients({
    each,
    ...rest
  }: {
    readonly each: number;
    readonly perSecond: number;
    readonly roomSize: number;
  }): Promise<void> {
    await Promise.all(
      this.#drivers.map((driver, place) =>
        driver.ask("start", { count: each, first: place * each, ...rest }),
      ),
    );
  }

  /** The same number for all drivers together. */
  async sum(field: string): Promise<number> {
    return (await this.all("status")).reduce((sum, status) => sum + Number(status[field]), 0);
  }

  get drivers(): number {
    return this.#drivers.length;
  }

  /** Ends the nodes and the drivers' connections; the drivers stay. */
  async clear(): Promise<void> {
    await this.all("close");
    await Promise.all([...this.#nodes.keys()].map((id) => this.kill(id)));
  }

  async close(): Promise<void> {
    await this.clear();
    await Promise.all(this.#drivers.map((driver) => driver.stop()));
    await this.#link.close();
  }

  #pid(id: string): number {
    return this.#nodes.get(id)?.pid ?? 0;
  }
}

function environment(id: string, revision: string, settings: NodeSettings): Record<string, string> {
  return {
    HOLDFAST_NODE_ID: id,
    HOLDFAST_REVISION: revision,
    HOLDFAST_HOST: "127.0.0.1",
    HOLDFAST_PORT: "0",
    HOLDFAST_INTERNAL_HOST: "127.0.0.1",
    HOLDFAST_INTERNAL_PORT: "0",
    HOLDFAST_CHANNELS: JSON.stringify({
      "{room}": { permissions: { subscribe: "anyone", publish: "anyone" } },
    }),
    HOLDFAST_AUTH_ANONYMOUS: "true",
    HOLDFAST_AUTH_RESUME_SECRET: "what signs the resume tokens of a validation",
    HOLDFAST_BROKER_ALLOW_NON_DURABLE: "true",
    HOLDFAST_LIMITS_CONNECTIONS_MAX: "15000",
    HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "15000",
    HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: String(settings.handshakesPerSecond),
    HOLDFAST_DRAIN_PER_SECOND_MAX: String(settings.handshakesPerSecond),
    HOLDFAST_DRAIN_PRE_DELAY_MS: String(settings.preDelayMs),
    HOLDFAST_DRAIN_WINDOW_MS: String(settings.windowMs),
    // The drivers do not ping.
    HOLDFAST_TIMEOUTS_IDLE_MS: "3600000",
    HOLDFAST_FLEET_REBALANCE: "false",
    HOLDFAST_LOG_LEVEL: "info",
  };
}
