// Owns: starting the MQTT brokers of one measurement, each a separate process on the servers' core.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import type { Pinning } from "../../compare/pinning.ts";
import { type Usage, usageOf } from "../../compare/process-usage.ts";
import { NodeProcess } from "../../prove/node-process.ts";
import { eventually } from "../../prove/prove-error.ts";
import { freePort, RedisServers } from "../../prove/redis-servers.ts";
import { bundleForNode } from "../../rivals/bundle.ts";
import { holdfastCommand } from "../../rivals/holdfast.ts";
import type { ServerCommand } from "../../rivals/server-command.ts";
import { programOf } from "../programs.ts";
import type { BrokerName } from "./rivals.ts";

/** A broker that runs. */
export interface Broker {
  readonly port: number;
  /** Name and version, as the page says it. */
  readonly version: string;
  usage(): Usage;
  /** Undefined: there is no Redis. */
  redisUsage(): Usage | undefined;
  /** Makes Node collect garbage, which it does not do by itself when idle. */
  collectGarbage(): void;
  stop(): Promise<void>;
}

export interface BrokersOptions {
  /** For configurations, logs and data. */
  readonly folder: string;
  readonly pinning: Pinning;
}

const START_MS = 20_000;
const END_MS = 5000;

interface Started extends ServerCommand {
  /** Undefined: the program says where it listens. */
  readonly port?: number;
  readonly version?: string;
}

export class Brokers {
  readonly #options: BrokersOptions;
  readonly #running = new Set<() => Promise<void>>();
  #bundle: Promise<string> | undefined;
  #count = 0;

  constructor(options: BrokersOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  /** Resolves when it takes connections. Throws ProveError and RivalError. */
  async start(name: BrokerName, connectionsMax: number): Promise<Broker> {
    const { pinning } = this.#options;
    const folder = join(this.#options.folder, `${name}-${++this.#count}`);
    mkdirSync(folder, { recursive: true });
    const redis =
      name === "holdfast-redis" ? await RedisServers.start(join(folder, "redis")) : undefined;
    let node: NodeProcess | undefined;
    const stop = async () => {
      this.#running.delete(stop);
      node?.signal("SIGKILL");
      await Promise.all([node?.ended(END_MS), redis?.close()]);
      rmSync(folder, { recursive: true, force: true });
    };
    this.#running.add(stop);
    try {
      const { command, env, port, version } = await this.#command(name, folder, {
        connectionsMax,
        ...(redis === undefined ? {} : { redisPort: redis.port }),
      });
      const logFile = join(this.#options.folder, `${name}.log`);
      node = new NodeProcess({
        id: name,
        revision: "",
        command: pinning.onServerCore(command),
        env,
        logFile,
      });
      const { pid } = node;
      if (port === undefined || name.startsWith("holdfast")) await node.started();
      else await eventually(`${name} listens`, () => takesConnections(port), LISTENING);
      const collecting = node;
      return {
        port: port ?? node.place.port,
        version: version ?? node.place.version ?? "",
        usage: () => usageOf([pid]),
        redisUsage: () => (redis === undefined ? undefined : usageOf([redis.pid])),
        collectGarbage: () => {
          if (name === "aedes") collecting.signal("SIGUSR2");
        },
        stop,
      };
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
    name: BrokerName,
    folder: string,
    holdfast: { readonly connectionsMax: number; readonly redisPort?: number },
  ): Promise<Started> {
    const port = await freePort();
    switch (name) {
      case "mosquitto":
        return mosquitto(folder, port);
      case "nats":
        return nats(folder, port);
      case "mochi":
        return { command: [programOf("MOCHI_MQTT", "mochi-mqtt"), String(port)], env: {} };
      case "aedes":
        this.#bundle ??= bundleForNode("aedes-server", this.#options.folder);
        return {
          command: ["node", "--expose-gc", await this.#bundle],
          env: { NODE_ENV: "production" },
        };
      case "holdfast":
      case "holdfast-redis": {
        const { command, env } = holdfastCommand({ ...holdfast, historySize: HISTORY_SIZE });
        return {
          command,
          env: { ...env, HOLDFAST_MQTT_TRANSPORTS: "tcp", HOLDFAST_MQTT_PORT: String(port) },
          port,
          version: `this version, Bun ${Bun.version}`,
        };
      }
    }
  }
}

/** More than a subscriber misses while this machine does something else for a moment. */
const HISTORY_SIZE = 10_000;
const LISTENING = { timeoutMs: START_MS } as const;

async function mosquitto(folder: string, port: number): Promise<Started> {
  const program = programOf("MOSQUITTO", "mosquitto");
  const file = join(folder, "mosquitto.conf");
  const lines = [
    ...["user root", "allow_anonymous true", `listener ${port} 127.0.0.1`],
    ...["persistence false", "log_dest none", "set_tcp_nodelay true", "max_queued_messages 0"],
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const env = { LD_LIBRARY_PATH: process.env.MOSQUITTO_LIBRARIES ?? "" };
  const help = await output([program, "-h"], env);
  const version = `mosquitto ${/mosquitto version (\S+)/.exec(help)?.[1] ?? "of unknown version"}`;
  return { command: [program, "-c", file], env, port, version };
}

/** Its MQTT keeps sessions and messages in JetStream, in files. */
async function nats(folder: string, port: number): Promise<Started> {
  const program = programOf("NATS_SERVER", "nats-server");
  const file = join(folder, "nats.conf");
  writeFileSync(
    file,
    `server_name: bench
listen: "127.0.0.1:${await freePort()}"
jetstream { store_dir: "${folder}/data" }
mqtt { listen: "127.0.0.1:${port}" }
`,
  );
  const version = (await output([program, "--version"], {})).replace(": v", " ");
  return { command: [program, "-c", file], env: {}, port, version };
}

async function output(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const child = Bun.spawn([...command], { env: { ...process.env, ...env }, stderr: "ignore" });
  return (await new Response(child.stdout).text()).trim();
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
