// Owns: what processes used so far, as the kernel counts it: CPU and resident memory of them and all that they started.
import { readdirSync, readFileSync } from "node:fs";

/** CPU since the processes began, and memory now. */
export interface Usage {
  readonly userUs: number;
  readonly systemUs: number;
  readonly rssBytes: number;
}

/** USER_HZ, which is 100 on every Linux that Bun runs on (proc(5), sysconf(_SC_CLK_TCK)). */
const TICK_US = 10_000;

/** Of the processes and their descendants together; those that are gone count as nothing. */
export function usageOf(pids: readonly number[]): Usage {
  let [userUs, systemUs, rssBytes] = [0, 0, 0];
  for (const pid of withDescendants(pids)) {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === undefined) continue;
    const cpu = cpuOf(stat);
    userUs += cpu.userUs;
    systemUs += cpu.systemUs;
    rssBytes += rssOf(read(`/proc/${pid}/status`) ?? "");
  }
  return { userUs, systemUs, rssBytes };
}

/** Fields 14 and 15 of a line of /proc/pid/stat: the program's name before them may hold spaces and brackets. */
export function cpuOf(stat: string): { readonly userUs: number; readonly systemUs: number } {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}

export function rssOf(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

function withDescendants(pids: readonly number[]): readonly number[] {
  const all = [...pids];
  for (const pid of all) {
    for (const thread of list(`/proc/${pid}/task`)) {
      const children = read(`/proc/${pid}/task/${thread}/children`)?.trim() ?? "";
      if (children !== "") all.push(...children.split(" ").map(Number));
    }
  }
  return all;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Undefined when the process is gone. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
