// Owns: the CPU and resident memory of processes and their descendants so far, as the kernel counts
// it.
import { readdirSync, readFileSync } from "node:fs";
import { lookAtProcess } from "@holdfast/load";

/** CPU since the processes began, and memory now. */
export interface Usage {
  readonly userUs: number;
  readonly systemUs: number;
  readonly rssBytes: number;
}

/** Of the processes and their descendants together; those that are gone count as nothing. */
export function usageOf(pids: readonly number[]): Usage {
  let [userUs, systemUs, rssBytes] = [0, 0, 0];
  for (const pid of withDescendants(pids)) {
    const vital = lookAtProcess(pid);
    if (vital === undefined) continue;
    userUs += vital.userUs;
    systemUs += vital.systemUs;
    rssBytes += vital.rssBytes;
  }
  return { userUs, systemUs, rssBytes };
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
