// Owns: real servers for tests, on free loopback ports with directories of their own: single,
// Sentinel and Cluster layouts. None outlives the test process.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { type Flavour, findServer } from "./find-servers.ts";

export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly directory: string;
  /** Runs one command on a connection of its own. */
  ask(...command: string[]): Promise<unknown>;
  /** `kill -9`; what is on its disk stays. */
  kill(): Promise<void>;
  /** Told to stop, as an operator would: it writes what it has to. */
  shutdown(): Promise<void>;
  /** Starts again on the same port. `empty`: its disk was lost. */
  restart(options?: { readonly empty?: boolean }): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export interface ServerOptions {
  readonly flavour?: Flavour;
  /** `aof`: an append-only file, written at every command. Default: nothing is kept. */
  readonly persistence?: "none" | "aof";
  /** More lines of configuration. */
  readonly config?: readonly string[];
  readonly sentinel?: boolean;
  readonly password?: string;
}

const START_MS = 10_000;
/** Between the port of a cluster's server and that of its bus. */
const BUS_PORTS = 10_000;

/**
 * Ends what is left when this process has ended, however it ended: its input closes then. Told "+
 * pid" and "- pid" of servers and "d path" of directories. In a group of its own, so that what ends
 * ours leaves it to do its work.
 */
const GUARD = `pids=; paths=
while read -r word value; do
  case $word in
    +) pids="$pids $value" ;;
    -) left=; for pid in $pids; do [ "$pid" = "$value" ] || left="$left $pid"; done; pids=$left ;;
    d) paths="$paths $value" ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids
[ -z "$paths" ] || rm -rf $paths`;
const guard = spawn("/bin/sh", ["-c", GUARD], {
  stdio: ["pipe", "ignore", "ignore"],
  detached: true,
});
guard.unref();
const tellGuard = (word: "+" | "-" | "d", value: string | number): void =>
  void guard.stdin.write(`${word} ${value}\n`);

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const program = findServer(options.flavour ?? "redis");
  for (let tries = 0; ; tries++) {
    const server = new RunningServer(program, await freePort({ besides: BUS_PORTS }), options);
    try {
      await server.start();
      return server;
    } catch (error) {
      // Somebody else may have taken the port meanwhile.
      await server.kill();
      if (tries >= 3) throw error;
    }
  }
}

/** Ends servers and removes their directories. */
export async function stopServers(servers: Iterable<TestServer>): Promise<void> {
  for (const server of servers) {
    await server.kill();
    rmSync(server.directory, { recursive: true, force: true });
  }
}

class RunningServer implements TestServer {
  readonly port: number;
  readonly directory: string;
  readonly #program: string;
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;

