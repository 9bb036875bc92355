// Owns: a proxy of others as a process: its file, its reload, its restart. What differs between
// proxies is a dialect.
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { ProveError } from "../../prove-error.ts";
import { childrenOf, type Front, type FrontPlace, memoryBytes } from "../front.ts";

const READY_MS = 10_000;
/** The new configuration is in use after a reload. */
const RELOADED_MS = 500;
const LOOK_MS = 50;
/** Longest time for an orderly end. */
const END_MS = 5000;

export interface ProxyDialect {
  readonly name: string;
  /** Throws `node_unusable` if the program is missing. */
  command(place: FrontPlace): {
    readonly command: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
  /** Writes what it reads: at the start, and before each reload. */
  write(place: FrontPlace, endpoints: readonly string[]): void;
  /** Makes it read again. Absent: it sees by itself that its file has changed. */
  readonly reload?: "SIGHUP" | "SIGUSR2";
}

export class ProxyProcess implements Front {
  readonly #dialect: ProxyDialect;
  readonly #place: FrontPlace;
  #process: Bun.Subprocess | undefined;

  private constructor(dialect: ProxyDialect, place: FrontPlace) {
    this.#dialect = dialect;
    this.#place = place;
    mkdirSync(place.folder, { recursive: true });
  }

  /** Resolves when it listens. */
  static async start(
    dialect: ProxyDialect,
    place: FrontPlace,
    endpoints: readonly string[],
  ): Promise<ProxyProcess> {
    const proxy = new ProxyProcess(dialect, place);
    dialect.write(place, endpoints);
    await proxy.#start();
    return proxy;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#place.port}/`;
  }

  async route(endpoints: readonly string[]): Promise<void> {
    this.#dialect.write(this.#place, endpoints);
    if (this.#dialect.reload !== undefined) this.#process?.kill(this.#dialect.reload);
    await Bun.sleep(RELOADED_MS);
  }

  /** Old sockets stay where they are until their server closes them. */
  async drain(_: string, others: readonly string[]): Promise<void> {
    await this.route(others);
  }

  async emptied(): Promise<void> {}

  async balanced(_: string, withinMs: number): Promise<undefined> {
    await Bun.sleep(withinMs);
  }

  async moves(): Promise<Readonly<Record<string, number>>> {
    return {};
  }

  async restart(): Promise<void> {
    await this.#stop();
    await this.#start();
  }

  pids(): readonly number[] {
    const pid = this.#process?.pid;
    return pid === undefined ? [] : [pid, ...childrenOf(pid)];
  }

  memoryBytes(): number {
    return memoryBytes(this.pids());
  }

  async end(): Promise<void> {
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const process = this.#process;
    process?.kill("SIGTERM");
    const timer = setTimeout(() => process?.kill("SIGKILL"), END_MS);
    await process?.exited;
    clearTimeout(timer);
  }

  async #start(): Promise<void> {
    const { name } = this.#dialect;
    const { command, env = {} } = this.#dialect.command(this.#place);
    const started = Bun.spawn([...command], {
      env: { ...process.env, ...env },
      ...{ stdin: "ignore", stdout: "ignore" },
      stderr: openSync(join(this.#place.folder, "log"), "a"),
    });
    this.#process = started;
    const untilMs = performance.now() + READY_MS;
    while (performance.now() < untilMs) {
      if (started.exitCode !== null)
        throw new ProveError(
          "node_unusable",
          `Cannot use ${name}: it ended with ${started.exitCode}; its log is in ${this.#place.folder}`,
        );
      const answer = await fetch(`http://127.0.0.1:${this.#place.port}/`).catch(() => undefined);
      if (answer !== undefined) return;
      await Bun.sleep(LOOK_MS);
    }
    throw new ProveError("not_in_time", `Cannot use ${name}: found no answer in ${READY_MS} ms`);
  }
}
