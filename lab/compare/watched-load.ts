// Owns: a load run with the servers' usage read beside it, and the spans of its phases in the same
// clock.
import {
  type LoadHooks,
  type LoadPlan,
  type LoadResult,
  type PhaseResult,
  runLoad,
} from "@holdfast/load";
import { CompareError } from "./compare-error.ts";
import type { Usage } from "./process-usage.ts";
import { type Cpu, cpuBetween, UsageRecord } from "./usage-record.ts";

export interface Span {
  /** Unix time. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** A finished load run and what a server used meanwhile. */
export class WatchedLoad {
  readonly result: LoadResult;
  readonly #records: ReadonlyMap<string, readonly (Usage & { readonly atMs: number })[]>;

  constructor(
    result: LoadResult,
    records: ReadonlyMap<string, readonly (Usage & { readonly atMs: number })[]>,
  ) {
    this.result = result;
    this.#records = records;
  }

  phase(name: string): PhaseResult {
    const found = this.result.phases.find((phase) => phase.name === name);
    if (found === undefined)
      throw new CompareError(
        "load_failed",
        `Cannot measure: found no phase ${name} in the load's result`,
      );
    return found;
  }

  span(name: string): Span {
    const { startMs, ms } = this.phase(name);
    const fromMs = Date.parse(this.result.startedAt) + startMs;
    return { fromMs, toMs: fromMs + ms };
  }

  /**
   * CPU of the process watched under this name; undefined if it is not a process of this machine.
   */
  cpu(name: string, { fromMs, toMs }: Span): Cpu | undefined {
    return this.#records.has(name) ? cpuBetween(this.#of(name), fromMs, toMs) : undefined;
  }

  /** Least resident memory within the span. */
  leastRssBytes(name: string, { fromMs, toMs }: Span): number {
    const within = this.#of(name).filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
    return Math.min(...within.map(({ rssBytes }) => rssBytes));
  }

  #of(name: string): readonly (Usage & { readonly atMs: number })[] {
    const moments = this.#records.get(name);
    if (moments === undefined)
      throw new CompareError(
        "usage_unknown",
        `Cannot measure: ${name} is not a process of this machine`,
      );
    return moments;
  }
}

const EVERY_MS = 100;
/** Readings continue a little longer, so that they cover the last phase. */
const TAIL_MS = 150;

/** `watched` by name; one that has no usage is left out. */
export async function runWatched(
  plan: LoadPlan,
  watched: Readonly<Record<string, () => Usage | undefined>>,
  hooks: LoadHooks = {},
): Promise<WatchedLoad> {
  const records = Object.entries(watched).flatMap(([name, read]) => {
    const first = read();
    return first === undefined
      ? []
      : [[name, new UsageRecord(() => read() ?? first, EVERY_MS)] as const];
  });
  try {
    const result = await runLoad(plan, hooks);
    await Bun.sleep(TAIL_MS);
    return new WatchedLoad(result, new Map(records.map(([name, record]) => [name, record.stop()])));
  } finally {
    for (const [, record] of records) record.stop();
  }
}
