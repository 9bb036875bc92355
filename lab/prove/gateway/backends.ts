// Owns: the servers of an application as processes: how they come, go and die.
import { ProveError } from "../prove-error.ts";

const READY_MS = 20_000;

export class Backend {
  readonly port: number;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;

  private constructor(script: string, port: number) {
    this.port = port;
    this.#process = Bun.spawn([process.execPath, script, String(port)], {
      ...{ stdin: "ignore", stdout: "pipe", stderr: "inherit" },
    });
  }

  static async start(script: string, port: number): Promise<Backend> {
    const backend = new Backend(script, port);
    const timer = setTimeout(() => backend.signal("SIGKILL"), READY_MS);
    const reader = backend.#process.stdout.getReader();
    const { value } = await reader.read();
    clearTimeout(timer);
    reader.releaseLock();
    if (value !== undefined) return backend;
    throw new ProveError("node_unusable", `Cannot start ${script}: it ended without a word`);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  async ended(): Promise<void> {
    await this.#process.exited;
  }
}
