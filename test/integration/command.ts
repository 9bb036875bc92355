// Owns: running the real `holdfast` command in tests: its processes, what they write.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { patience } from "../patience.ts";

const MAIN = fileURLToPath(new URL("../../apps/holdfast/src/main.ts", import.meta.url));
/** How long anything may take before a test fails, on a busy machine. */
const WAIT_MS = 15_000;

export interface RunningCommand {
  readonly pid: number;
  /** Everything written so far, both streams. */
  output(): string;
  /** Events of the log so far, of those lines that are JSON. */
  events(): readonly (Readonly<Record<string, unknown>> & { readonly event?: string })[];
  signal(signal: NodeJS.Signals): void;
  /**
   * Resolves when the condition holds for the output; rejects with the output when it does not in
   * time.
   */
  until(condition: (output: string) => boolean): Promise<void>;
  /**
   * Exit status; 128 + number of a signal. Kills the process and rejects when it does not end in
   * time.
   */
  ended(): Promise<number>;
}

export interface CommandOptions {
  /** What is started, before the arguments. Default: the command from its sources. */
  readonly program?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `holdfast` with an environment that has no HOLDFAST_ variables but the given ones. */
export function startCommand(
  args: readonly string[],
  options: CommandOptions = {},
): RunningCommand {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_"));
  const child = Bun.spawn([...(options.program ?? [process.execPath, MAIN]), ...args], {
    cwd: options.cwd ?? fileURLToPath(new URL(".", import.meta.url)),
    env: { ...Object.fromEntries(inherited), NO_COLOR: "1", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const listeners = new Set<() => void>();
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      output += decoder.decode(chunk, { stream: true });
      for (const listener of listeners) listener();
    }
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  return {
    pid: child.pid,
    output: () => output,
    events: () =>
      output
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line)),
    signal: (signal) => child.kill(signal),
    until: (condition) =>
      new Promise((resolve, reject) => {
        const done = () => {
          listeners.delete(look);
          clearTimeout(timer);
        };
        const look = () => {
          if (!condition(output)) return;
          done();
          resolve();
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`not within ${WAIT_MS} ms; written so far:\n${output}`));
        }, patience(WAIT_MS));
        listeners.add(look);
        look();
      }),
    async ended() {
      const timer = setTimeout(() => child.kill("SIGKILL"), patience(WAIT_MS));
      const code = await child.exited;
      clearTimeout(timer);
      await reading;
      if (child.signalCode === "SIGKILL")
        throw new Error(`did not end within ${WAIT_MS} ms; written:\n${output}`);
      return code;
    },
  };
}

/** Whether a process runs; one that only waits to be collected does not. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = Bun.file(`/proc/${pid}/stat`);
  return !(await stat.exists()) || !/^\d+ \(.*\) Z/.test(await stat.text());
}

/**
 * Waits until the condition holds, asking every 20 ms; fails with the sentence when it does not in
 * time.
 */
export async function eventually(
  sentence: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadlineMs = performance.now() + patience(WAIT_MS);
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not within ${WAIT_MS} ms: ${sentence}`);
    await Bun.sleep(20);
  }
}

/** Process ids of a process's children. */
export function childrenOf(pid: number): readonly number[] {
  const parentOf = (child: string) => {
    try {
      return Number(/^\d+ \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${child}/stat`, "utf8"))?.[1]);
    } catch {
      return 0;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}
