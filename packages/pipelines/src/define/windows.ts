// Owns: the windows that applications declare.
import { type Duration, durationMs } from "./duration.ts";
import { bounds, type TimeOptions, timeRules } from "./options.ts";
import type { KeyValue, Of, WindowRules, WindowShape } from "./types.ts";

/** Options of every window. `K` is the type of the key. */
export interface WindowOptions<V, P, K extends KeyValue> extends TimeOptions<V, P> {
  /** Each key has windows of its own. Absent: one key for all. */
  readonly key?: Of<V, P, K>;
  /** Keys at most in one partition, default 10,000. An event of one more is a dead letter. */
  readonly keysMax?: number;
  /** Bytes of state at most in one partition, roughly, default 16 MiB. */
  readonly bytesMax?: number;
}

/** A window with the types of its events and keys. */
export interface WindowDefinition<in V, in P, out K extends KeyValue> {
  readonly rules: WindowRules;
  /** Never there: it carries the types. */
  readonly typed?: { readonly takes: (value: V, params: P) => void; readonly key: K };
}

function define<V, P, K extends KeyValue>(
  shape: WindowShape,
  options: WindowOptions<V, P, K>,
): WindowDefinition<V, P, K> {
  return { rules: { shape, key: options.key, ...timeRules(options), ...bounds(options) } };
}

/** Windows of one size, side by side, aligned to the Unix epoch. */
export function tumbling<V, P, K extends KeyValue = "">(
  size: Duration,
  options: WindowOptions<V, P, K> = {},
): WindowDefinition<V, P, K> {
  return define({ kind: "tumbling", sizeMs: durationMs(size, "a window's size", 1) }, options);
}

/** Windows of one size, one `every` so often. An event is in up to size / every, at most 100. */
export function hopping<V, P, K extends KeyValue = "">(
  size: Duration,
  every: Duration,
  options: WindowOptions<V, P, K> = {},
): WindowDefinition<V, P, K> {
  const sizeMs = durationMs(size, "a window's size", 1);
  return define({ kind: "hopping", sizeMs, everyMs: durationMs(every, "a hop", 1) }, options);
}

/**
 * A result for each event: of the key's events in the `size` that ends with it, itself included. It
 * comes when the watermark reaches the event.
 */
export function sliding<V, P, K extends KeyValue = "">(
  size: Duration,
  options: WindowOptions<V, P, K> & {
    /** Events of one key at most in a window, default 1,000. One more is a dead letter. */
    readonly eventsMax?: number;
  } = {},
): WindowDefinition<V, P, K> {
  const sizeMs = durationMs(size, "a window's size", 1);
  return define({ kind: "sliding", sizeMs, eventsMax: options.eventsMax ?? 1000 }, options);
}

/** Events of a key with less than `gap` between them. */
export function session<V, P, K extends KeyValue = "">(
  gap: Duration,
  options: WindowOptions<V, P, K> & {
    /** A session that would be longer is cut, default 1 day. */
    readonly longest?: Duration;
  } = {},
): WindowDefinition<V, P, K> {
  const gapMs = durationMs(gap, "a session's gap", 1);
  const longestMs = durationMs(options.longest ?? "1d", "the longest session", 1);
  return define({ kind: "session", gapMs, longestMs: Math.max(longestMs, gapMs) }, options);
}

/** Every `events` events of a key, as they come. No event is late. */
export function counting<V, P, K extends KeyValue = "">(
  events: number,
  options: WindowOptions<V, P, K> & {
    /** A key without events for so long gives its result as it is, default 1 hour. */
    readonly forget?: Duration;
  } = {},
): WindowDefinition<V, P, K> {
  const forgetMs = durationMs(options.forget ?? "1h", "a window's time to forget", 1);
  return define({ kind: "counting", events, forgetMs }, options);
}
