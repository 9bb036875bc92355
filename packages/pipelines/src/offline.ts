// Owns: a pipeline over a list of events, without a node: what it gives, and its account. The same
// list gives the same, always.
import type { PipelineDefinition } from "./define/types.ts";
import { type Account, PipelineEngine } from "./engine/engine.ts";

/** One event of a list. */
export interface OfflineEvent {
  /** Default: the source's pattern, with the parameters' names for their values. */
  readonly channel?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** When the broker took it, in ms. Default: as the event before; the first: the year 2100. */
  readonly timeMs?: number;
  readonly key?: string;
  readonly user?: string;
  readonly value: unknown;
}

/** One record that left the pipeline. */
export interface OfflineRecord {
  /** `results`, `late` or `dead`; of several outputs of one kind, with its number. */
  readonly output: string;
  readonly sink: string;
  readonly key: string;
  readonly timeMs: number;
  readonly value: unknown;
}

export interface OfflineRun {
  readonly records: readonly OfflineRecord[];
  readonly account: Account;
  readonly keys: number;
}

export interface OfflineOptions {
  /** Windows that are open at the end stay open. */
  readonly staysOpen?: boolean;
  /** What `latest` channels hold, by channel and key. */
  readonly tables?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** 2100-01-01: no event time is ahead of it. */
const START_MS = 4_102_444_800_000;
const TICK_MS = 250;
const END_MS = 400 * 86_400_000;

/** Lookups that are functions of an application find nothing here. */
export function runOffline(
  definition: PipelineDefinition,
  events: readonly OfflineEvent[],
  { staysOpen = false, tables = {} }: OfflineOptions = {},
): OfflineRun {
  const engine: PipelineEngine = new PipelineEngine(definition, {
    find: (number, key) => {
      const table = engine.tables[number];
      if (table?.kind !== "latest" || tables[table.channel]?.[key] === undefined) return undefined;
      return { value: tables[table.channel]?.[key] };
    },
  });
  const names = namesOf(engine);
  const records: OfflineRecord[] = [];
  const gather = (): void => {
    for (const { output, key, timeMs, value } of engine.take()) {
      const { name, sink } = names[output] ?? { name: "?", sink: "?" };
      records.push({ output: name, sink, key, timeMs, value });
    }
  };
  const channels = new Map<string, number>();
  let timeMs = events[0]?.timeMs ?? START_MS;
  let tickedMs = timeMs;
  for (const event of events) {
    const { channel = definition.source.pattern, params = {} } = event;
    if (!channels.has(channel)) {
      engine.source(channel, params, timeMs);
      channels.set(channel, 0);
    }
  }
  for (const event of events) {
    const { channel = definition.source.pattern, params = {} } = event;
    timeMs = Math.max(timeMs, event.timeMs ?? timeMs);
    // The broker's times of the events stand for the clock.
    if (timeMs - tickedMs >= TICK_MS) {
      engine.tick(timeMs);
      tickedMs = timeMs;
    }
    const offset = (channels.get(channel) ?? 0) + 1;
    channels.set(channel, offset);
    const source = engine.source(channel, params, timeMs);
    engine.push(source, { ...event, offset, timeMs: event.timeMs ?? timeMs }, timeMs);
    gather();
  }
  if (!staysOpen) {
    engine.tick(timeMs + END_MS);
    gather();
  }
  return { records, account: engine.account(), keys: engine.kept().keys };
}

function namesOf({ outputs }: PipelineEngine): { readonly name: string; readonly sink: string }[] {
  const counts = new Map<string, number>();
  const total = (of: string): number => outputs.filter((output) => output.of === of).length;
  return outputs.map(({ of, sink }) => {
    const number = (counts.get(of) ?? 0) + 1;
    counts.set(of, number);
    const { channel } = sink.options;
    const target = typeof channel === "string" ? ` ${channel}` : "";
    return { name: total(of) > 1 ? `${of} ${number}` : of, sink: `${sink.sink}${target}` };
  });
}
