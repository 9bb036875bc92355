// Owns: one server of an application as a process of Node: how it starts, ends, and dies.
import { join } from "node:path";
import { ExampleError } from "./example-error.ts";

/** The applications of this example; their servers are in `servers/`. */
export const APPS = ["editor", "game"] as const;
export type App = (typeof APPS)[number];

const START_MS = 20_000;
const END_MS = 5000;

export interface ServerPlan {
  readonly app: App;
  readonly version: number;
  /** Where processes of the game keep their boats, and all processes their words. */
  readonly folder: string;
}

export class ServerProcess {
  readonly app: App;
  readonly version: number;
  readonly #process: Bun.Subprocess<"pipe", "pipe", Bun.BunFile>;
  #port = 0;

  private constructor({ app, version, folder }: ServerPlan) {
    const node = Bun.which("node");
    if (node === null)
      throw new ExampleError(
        "not_started",
        "Cannot start the servers: found no node in PATH, expected Node 20 or newer (https://nodejs.org)",
      );
    this.app = app;
    this.version = version;
    const program = join(import.meta.dir, `servers/${app}.mjs`);
    this.#process = Bun.spawn([node, program, `v${version}`, join(folder, "world")], {
      // It ends when this closes, also if this process is killed.
      stdin: "pipe",
      stdout: "pipe",
      stderr: Bun.file(join(folder, `${app}-v${version}.log`)),
    });
  }

  /** Resolves when it listens. */
  static async start(plan: ServerPlan): Promise<ServerProcess> {
    const server = new ServerProcess(plan);
    const timer = setTimeout(() => server.kill(), START_MS);
    server.#port = Number.parseInt(await firstLine(server.#process.stdout), 10);
    clearTimeout(timer);
    if (server.#port > 0) return server;
    server.kill();
    const log = join(plan.folder, `${plan.app}-v${plan.version}.log`);
    const words = (await Bun.file(log).text()).trim().slice(-2000);
    throw new ExampleError(
      "not_started",
      `Cannot start ${server.name}: found no port in what it said, expected one within ${START_MS / 1000} s. Its last words:\n${words}`,
    );
  }

  get name(): string {
    return `${this.app} v${this.version} (${this.#process.pid})`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get hasExited(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  get exited(): Promise<unknown> {
    return this.#process.exited;
  }

  /** SIGTERM. One that does not end in time is killed. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.kill(), END_MS);
    await this.#process.exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream) {
    text += decoder.decode(part, { stream: true });
    if (text.includes("\n")) break;
  }
  return text;
}
