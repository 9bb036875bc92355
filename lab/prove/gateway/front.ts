// Owns: what the proof needs of whatever stands before the servers: our gateway, or another proxy.
import { readdirSync, readFileSync } from "node:fs";
import type { App } from "./app.ts";

export interface FrontPlace {
  readonly folder: string;
  readonly port: number;
  readonly adminPort: number;
  readonly app: App;
  /** Handshakes a second that it takes, and that its endpoints get. */
  readonly handshakesPerSecond: number;
  readonly drainMs: number;
}

export interface RouteOptions {
  /** Clients move to a server that was added. Nobody but the gateway does that. */
  readonly rebalances?: boolean;
}

export interface Front {
  readonly url: string;
  /** Other endpoints from now on. */
  route(endpoints: readonly string[], options?: RouteOptions): Promise<void>;
  /** Clients of an endpoint move, and it gets no more; `others` are left. */
  drain(address: string, others: readonly string[]): Promise<void>;
  /** Resolves when nobody is on the endpoint, or at once if it moves nobody. */
  emptied(address: string): Promise<void>;
  /** Waits for the clients of an endpoint that was added; says how many. Undefined: unknown. */
  balanced(address: string, withinMs: number): Promise<number | undefined>;
  /** Re-homings so far, by what caused them. */
  moves(): Promise<Readonly<Record<string, number>>>;
  /** Ends as its operator would, and starts again at the same address. */
  restart(): Promise<void>;
  /** Processes that forward frames. */
  pids(): readonly number[];
  memoryBytes(): number;
  end(): Promise<void>;
}

/** Linux counts processor time in hundredths of a second (proc(5)). */
const TICKS_PER_SECOND = 100;

/** Fields of a process behind its name, which may hold anything (proc(5)). */
function statOf(pid: number | string): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Of a process that may end while it is looked at. */
function ifThere<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

/** Seconds of a processor that these have used, and those of their children that ended. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const times = ifThere(() => statOf(pid), []).slice(11, 15);
    return times.reduce((sum, field) => sum + Number(field), 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}

/** Their memory, in bytes. */
export function memoryBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const status = ifThere(() => readFileSync(`/proc/${pid}/status`, "utf8"), "");
    return sum + Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }, 0);
}

/** Processes that this one started. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => Number(ifThere(() => statOf(name), [])[1]) === pid)
    .map(Number);
}
