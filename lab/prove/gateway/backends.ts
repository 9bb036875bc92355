// Owns: the servers of an application as processes: how they come, go and die.
import { mkdirSync, openSync } from "node:fs";
import { connect } from "node:net";
import { join, relative } from "node:path";
import { ProveError } from "../prove-error.ts";
import type { App, ServerPlace } from "./app.ts";

const READY_MS = 30_000;
const LOOK_MS = 50;

export interface BackendPlace extends ServerPlace {
  readonly app: App;
  readonly env: Readonly<Record<string, string>>;
}

export class Backend {
  readonly port: number;
  #process: Bun.Subprocess;

  private constructor(place: BackendPlace) {
    this.port = place.port;
    this.#process = spawn(place);
  }

  /** Resolves when it listens. */
  static async start(place: BackendPlace): Promise<Backend> {
    const backend = new Backend(place);
    const untilMs = performance.now() + READY_MS;
    while (performance.now() < untilMs) {
      if (await listens(place.port)) return backend;
      await Bun.sleep(LOOK_MS);
      // Some programs cannot have a port again right after it was in use.
      if (backend.#process.exitCode !== null) backend.#process = spawn(place);
    }
    backend.signal("SIGKILL");
    throw new ProveError(
      "node_unusable",
      `Cannot start a server of ${place.app.name}: found nothing that listens on its port; its log is in ${relative(process.cwd(), place.folder)}`,
    );
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

function spawn({ app, env, ...place }: BackendPlace): Bun.Subprocess {
  mkdirSync(place.folder, { recursive: true });
  const { command, env: own = {} } = app.server(place);
  return Bun.spawn([...command], {
    env: { ...process.env, ...env, ...own },
    ...{ stdin: "ignore", stdout: "ignore" },
    stderr: openSync(join(place.folder, "log"), "a"),
  });
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}
