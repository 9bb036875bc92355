// Owns: the real Redis of a proof: a primary that writes everything to disk, and on demand a
// replica with Sentinels that promote it.

import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { eventually, ProveError } from "./prove-error.ts";

const START_MS = 10_000;
const STOP_MS = 10_000;
/** How long a Sentinel considers a silent primary alive. */
const DOWN_AFTER_MS = 1500;
const SENTINELS = 3;
export const SENTINEL_GROUP = "proof";

interface Server {
  readonly process: Bun.Subprocess;
  readonly port: number;
}

export class RedisServers {
  readonly #folder: string;
  readonly #path: string;
  readonly version: string;
  #primary: Server;
  #replica: Server | undefined;
  #sentinels: readonly Server[] = [];

  private constructor(folder: string, version: string, primary: Server, path: string) {
    this.#folder = folder;
    this.#path = path;
    this.version = version;
    this.#primary = primary;
  }

  /** Throws `redis_unusable` if there is no redis-server. */
  static async start(folder: string): Promise<RedisServers> {
    const path = findServer();
    if (path === undefined)
      throw new ProveError(
        "redis_unusable",
        "Cannot find redis-server: install it (Debian: apt-get install redis-server) or say --broker link",
      );
    const version =
      /v=(\S+)/.exec(await new Response(Bun.spawn([path, "--version"]).stdout).text())?.[1] ??
      "of unknown version";
    const port = await freePort();
    return new RedisServers(
      folder,
      `Redis ${version}`,
      await startServer({ path, folder: join(folder, "primary"), port }, DURABLE),
      path,
    );
  }

  get pid(): number {
    return this.#primary.process.pid;
  }
  get port(): number {
    return this.#primary.port;
  }
  get sentinelPorts(): readonly number[] {
    return this.#sentinels.map(({ port }) => port);
  }

  /**
   * Stops the server as its operator would, waits, and starts it again on the same port, with what
   * it wrote to disk or without anything.
   */
  async restart({
    downMs,
    keepData,
  }: {
    readonly downMs: number;
    readonly keepData: boolean;
  }): Promise<void> {
    const { port } = this.#primary;
    await stop(this.#primary, keepData ? "SIGTERM" : "SIGKILL");
    if (!keepData) await rm(join(this.#folder, "primary"), { recursive: true, force: true });
    await Bun.sleep(downMs);
    this.#primary = await startServer(
      { path: this.#path, folder: join(this.#folder, "primary"), port },
      DURABLE,
    );
  }

  /** A replica, in step with the primary, and three Sentinels that watch both. */
  async watch(): Promise<void> {
    const port = await freePort();
    this.#replica = await startServer(
      { path: this.#path, folder: join(this.#folder, "replica"), port },
      [...DURABLE, "--replicaof", `127.0.0.1 ${this.port}`],
    );
    await eventually(
      "the replica is in step",
      async () => (await ask(port, "INFO replication")).includes("master_link_status:up"),
      {
        timeoutMs: START_MS,
      },
    );
    this.#sentinels = await Promise.all(
      Array.from({ length: SENTINELS }, (_, place) => this.#startSentinel(place)),
    );
    await eventually(
      "the Sentinels know each other",
      async () =>
        (
          await ask(this.#sentinels[0]?.port ?? 0, `SENTINEL CKQUORUM ${SENTINEL_GROUP}`)
        ).startsWith("+OK"),
      { timeoutMs: START_MS },
    );
  }

  /** Kills the primary and does not start it again. Resolves when the replica was promoted. */
  async failOver(): Promise<void> {
    const replica = this.#replica;
    if (replica === undefined)
      throw new ProveError("redis_unusable", "Cannot fail over: found no replica");
    await stop(this.#primary, "SIGKILL");
    await eventually(
      "the replica is promoted",
      async () => (await ask(replica.port, "INFO replication")).includes("role:master"),
      {
        timeoutMs: 20_000,
      },
    );
    this.#primary = replica;
    this.#replica = undefined;
  }

  async close(): Promise<void> {
    const all = [
      ...this.#sentinels,
      this.#primary,
      ...(this.#replica === undefined ? [] : [this.#replica]),
    ];
    await Promise.all(all.map((server) => stop(server, "SIGKILL")));
  }

  async #startSentinel(place: number): Promise<Server> {
    const folder = join(this.#folder, `sentinel-${place}`);
    const file = join(folder, "sentinel.conf");
    const group = SENTINEL_GROUP;
    const lines = [
      `sentinel monitor ${group} 127.0.0.1 ${this.port} 2`,
      `sentinel down-after-milliseconds ${group} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${group} 10000`,
    ];
    await mkdir(folder, { recursive: true });
    await Bun.write(file, `${lines.join("\n")}\n`);
    return startServer({ path: this.#path, folder, port: await freePort() }, [file, "--sentinel"]);
  }
}

const DURABLE = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""];

/** From the environment, from PATH, or from the tests' folder. */
function findServer(): string | undefined {
  const { REDIS_SERVER = "" } = process.env;
  const cached = join(import.meta.dir, "../../.cache/servers/redis-server");
  return [REDIS_SERVER, Bun.which("redis-server") ?? "", cached].find(
    (path) => path !== "" && existsSync(path),
  );
}

interface Place {
  readonly path: string;
  readonly folder: string;
  readonly port: number;
}

async function startServer(
  { path, folder, port }: Place,
  args: readonly string[],
): Promise<Server> {
  await mkdir(folder, { recursive: true });
  const [first = ""] = args;
  // A configuration file comes first.
  const [file, rest] = first.endsWith(".conf") ? [[first], args.slice(1)] : [[], args];
  const command = [
    path,
    ...file,
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--logfile",
    join(folder, "log"),
    ...rest,
  ];
  const process = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
  await eventually(
    `redis-server answers on port ${port}`,
    async () => (await ask(port, "PING")).startsWith("+PONG"),
    {
      timeoutMs: START_MS,
    },
  );
  return { process, port };
}

async function stop({ process }: Server, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  process.kill(signal);
  const timer = setTimeout(() => process.kill("SIGKILL"), STOP_MS);
  await process.exited;
  clearTimeout(timer);
}

/** What a server answers to one inline command; empty when it does not. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    const end = (text: string) => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(500, () => end(""));
    socket.on("error", () => end(""));
    socket.on("data", (bytes) => end(bytes.toString("utf8")));
    socket.write(`${command}\r\n`);
  });
}

/** A port of loopback that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        resolve(typeof address === "object" && address !== null ? address.port : 0),
      );
    });
  });
}
