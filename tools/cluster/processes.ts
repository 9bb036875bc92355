// Owns: the long-lived programs of the cluster: starting them in a group, and ending them.
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ClusterError } from "./cluster-error.ts";
import { joinFiles, processesOfCluster } from "./control-groups.ts";
import { PATHS } from "./settings.ts";

const END_SECONDS = 20;

/** Writes its own id into the files before `--`, then becomes the program behind it. */
const ENTER =
  'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; ' +
  'ulimit -n "$(ulimit -Hn)"; exec "$@"';

export interface Program {
  /** Of its log and of the file with its id. */
  readonly name: string;
  readonly group: string;
  readonly command: readonly string[];
}

/** Starts a program that outlives this one. One that runs already is left alone. */
export function startProgram({ name, group, command }: Program): void {
  if (isRunning(name)) return;
  const log = openSync(join(PATHS.logs, `${name}.log`), "a");
  try {
    const child = spawn("sh", ["-c", ENTER, "sh", ...joinFiles(group), "--", ...command], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.unref();
    if (child.pid !== undefined) writeFileSync(idFile(name), `${child.pid} ${startOf(child.pid)}`);
  } finally {
    closeSync(log);
  }
}

/** Whether the program that was started under this name still runs. */
export function isRunning(name: string): boolean {
  const id = programId(name);
  return id !== undefined && processesOfCluster().includes(id);
}

/** The process of a program; undefined if it is gone, also if another has its number now. */
export function programId(name: string): number | undefined {
  try {
    const [id = 0, start] = readFileSync(idFile(name), "utf8").split(" ").map(Number);
    return startOf(id) === start ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Ends one program that was started under this name; one that does not run is no error. */
export async function endProgram(name: string): Promise<void> {
  const id = programId(name);
  if (id === undefined) return;
  const endMs = performance.now() + END_SECONDS * 1000;
  for (kill(id); isRunning(name); await Bun.sleep(50))
    if (performance.now() > endMs)
      throw new ClusterError(`Cannot end ${name}: process ${id} does not end`);
}

/** Ends everything in the cluster's groups. */
export async function endAll(): Promise<void> {
  const endMs = performance.now() + END_SECONDS * 1000;
  for (let ids = processesOfCluster(); ids.length > 0; ids = processesOfCluster()) {
    if (performance.now() > endMs)
      throw new ClusterError(`Cannot end the cluster: processes ${ids.join(", ")} do not end`);
    for (const id of ids) kill(id);
    await Bun.sleep(100);
  }
}

function kill(id: number): void {
  try {
    process.kill(id, "SIGKILL");
  } catch {
    // It went by itself.
  }
}

const idFile = (name: string): string => join(PATHS.state, `${name}.pid`);

/** When a process began, in ticks since the machine started (proc(5), field 22 of stat). */
function startOf(id: number): number {
  const stat = readFileSync(`/proc/${id}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}
