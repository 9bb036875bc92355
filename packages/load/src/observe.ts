// Owns: observing servers from outside: by their metrics if they are our nodes, by /proc if they
// run on this machine.
import { readFileSync } from "node:fs";

/** A look at one server. CPU since its start; undefined: not known. */
export interface Vital {
  readonly userUs: number;
  readonly systemUs: number;
  readonly rssBytes: number;
  /** Worst lag of its event loop lately. */
  readonly lagUs?: number;
  readonly connections?: number;
}

export interface Watched {
  readonly name: string;
  look(): Promise<Vital | undefined>;
}

const FETCH_MS_MAX = 900;
const METRICS_BYTES_MAX = 4 << 20;
/** Ticks of /proc a second: USER_HZ, 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;

export function watchedOf(observe: {
  readonly metricsUrls: readonly string[];
  readonly pids: readonly number[];
}): readonly Watched[] {
  return [
    ...observe.metricsUrls.map((url) => ({
      name: new URL(url).host,
      look: () => lookAtMetrics(url),
    })),
    ...observe.pids.map((pid) => ({ name: `pid ${pid}`, look: async () => lookAtProcess(pid) })),
  ];
}

/** Undefined when there is no answer in time, or none that has figures of a process. */
async function lookAtMetrics(url: string): Promise<Vital | undefined> {
  try {
    const answer = await fetch(url, {
      signal: AbortSignal.timeout(FETCH_MS_MAX),
      redirect: "error",
    });
    const text = answer.ok ? await answer.text() : "";
    return text.length > METRICS_BYTES_MAX ? undefined : vitalOf(text);
  } catch {
    return undefined;
  }
}

/** From Prometheus' text format. */
export function vitalOf(text: string): Vital | undefined {
  const value = (name: string): number | undefined => {
    const found = new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.eE+-]+)`, "m").exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const [user, system, rssBytes] = [
    "process_cpu_user_seconds_total",
    "process_cpu_system_seconds_total",
    "process_resident_memory_bytes",
  ].map(value);
  if (user === undefined || system === undefined || rssBytes === undefined) return undefined;
  const [lag, connections] = [
    value("holdfast_event_loop_lag_max_seconds"),
    value("holdfast_connections"),
  ];
  return {
    userUs: Math.round(user * 1e6),
    systemUs: Math.round(system * 1e6),
    rssBytes,
    ...(lag === undefined ? {} : { lagUs: Math.round(lag * 1e6) }),
    ...(connections === undefined ? {} : { connections }),
  };
}

/** Undefined when there is no such process (any more). */
export function lookAtProcess(pid: number): Vital | undefined {
  try {
    // After the name, which may hold anything: state is the first field, utime the 12th, stime the
    // 13th.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    const rss = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const us = (field: number) => (Number(fields[field]) * 1e6) / TICKS_PER_SECOND;
    return { userUs: us(11), systemUs: us(12), rssBytes: Number(rss ?? 0) * 1024 };
  } catch {
    return undefined;
  }
}
