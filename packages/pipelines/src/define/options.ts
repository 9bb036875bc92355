// Owns: options that windows and detectors have in common, with their defaults.
import { type Duration, durationMs } from "./duration.ts";
import type { KeyBounds, Of, TimeRules } from "./types.ts";

/** How event time is read. */
export interface TimeOptions<V, P> {
  /**
   * Event time: ms since the Unix epoch, or an ISO 8601 text. Absent: when the broker took the
   * event.
   */
  readonly time?: Of<V, P, number | string>;
  /** How long stragglers are waited for, default 0: the watermark is so far behind the newest. */
  readonly lateness?: Duration;
  /**
   * A channel without events for so long does not hold back the others, default 10 s. If all are
   * idle, event time runs on with the clock.
   */
  readonly idle?: Duration;
  /** Events further ahead of the broker's clock are dead letters, default 1 minute. */
  readonly ahead?: Duration;
}

export function timeRules<V, P>(options: TimeOptions<V, P>): TimeRules {
  return {
    time: options.time,
    latenessMs: durationMs(options.lateness ?? 0, "a window's lateness"),
    idleMs: durationMs(options.idle ?? "10s", "the time until a channel is idle", 1),
    aheadMsMax: durationMs(options.ahead ?? "1m", "the limit of times ahead"),
  };
}

export const KEYS_MAX_DEFAULT = 10_000;
export const BYTES_MAX_DEFAULT = 16 * 1024 * 1024;

export function bounds(options: {
  readonly keysMax?: number;
  readonly bytesMax?: number;
}): KeyBounds {
  return {
    keysMax: options.keysMax ?? KEYS_MAX_DEFAULT,
    bytesMax: options.bytesMax ?? BYTES_MAX_DEFAULT,
  };
}
