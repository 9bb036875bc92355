// Owns: starting the servers of one measurement, each a separate process on the servers' core, and
// ending them in every case.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { DriverName } from "@holdfast/load";
import { NodeProcess } from "../prove/node-process.ts";
import { eventually } from "../prove/prove-error.ts";
import { freePort, RedisServers } from "../prove/redis-servers.ts";
import { bundleForNode } from "../rivals/bundle.ts";
import { centrifugoCommand, centrifugoUrl, centrifugoVersion } from "../rivals/centrifugo.ts";
import { holdfastCommand } from "../rivals/holdfast.ts";
import type { ServerCommand } from "../rivals/server-command.ts";
import type { SocketIoServerOptions } from "../rivals/socket-io-server.ts";
import type { Pinning } from "./pinning.ts";
import { type Usage, usageOf } from "./process-usage.ts";
import type { RivalName } from "./rivals.ts";

/** Servers that run. */
export interface Running {
  readonly driver: DriverName;
  readonly urls: readonly string[];
  /** Name and version, as the page says it. */
  readonly version: string;
  /** What the servers used, without Redis; undefined if they are not processes of this machine. */
  usage(): Usage | undefined;
  /** What Redis used, if there is one. */
  redisUsage(): Usage | undefined;
  /** Makes those collect garbage that do not do it by themselves when idle. */
  collectGarbage(): void;
  stop(): Promise<void>;
}

export interface ServerOrder {
  readonly rival: RivalName;
  readonly nodes: number;
  /** With whatever the server needs to give sessions back what they missed. */
  readonly recovers: boolean;
  readonly connectionsMax: number;
}

export interface ServersOptions {
  /** For bundles, logs and Redis' data. */
  readonly folder: string;
  readonly pinning: Pinning;
  readonly centrifugo?: { readonly path: string } | { readonly url: string };
}

const START_MS = 10_000;
const END_MS = 5000;
/** How long Socket.IO keeps a session for its client: two minutes, its documentation's example. */
const RECOVERY_MS = 120_000;

const DRIVERS: Readonly<Record<RivalName, DriverName>> = {
  bun: "ws",
  ws: "ws",
  socketio: "socketio",
  holdfast: "holdfast",
  "socketio-redis": "socketio",
  "holdfast-redis": "holdfast",
  centrifugo: "centrifuge",
};

export class Servers {
  readonly #options: ServersOptions;
  readonly #bundles = new Map<string, Promise<string>>();
  readonly #running = new Set<() => Promise<void>>();
  #count = 0;

  constructor(options: ServersOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  /** Resolves when every server listens. If one cannot start, the others are ended. */
  async start(order: ServerOrder): Promise<Running> {
    const { centrifugo, folder, pinning } = this.#options;
    if (order.rival === "centrifugo" && centrifugo !== undefined && "url" in centrifugo)
      return elsewhere(centrifugo.url);
    const redis = order.rival.endsWith("-redis")
      ? await RedisServers.start(join(folder, `redis-${++this.#count}`))
      : undefined;
    const nodes: NodeProcess[] = [];
    const stop = async () => {
      this.#running.delete(stop);
      for (const node of nodes) node.signal("SIGKILL");
      await Promise.all([...nodes.map((node) => node.ended(END_MS)), redis?.close()]);
    };
    this.#running.add(stop);
    try {
      const urls: string[] = [];
      for (let n = 0; n < order.nodes; n++) {
        const { command, env, url } = await this.#command(order, redis?.port);
        const logFile = join(folder, `${order.rival}-${++this.#count}.log`);
        const node = new NodeProcess({
          id: order.rival,
          revision: "",
          command: pinning.onServerCore(command),
          env,
          logFile,
        });
        nodes.push(node);
        urls.push(url === undefined ? await listening(node, order.rival) : await answering(url));
      }
      const version =
        order.rival === "centrifugo"
          ? await centrifugoVersion(this.#centrifugoPath)
          : (nodes[0]?.place.version ?? "");
      return running({ order, nodes, urls, redis, stop, version });
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** For an end before its time. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((stop) => stop()));
  }

  async #command(
    { rival, recovers, connectionsMax }: ServerOrder,
    redisPort: number | undefined,
  ): Promise<ServerCommand & { url?: string }> {
    const redis = redisPort === undefined ? {} : { redisPort };
    switch (rival) {
      case "bun":
        return {
          command: [process.execPath, join(import.meta.dir, "../rivals/bun-server.ts")],
          env: {},
        };
      case "ws":
        return this.#onNode("ws-server", {});
      case "socketio":
      case "socketio-redis":
        return this.#onNode("socket-io-server", {
          ...redis,
          ...(recovers ? { recoveryMs: RECOVERY_MS } : {}),
        });
      case "holdfast":
      case "holdfast-redis":
        return holdfastCommand({ ...redis, connectionsMax });
      case "centrifugo": {
        const port = await freePort();
        return {
          ...centrifugoCommand({ path: this.#centrifugoPath, port }),
          url: centrifugoUrl(port),
        };
      }
    }
  }

  get #centrifugoPath(): string {
    const { centrifugo } = this.#options;
    return centrifugo !== undefined && "path" in centrifugo ? centrifugo.path : "centrifugo";
  }

  async #onNode(name: string, options: SocketIoServerOptions): Promise<ServerCommand> {
    const bundle = this.#bundles.get(name) ?? bundleForNode(name, this.#options.folder);
    this.#bundles.set(name, bundle);
    return {
      command: ["node", "--expose-gc", await bundle, JSON.stringify(options)],
      env: { NODE_ENV: "production" },
    };
  }
}

interface Started {
  readonly order: ServerOrder;
  readonly nodes: readonly NodeProcess[];
  readonly urls: readonly string[];
  readonly redis: RedisServers | undefined;
  readonly stop: () => Promise<void>;
  readonly version: string;
}

function running({ order, nodes, urls, redis, stop, version }: Started): Running {
  const { rival } = order;
  const onNode = rival === "ws" || rival.startsWith("socketio");
  const pids = nodes.map(({ pid }) => pid);
  return {
    driver: DRIVERS[rival],
    urls,
    version,
    usage: () => usageOf(pids),
    redisUsage: () => (redis === undefined ? undefined : usageOf([redis.pid])),
    collectGarbage: () => {
      if (onNode) for (const node of nodes) node.signal("SIGUSR2");
    },
    stop,
  };
}

async function listening(node: NodeProcess, rival: RivalName): Promise<string> {
  await node.started();
  const base = node.place.url.replace(/^http/, "ws");
  return rival.startsWith("holdfast") ? `${base}/connect` : base;
}

async function answering(url: string): Promise<string> {
  const { host } = new URL(url);
  const healthy = () =>
    fetch(`http://${host}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually(`${url} answers`, healthy, { timeoutMs: START_MS });
  return url;
}

function elsewhere(url: string): Running {
  return {
    driver: "centrifuge",
    urls: [url],
    version: "",
    usage: () => undefined,
    redisUsage: () => undefined,
    collectGarbage: () => {},
    stop: async () => {},
  };
}
