// Owns: a node as a separate process, for the tests of applications. It runs on Node and Bun.
import { type ChildProcess, spawn } from "node:child_process";
import { findBun } from "./find-bun.ts";
import { CHANNEL, MAIN } from "./launch.ts";

export interface StartOptions {
  /** The contract file, from `cwd`. Absent: channels of the configuration alone. */
  readonly contract?: string;
  /** Default: the folder of this process. */
  readonly cwd?: string;
  /** Default: a free port. Set it to start a node again on the same port. */
  readonly port?: number;
  /** Further variables, such as `HOLDFAST_AUTH_JWT_HMAC_SECRET`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further arguments of `holdfast serve`. */
  readonly args?: readonly string[];
  /** How long the node may take until it listens. Default 30,000. */
  readonly timeoutMs?: number;
}

/** A node that listens on loopback. Ends with its scope (`await using`). */
export interface HoldfastProcess extends AsyncDisposable {
  /** For clients: `ws://127.0.0.1:port/connect`. */
  readonly url: string;
  /** For back ends, without a slash at the end. */
  readonly httpUrl: string;
  readonly port: number;
  /** What it logged, at most the last 200,000 characters. */
  log(): string;
  /**
   * Sends SIGTERM, and SIGKILL after 10 s. Resolves with the exit status when the process is gone;
   * 137 if it was killed.
   */
  stop(): Promise<number>;
  /** Sends SIGKILL. Resolves when the process is gone. */
  kill(): Promise<void>;
}

/** The node ended, or did not listen in time; `message` has the end of its log. */
export class StartHoldfastError extends Error {
  readonly code = "start_failed";
  constructor(message: string) {
    super(message);
    this.name = "StartHoldfastError";
  }
}

const LOG_LENGTH_MAX = 200_000;
const LOG_SHOWN = 2_000;
const STOP_MS = 10_000;

/**
 * Starts `holdfast serve` on loopback and resolves when it listens. If `env` has no setting to
 * check tokens, the node accepts every client. Its drain takes 2 s at most. The node also ends when
 * this process has gone. Rejects with a StartHoldfastError.
 */
export async function startHoldfast(options: StartOptions = {}): Promise<HoldfastProcess> {
  const env = options.env ?? {};
  const checksTokens = Object.keys(env).some((name) => name.startsWith("HOLDFAST_AUTH_"));
  const child = spawn(findBun(MAIN), [MAIN, "serve", ...argumentsOf(options, checksTokens)], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe", CHANNEL],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const node = new Node(child);
  const urls = await node.listening(options.timeoutMs ?? 30_000);
  const { port } = new URL(urls.url);
  return {
    url: `ws://127.0.0.1:${port}/connect`,
    httpUrl: `http://127.0.0.1:${port}`,
    port: Number(port),
    log: () => node.text,
    stop: () => node.stop(),
    kill: () => node.kill(),
    [Symbol.asyncDispose]: async () => void (await node.stop()),
  };
}

function argumentsOf(options: StartOptions, checksTokens: boolean): readonly string[] {
  return [
    ...["--host", "127.0.0.1", "--port", String(options.port ?? 0)],
    ...["--internal-host", "127.0.0.1", "--internal-port", "0"],
    ...["--drain-pre-delay-ms", "0", "--drain-window-ms", "2000"],
    ...(options.contract === undefined ? [] : ["--contract", options.contract]),
    ...(checksTokens ? [] : ["--auth-insecure"]),
    ...(options.args ?? []),
  ];
}

class Node {
  text = "";
  readonly #child: ChildProcess;
  readonly #gone: Promise<number>;

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.text = (this.text + text).slice(-LOG_LENGTH_MAX);
      });
    }
    this.#gone = new Promise((resolve) => {
      child.once("exit", (code) => resolve(code ?? 137));
      child.once("error", (error) => {
        this.text += error.message;
        resolve(127);
      });
    });
  }

  /** What the line `node_listening` of the log says. */
  async listening(timeoutMs: number): Promise<{ readonly url: string }> {
    let timer: ReturnType<typeof setInterval> | undefined;
    const heard = new Promise<{ readonly url: string } | undefined>((resolve) => {
      const startedMs = performance.now();
      timer = setInterval(() => {
        const line = /^\{.*"event":"node_listening".*\}$/m.exec(this.text)?.[0];
        if (line !== undefined) resolve(JSON.parse(line) as { readonly url: string });
        else if (performance.now() - startedMs > timeoutMs) resolve(undefined);
      }, 20);
    });
    const found = await Promise.race([heard, this.#gone]);
    clearInterval(timer);
    if (typeof found === "object") return found;
    await this.kill();
    const what =
      found === undefined ? `it did not listen in ${timeoutMs} ms` : `it ended with ${found}`;
    throw new StartHoldfastError(`Cannot start a node: ${what}\n${this.text.slice(-LOG_SHOWN)}`);
  }

  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    const code = await this.#gone;
    clearTimeout(timer);
    return code;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}
