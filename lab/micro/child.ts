// Owns: a process of the bench as its parent sees it: commands in, answers out, memory from /proc,
// and its certain end.

import { readFileSync } from "node:fs";
import { BenchError } from "./bench-error.ts";
import type { Data } from "./commands.ts";

const ANSWER_TIMEOUT_MS = 60_000;

/** A started server or driver. Commands are answered in order; one at a time. */
export class Child {
  readonly hello: Data;
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    child: Bun.Subprocess<"pipe", "pipe", "inherit">,
    lines: AsyncIterator<string>,
    hello: Data,
  ) {
    this.#process = child;
    this.#lines = lines;
    this.hello = hello;
  }

  /** Starts a program and waits for its first line. */
  static async start(command: readonly string[]): Promise<Child> {
    const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    const lines = linesOf(child.stdout);
    const hello = await nextLine(lines, command.join(" "));
    return new Child(child, lines, hello);
  }

  async ask(cmd: string, args: Data = {}): Promise<Data> {
    this.#process.stdin.write(`${JSON.stringify({ cmd, ...args })}\n`);
    await this.#process.stdin.flush();
    return nextLine(this.#lines, cmd);
  }

  /** Resident memory in bytes (VmRSS). */
  rssBytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  }

  /** Lowest of some readings of resident memory, each 300 ms after a garbage collection. */
  async settledRssBytes(readings: number): Promise<number> {
    let least = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < readings; turn++) {
      await this.ask("gc");
      await Bun.sleep(300);
      least = Math.min(least, this.rssBytes());
    }
    return least;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
}

async function nextLine(lines: AsyncIterator<string>, what: string): Promise<Data> {
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(
    () =>
      timer.reject(
        new BenchError(
          "child_silent",
          `Cannot continue: found no answer to ${what}, expected one within ${ANSWER_TIMEOUT_MS} ms`,
        ),
      ),
    ANSWER_TIMEOUT_MS,
  );
  const line = await Promise.race([lines.next(), timer.promise]).finally(() =>
    clearTimeout(timeout),
  );
  if (line.done === true)
    throw new BenchError(
      "child_ended",
      `Cannot continue: the process ended, expected an answer to ${what}`,
    );
  const answer = JSON.parse(line.value) as Data;
  if (answer.error !== undefined)
    throw new BenchError("child_failed", `${what}: ${String(answer.error)}`);
  return answer;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines.filter((line) => line !== "");
  }
}
