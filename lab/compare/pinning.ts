// Owns: which process runs on which core: servers on one, the load and everything else on another,
// so that they do not take each other's time.
import { cpus } from "node:os";

export interface Pinning {
  /** What the page says; undefined: nothing is pinned. */
  readonly text: { readonly servers: string; readonly load: string } | undefined;
  /** The command that starts a server on its core. */
  onServerCore(command: readonly string[]): readonly string[];
}

const SERVER_CORE = 0;
const LOAD_CORE = 1;

/**
 * Moves this process, and with it what it starts from now on, to the load's core. Without `taskset`
 * or a second core nothing is pinned.
 */
export async function pinned(): Promise<Pinning> {
  const taskset = Bun.which("taskset");
  if (taskset === null || cpus().length < 2)
    return { text: undefined, onServerCore: (command) => command };
  const moved = await Bun.spawn([taskset, "-apc", String(LOAD_CORE), String(process.pid)], {
    stdout: "ignore",
    stderr: "ignore",
  }).exited;
  if (moved !== 0) return { text: undefined, onServerCore: (command) => command };
  return {
    text: { servers: `core ${SERVER_CORE}`, load: `core ${LOAD_CORE}` },
    onServerCore: (command) => [taskset, "-c", String(SERVER_CORE), ...command],
  };
}
