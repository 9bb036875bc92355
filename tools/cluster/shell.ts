// Owns: running other programs to their end, waiting for a condition, and saying what happens.
import { ClusterError } from "./cluster-error.ts";

const RUN_TIMEOUT_MS = 60_000;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly timeoutMs?: number;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program and resolves with how it ended; it is killed at the time limit. */
export async function attempt(
  command: readonly string[],
  { cwd, env, stdin, timeoutMs = RUN_TIMEOUT_MS }: RunOptions = {},
): Promise<Ran> {
  const child = Bun.spawn([...command], {
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, ...env },
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** What the program writes to its output. Throws `ClusterError` if it does not end with 0. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await attempt(command, options);
  if (code === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).slice(-2000) || `exit status ${code}`;
  throw new ClusterError(`Cannot run ${command.slice(0, 4).join(" ")}: ${said}`);
}

/** Asks until the answer is yes. Throws `ClusterError` after `seconds`. */
export async function waitFor(
  what: string,
  seconds: number,
  isTrue: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  while (!(await isTrue())) {
    if (performance.now() > endMs)
      throw new ClusterError(`Cannot start the cluster: ${what} did not come in ${seconds} s`);
    await Bun.sleep(300);
  }
}

/** Tells people, beside what the command prints for programs. */
export const say = (line: string): void => console.error(`cluster: ${line}`);
