// Owns: child processes, from the parent's side and from their own: commands, answers, time limits,
// and an end in every case.
import { ProcessError } from "./process-error.ts";

export { ProcessError };

interface Command {
  readonly id: number;
  readonly command: string;
  readonly args: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

const ANSWER_TIMEOUT_MS = 30_000;

/**
 * Commands of a process with what they take and give; `ask` and `answerCommands` of both ends are
 * typed by the same one.
 */
export type Commands = Readonly<Record<string, (args: never) => unknown>>;
type Args<C extends Commands, K extends keyof C> = Parameters<C[K]>[0];

/** A process of ours that answers commands. */
export class Helper<C extends Commands> {
  readonly #process: Bun.Subprocess;
  readonly #name: string;
  readonly #waiting = new Map<
    number,
    { readonly done: (value: unknown) => void; readonly fail: (error: Error) => void }
  >();
  #lastId = 0;
  #ended = false;

  /** `program`: a script for the Bun that runs this, or a whole command. */
  constructor(name: string, program: string | readonly string[], args: readonly string[] = []) {
    this.#name = name;
    const command = typeof program === "string" ? [process.execPath, program] : program;
    this.#process = Bun.spawn([...command, ...args], {
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      serialization: "advanced",
      ipc: (message) => this.#answered(message as Answer),
      onExit: () => {
        this.#ended = true;
        for (const { fail } of this.#waiting.values())
          fail(new ProcessError("process_ended", `Cannot continue: the process ${name} ended`));
        this.#waiting.clear();
      },
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  async ask<K extends keyof C & string>(
    command: K,
    args: Args<C, K>,
    timeoutMs: number = ANSWER_TIMEOUT_MS,
  ): Promise<Awaited<ReturnType<C[K]>>> {
    if (this.#ended)
      throw new ProcessError("process_ended", `Cannot continue: the process ${this.#name} ended`);
    const id = ++this.#lastId;
    const answer = new Promise<unknown>((done, fail) => this.#waiting.set(id, { done, fail }));
    const timer = setTimeout(() => {
      const text = `Cannot continue: found no answer of ${this.#name} to ${command}, expected one within ${timeoutMs} ms`;
      this.#waiting.get(id)?.fail(new ProcessError("process_silent", text));
    }, timeoutMs);
    this.#process.send({ id, command, args } satisfies Command);
    try {
      return (await answer) as Awaited<ReturnType<C[K]>>;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  async end(): Promise<void> {
    if (!this.#ended) this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #answered({ id, value, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.done(value);
    else waiting?.fail(new ProcessError("process_failed", `${this.#name}: ${error}`));
  }
}

/**
 * A process as its own child end sees it: what it hears from its parent, and how it answers and
 * ends.
 */
export type ChildEnd = Pick<NodeJS.Process, "on" | "exit" | "send">;

/** Answers the parent's commands; the process ends with its parent. */
export function answerCommands<C extends Commands>(child: ChildEnd, commands: C): void {
  child.on("message", async (message) => {
    const { id, command, args } = message as Command;
    try {
      const value = await commands[command]?.(args as never);
      child.send?.({ id, value } satisfies Answer);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      child.send?.({ id, error: text } satisfies Answer);
    }
  });
  child.on("disconnect", () => child.exit(0));
  // Only the parent handles Ctrl-C; the signal reaches every process of the terminal's group.
  child.on("SIGINT", () => {});
}