  constructor(program: string, port: number, options: ServerOptions) {
    this.#program = program;
    this.#options = options;
    this.port = port;
    this.directory = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
    tellGuard("d", this.directory);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { persistence, config = [], sentinel, password } = this.#options;
    const lines = [
      `port ${this.port}`,
      "bind 127.0.0.1",
      `dir ${this.directory}`,
      "daemonize no",
      ...(sentinel === true
        ? []
        : [
            'save ""',
            ...(persistence === "aof"
              ? ["appendonly yes", "appendfsync always"]
              : ["appendonly no"]),
          ]),
      ...(password === undefined ? [] : [`requirepass ${password}`]),
      ...config,
    ];
    const file = join(this.directory, "server.conf");
    // Sentinels and cluster nodes write their own state into files here; this one is written once.
    if (!(await Bun.file(file).exists())) await writeFile(file, `${lines.join("\n")}\n`);
    const child = spawn(this.#program, [file, ...(sentinel === true ? ["--sentinel"] : [])], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    this.#child = child;
    const { pid = 0 } = child;
    tellGuard("+", pid);
    child.once("exit", () => tellGuard("-", pid));
    await within(START_MS, `${this.#program} on port ${this.port}`, async () => {
      if (child.exitCode !== null) throw new Error(`${this.#program} ended with ${child.exitCode}`);
      if ((await this.ask("PING")) !== "PONG") return false;
      // Or it is another's server, on a port that ours did not get.
      return String(await this.ask("INFO", "server")).includes(`process_id:${pid}\r`);
    });
  }

  async ask(...command: string[]): Promise<unknown> {
    const client = createClient({
      url: this.url,
      ...(this.#options.password === undefined ? {} : { password: this.#options.password }),
      disableOfflineQueue: true,
      socket: { reconnectStrategy: false, connectTimeout: 1_000 },
    });
    client.on("error", () => {});
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  shutdown(): Promise<void> {
    return this.#end("SIGTERM");
  }

  async restart({ empty = false } = {}): Promise<void> {
    if (empty) rmSync(join(this.directory, "appendonlydir"), { recursive: true, force: true });
    await this.start();
  }

  freeze(): void {
    this.#child?.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child?.kill("SIGCONT");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGCONT");
    child.kill(signal);
    await ended;
  }
}

/** One primary with replicas, watched by three Sentinels. */
export interface SentinelLayout {
  readonly url: string;
  readonly servers: readonly TestServer[];
  /** The server that the Sentinels name now. */
  primary(): Promise<TestServer>;
  stop(): Promise<void>;
}

export async function startSentinel({
  flavour = "redis" as Flavour,
  replicas = 2,
} = {}): Promise<SentinelLayout> {
  const first = await startServer({ flavour });
  const others = await Promise.all(
    Array.from({ length: replicas }, () =>
      startServer({
        flavour,
        config: [`replicaof 127.0.0.1 ${first.port}`, "repl-diskless-sync-delay 0"],
      }),
    ),
  );
  const servers = [first, ...others];
  await within(START_MS, "replication", async () =>
    String(await first.ask("INFO", "replication")).includes(`connected_slaves:${replicas}`),
  );
  const config = [
    `sentinel monitor main 127.0.0.1 ${first.port} 2`,
    "sentinel down-after-milliseconds main 1000",
    "sentinel failover-timeout main 5000",
  ];
  const sentinels = await Promise.all(
    [1, 2, 3].map(() => startServer({ flavour, sentinel: true, config })),
  );
  const [sentinel] = sentinels;
  await within(START_MS, "the Sentinels", async () => {
    const states = await Promise.all(
      sentinels.map(async (one) =>
        String(await one.ask("SENTINEL", "MASTER", "main").then(JSON.stringify)),
      ),
    );
    return states.every(
      (state) =>
        /"num-other-sentinels"[:,]"2"/.test(state) &&
        new RegExp(`"num-slaves"[:,]"${replicas}"`).test(state),
    );
  });
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/main`,
    servers,
    async primary() {
      const address = (await sentinel?.ask(
        "SENTINEL",
        "GET-MASTER-ADDR-BY-NAME",
        "main",
      )) as string[];
      const found = servers.find(({ port }) => port === Number(address[1]));
      if (found === undefined) throw new Error("the Sentinels name a server that is not ours");
      return found;
    },
    stop: () => stopServers([...sentinels, ...servers]),
  };
}

export interface ClusterLayout {
  readonly url: string;
  /** Three primaries, then three replicas, at the start. */
  readonly servers: readonly TestServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;

export async function startCluster({
  flavour = "redis" as Flavour,
  replicas = true,
} = {}): Promise<ClusterLayout> {
  const config = [
    "cluster-enabled yes",
    "cluster-node-timeout 1000",
    "cluster-replica-validity-factor 0",
    "repl-diskless-sync-delay 0",
  ];
  const servers = await Promise.all(
    Array.from({ length: replicas ? 6 : 3 }, () => startServer({ flavour, config })),
  );
  const primaries = servers.slice(0, 3);
  for (const [index, server] of primaries.entries()) {
    const [from, to] = [Math.ceil((index * SLOTS) / 3), Math.ceil(((index + 1) * SLOTS) / 3) - 1];
    await server.ask("CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
    await server.ask("CLUSTER", "SET-CONFIG-EPOCH", String(index + 1));
  }
  const [first] = servers;
  for (const server of servers.slice(1))
    await first?.ask("CLUSTER", "MEET", "127.0.0.1", String(server.port));
  const isKnown = async (server: TestServer) =>
    String(await server.ask("CLUSTER", "INFO")).includes(`cluster_known_nodes:${servers.length}`);
  await within(START_MS, "the cluster's meeting", async () =>
    (await Promise.all(servers.map(isKnown))).every(Boolean),
  );
  for (const [index, server] of servers.slice(3).entries()) {
    const id = String(await primaries[index]?.ask("CLUSTER", "MYID"));
    await within(
      START_MS,
      "a replica",
      async () => (await server.ask("CLUSTER", "REPLICATE", id)) === "OK",
    );
  }
  const isReady = async (server: TestServer) =>
    String(await server.ask("CLUSTER", "INFO")).includes("cluster_state:ok");
  await within(START_MS, "the cluster", async () =>
    (await Promise.all(servers.map(isReady))).every(Boolean),
  );
  if (replicas) {
    const isFollowed = async (server: TestServer) =>
      String(await server.ask("INFO", "replication")).includes("state=online");
    await within(START_MS, "replication", async () =>
      (await Promise.all(primaries.map(isFollowed))).every(Boolean),
    );
  }
  return {
    url: `redis+cluster://${primaries.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    servers,
    stop: () => stopServers(servers),
  };
}

/** Repeats `check` until it is true; an error counts as false until the end. */
export async function within(
  ms: number,
  what: string,
  check: () => Promise<boolean>,
): Promise<void> {
  const untilMs = performance.now() + patience(ms);
  let last: unknown;
  for (;;) {
    try {
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > untilMs)
      throw new Error(`not within ${ms} ms: ${what}`, { cause: last });
    await Bun.sleep(20);
  }
}
