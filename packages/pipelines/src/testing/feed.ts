// Owns: running a definition over a list of events, for tests: what leaves it, and its account.
import type { AnyStream } from "../define/builder.ts";
import { type Account, PipelineEngine } from "../engine/engine.ts";
import { type Emitted, unaccounted } from "../engine/run.ts";

export interface Fed {
  readonly value: unknown;
  readonly channel?: string;
  readonly params?: Readonly<Record<string, string>>;
  /** Broker's time; default: far ahead, so that no event time is ahead of it. */
  readonly timeMs?: number;
  /** How long the caller waits before it, for idle channels. */
  readonly afterMs?: number;
}

export interface Feeding {
  readonly engine: PipelineEngine;
  readonly emitted: Emitted[];
  readonly values: unknown[];
  readonly account: Account;
}

const FAR_MS = 1e12;

/**
 * `endsIdle`: behind the last event time runs on until every window has closed. `restartAt`: before
 * the event of that number the engine is saved, and another one goes on from it.
 */
export function feed(
  stream: AnyStream,
  events: readonly Fed[],
  options: { readonly endsIdle?: boolean; readonly restartAt?: readonly number[] } = {},
): Feeding {
  let engine = new PipelineEngine(stream.definition);
  const emitted: Emitted[] = [];
  const channels = new Map<string, Readonly<Record<string, string>>>();
  for (const { channel = "c", params = {} } of events) channels.set(channel, params);
  let nowMs = 0;
  const open = (): void => {
    for (const [channel, params] of channels) engine.source(channel, params, nowMs);
  };
  open();
  for (const [
    offset,
    { value, channel = "c", params = {}, timeMs, afterMs = 0 },
  ] of events.entries()) {
    if (options.restartAt?.includes(offset) === true) {
      const saved = JSON.parse(JSON.stringify(engine.save()));
      engine = new PipelineEngine(stream.definition);
      engine.load(saved);
      open();
    }
    nowMs += afterMs;
    if (afterMs > 0) engine.tick(nowMs);
    const source = [...channels.keys()].indexOf(channel);
    engine.push(
      engine.source(channel, params, nowMs),
      { offset: offset + 1, timeMs: timeMs ?? FAR_MS, value },
      nowMs,
    );
    emitted.push(...engine.take());
    if (source === -1) throw new TypeError(channel);
    check(engine);
  }
  if (options.endsIdle !== false) {
    engine.tick(nowMs + 40 * 86_400_000);
    emitted.push(...engine.take());
  }
  check(engine);
  const account = engine.account();
  return { engine, emitted, values: emitted.map(({ value }) => value), account };
}

function check(engine: PipelineEngine): void {
  const { events, results } = engine.account();
  if (unaccounted(events) !== 0 || unaccounted(results) !== 0)
    throw new RangeError(`unaccounted: ${JSON.stringify({ events, results })}`);
}
