// Owns: the detectors that applications declare.
import { type Duration, durationMs } from "./duration.ts";
import { bounds, type TimeOptions, timeRules } from "./options.ts";
import type { DetectorRules, KeyValue, Of } from "./types.ts";

/** Options of every detector. Events of a key that are older than its newest one are late. */
export interface DetectorOptions<V, P, K extends KeyValue> extends TimeOptions<V, P> {
  /** Each key is looked at by itself. Absent: all are one. */
  readonly key?: Of<V, P, K>;
  /** A key without events for so long is forgotten, default 1 day. */
  readonly forget?: Duration;
  /** Keys at most in one partition, default 10,000. An event of one more is a dead letter. */
  readonly keysMax?: number;
  /** Bytes of state at most in one partition, roughly, default 16 MiB. */
  readonly bytesMax?: number;
}

/** A detector with the types of its events and findings. */
export interface DetectorDefinition<in V, in P, out R> {
  readonly rules: DetectorRules;
  /** Never there: it carries the types. */
  readonly typed?: { readonly takes: (value: V, params: P) => void; readonly gives: R };
}

/** What every finding says: the key, and the event time of what was found. */
export interface FindingOf<K> {
  readonly key: K;
  readonly atMs: number;
}

/** A level was raised or cleared. `sinceMs`: when it first was over the threshold. */
export interface LevelFinding<K> extends FindingOf<K> {
  readonly state: "raised" | "cleared";
  readonly value: number;
  readonly sinceMs: number;
}

/** Nothing came of a key since its event at `sinceMs`; or it is there again. */
export type AbsenceFinding<K> =
  | (FindingOf<K> & { readonly state: "absent"; readonly sinceMs: number })
  | (FindingOf<K> & { readonly state: "present" });

/** All steps happened, at these times. */
export interface SequenceFinding<K> extends FindingOf<K> {
  readonly fromMs: number;
  readonly toMs: number;
  readonly timesMs: readonly number[];
}

/** A threshold on one side, with hysteresis: it clears behind another one. */
type Sides =
  | { readonly above: number; readonly below?: never; readonly clearBelow?: number }
  | { readonly below: number; readonly above?: never; readonly clearAbove?: number };

function sides(options: Sides): { side: "above" | "below"; raise: number; clear: number } {
  return options.above !== undefined
    ? { side: "above", raise: options.above, clear: options.clearBelow ?? options.above }
    : { side: "below", raise: options.below, clear: options.clearAbove ?? options.below };
}

function shared<V, P, K extends KeyValue>(options: DetectorOptions<V, P, K>) {
  return {
    key: options.key,
    forgetMs: durationMs(options.forget ?? "1d", "a detector's time to forget", 1),
    ...timeRules(options),
    ...bounds(options),
  };
}

/** A value goes over (or under) a threshold, and later comes back behind the other one. */
export function threshold<V, P, K extends KeyValue = "">(
  options: DetectorOptions<V, P, K> &
    Sides & {
      readonly value: Of<V, P, number>;
      /** It must stay there for so long, default 0: an event that late raises it. */
      readonly for?: Duration;
    },
): DetectorDefinition<V, P, LevelFinding<K>> {
  const forMs = durationMs(options.for ?? 0, "a threshold's time");
  const { value } = options;
  return { rules: { kind: "threshold", of: value, ...sides(options), forMs, ...shared(options) } };
}

/** A value changes faster than a threshold, from one event of its key to the next. */
export function rateOfChange<V, P, K extends KeyValue = "">(
  options: DetectorOptions<V, P, K> &
    Sides & {
      readonly value: Of<V, P, number>;
      /** The rate is the change in so long, default 1 s. */
      readonly per?: Duration;
    },
): DetectorDefinition<V, P, LevelFinding<K>> {
  const perMs = durationMs(options.per ?? "1s", "a rate's time", 1);
  return {
    rules: { kind: "rate", of: options.value, ...sides(options), perMs, ...shared(options) },
  };
}

/**
 * A key that had events has none any more, as far as the watermark tells; and when it has one
 * again.
 */
export function absence<V, P, K extends KeyValue = "">(
  after: Duration,
  options: DetectorOptions<V, P, K> = {},
): DetectorDefinition<V, P, AbsenceFinding<K>> {
  const afterMs = durationMs(after, "a time of absence", 1);
  return { rules: { kind: "absence", afterMs, ...shared(options) } };
}

/** Events of a key fit the steps one after the other, with any others between them. */
export function sequence<V, P, K extends KeyValue = "">(
  options: DetectorOptions<V, P, K> & {
    readonly steps: readonly Of<V, P, boolean>[];
    readonly within: Duration;
  },
): DetectorDefinition<V, P, SequenceFinding<K>> {
  const withinMs = durationMs(options.within, "a sequence's time", 1);
  return { rules: { kind: "sequence", steps: options.steps, withinMs, ...shared(options) } };
}
