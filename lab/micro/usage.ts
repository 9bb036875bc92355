// Owns: reading a server process's own CPU time so far.
import type { Data } from "./commands.ts";

/** User and system CPU of the whole process in µs (getrusage). */
export function usage(): Data {
  const cpu = process.cpuUsage();
  return { userUs: cpu.user, systemUs: cpu.system };
}

/** Full garbage collection: `Bun.gc`, or Node's with --expose-gc. */
export function collectGarbage(): Data {
  if (typeof Bun !== "undefined") Bun.gc(true);
  else (globalThis as { gc?: () => void }).gc?.();
  return { collected: true };
}
