// Owns: the programs by which people handle a cluster (kubectl, helm, holdfast), run to their end.
import { join } from "node:path";

const HOLDFAST = join(import.meta.dir, "../../apps/holdfast/src/main.ts");
const MACHINE = join(import.meta.dir, "../../tools/cluster/cluster.ts");
const TIMEOUT_MS = 180_000;

export interface ClusterPrograms {
  readonly kubeconfig: string;
  /** The command of kubectl, as one that fits the cluster. */
  readonly kubectl: readonly string[];
  readonly helm: string;
}

/** A program did not end with 0. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

export interface CommandOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
}

/** The same cluster for each program. What a program writes to its output is the answer. */
export class ClusterCommands {
  readonly kubeconfig: string;
  readonly #programs: ClusterPrograms;

  constructor(programs: ClusterPrograms) {
    this.#programs = programs;
    this.kubeconfig = programs.kubeconfig;
  }

  kubectl(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#run([...this.#programs.kubectl, ...args], options);
  }

  helm(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#run([this.#programs.helm, ...args], options);
  }

  /** The program of this clone. */
  holdfast(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#run([process.execPath, HOLDFAST, ...args], options);
  }

  /** `npm run cluster -- ...` of this clone: what only the machine below a cluster can do. */
  machine(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return this.#run([process.execPath, MACHINE, ...args], options);
  }

  async #run(
    command: readonly string[],
    { stdin, timeoutMs = TIMEOUT_MS }: CommandOptions,
  ): Promise<string> {
    const child = Bun.spawn([...command], {
      env: { ...process.env, KUBECONFIG: this.kubeconfig },
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
    if (code === 0) return stdout;
    const said = (stderr.trim() || stdout.trim()).slice(-2000) || `exit status ${code}`;
    throw new CommandError(`Cannot run ${command.slice(0, 5).join(" ")}: ${said}`);
  }
}
