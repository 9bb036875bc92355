// Owns: programs that run in a project while a test talks with them.
import { until } from "../browser/harness.ts";
import { patience } from "../patience.ts";
import { outsideEnv, type Project } from "./project.ts";

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What its output has when it is ready; the first group is `said`. */
  readonly ready: RegExp;
}

/** A running program. It ends with its scope, and is killed if it does not. */
export interface Program extends AsyncDisposable {
  /** The first group of `ready`. */
  readonly said: string;
  /** What it wrote so far. */
  output(): string;
  /** Sends the signal and resolves with the exit status when the program is gone. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<number>;
}

/** Starts a program and resolves when it is ready. Rejects with its output if it ends before. */
export async function startProgram(
  project: Project,
  command: readonly string[],
  { env = {}, ready }: ProgramOptions,
): Promise<Program> {
  const child = Bun.spawn([...command], {
    cwd: project.folder,
    env: outsideEnv(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let text = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const end = async (signal: "SIGTERM" | "SIGKILL" = "SIGTERM") => {
    child.kill(signal);
    const code = await child.exited;
    // What it started may hold its output open: a moment is enough for what it wrote itself.
    await Promise.race([reading, Bun.sleep(500)]);
    return code;
  };
  try {
    await until(`${command.slice(0, 3).join(" ")} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return ready.test(text);
    });
  } catch (error) {
    await Promise.race([end("SIGTERM"), Bun.sleep(patience(10_000))]);
    await end("SIGKILL");
    throw new Error(`${error}\n${text}`);
  }
  return {
    said: ready.exec(text)?.[1] ?? "",
    output: () => text,
    end,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // A launcher that is killed cannot end what it started: it is asked first.
      await Promise.race([end("SIGTERM"), Bun.sleep(patience(10_000))]);
      await end("SIGKILL");
    },
  };
}
