// Owns: one node of the proof as a process: its start, its signals, its log, its end.
import { appendFileSync } from "node:fs";
import { readyFrom } from "../rivals/ready.ts";
import { ProveError } from "./prove-error.ts";

export interface NodePlace {
  readonly url: string;
  /** Version of the server's library, if its program says it. */
  readonly version?: string;
  readonly readyUrl: string;
  readonly host: string;
  readonly port: number;
}

export interface NodeProcessOptions {
  readonly id: string;
  readonly revision: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** A start takes a second; on a machine with much else to do it took more than 20. */
const START_MS = 60_000;
const BUGS_SHOWN_MAX = 5;

export class NodeProcess {
  readonly id: string;
  readonly revision: string;
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #logFile: string;
  readonly #bugs: string[] = [];
  readonly #place: Promise<NodePlace>;
  place: NodePlace = { url: "", readyUrl: "", host: "", port: 0 };

  constructor({ id, revision, command, env, logFile }: NodeProcessOptions) {
    this.id = id;
    this.revision = revision;
    this.#logFile = logFile;
    this.#process = Bun.spawn([...command], {
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#place = this.#read();
    // The caller that waits for it gets the reason; a program that says nothing of its place ends
    // without anyone waiting.
    this.#place.catch(() => {});
  }

  /** Resolves when the node listens. */
  async started(): Promise<void> {
    const timer = Promise.withResolvers<never>();
    const timeout = setTimeout(
      () => timer.reject(this.#unusable(`found nothing that listens after ${START_MS} ms`)),
      START_MS,
    );
    this.place = await Promise.race([this.#place, timer.promise]).finally(() =>
      clearTimeout(timeout),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** Lines of the log that say that something must not happen. */
  get bugs(): readonly string[] {
    return this.#bugs;
  }

  signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGUSR2"): void {
    this.#process.kill(signal);
  }

  /** The exit status; -1 when a signal ended it or it did not end in time (then it is killed). */
  async ended(timeoutMs: number): Promise<number> {
    const timeout = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs);
    await this.#process.exited;
    clearTimeout(timeout);
    return this.#process.exitCode ?? -1;
  }

  #read(): Promise<NodePlace> {
    return new Promise((resolve, reject) => {
      const line = (text: string) => {
        appendFileSync(this.#logFile, `${text}\n`);
        if (text.includes('"event":"bug"') && this.#bugs.length < BUGS_SHOWN_MAX)
          this.#bugs.push(text);
        const place = placeOf(text);
        if (place !== undefined) resolve(place);
      };
      const reading = Promise.all([
        eachLine(this.#process.stdout, line),
        eachLine(this.#process.stderr, line),
      ]);
      void reading.then(() => reject(this.#unusable("it ended")));
    });
  }

  #unusable(why: string): ProveError {
    return new ProveError(
      "node_unusable",
      `Cannot use node ${this.id}: ${why}; its log is ${this.#logFile}`,
    );
  }
}

function placeOf(line: string): NodePlace | undefined {
  const ready = readyFrom(line);
  if (ready === undefined) return undefined;
  const { url, internalUrl, version } = ready;
  const { hostname, port } = new URL(url);
  return {
    url,
    readyUrl: `${internalUrl}/readyz`,
    host: hostname,
    port: Number(port),
    ...(version === undefined ? {} : { version }),
  };
}

async function eachLine(
  stream: ReadableStream<Uint8Array>,
  task: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") task(line);
  }
}
