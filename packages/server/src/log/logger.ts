// Owns: the logger of every program here: one line for each event, JSON or pretty, rate-limited,
// never with secrets.
import { formatJson, formatPretty } from "./format.ts";
import { redact } from "./redact.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

/** One line of the log before it is written. */
export interface LogLine {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/**
 * `event` is snake_case and from a fixed set: it is what people search for, and what the rate limit
 * counts by.
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger whose lines carry these fields as well. Shares the limits. */
  with(fields: LogFields): Logger;
  /**
   * Calls the listener for every line that is suppressed from now on, by any logger that shares the
   * limits; for metrics. At most 16 listeners; further ones are not called.
   */
  onSuppressed(listener: () => void): void;
  /** Writes the counts of suppressed lines. For the end of a program. */
  flush(): void;
}

export interface LoggerOptions {
  /** Gets one line, without its line feed. What it throws is dropped. */
  readonly sink: (line: string) => void;
  /** Default info. */
  readonly level?: LogLevel;
  /** Default json. `pretty` is for people at a terminal. */
  readonly format?: "json" | "pretty";
  /** Only for pretty. Default false. */
  readonly colors?: boolean;
  /**
   * Lines of one event in one window; the rest are counted and told as `log_suppressed`. Default 50
   * in 10 seconds.
   */
  readonly limit?: { readonly linesMax: number; readonly windowMs: number };
  readonly clock?: LogClock;
}

export interface LogClock {
  wallMs(): number;
  nowMs(): number;
  after(delayMs: number, task: () => void): void;
}

const LISTENERS_MAX = 16;
/** Most event names that have their own count; further ones share one count. */
const EVENTS_MAX = 256;

/** A logger. Its methods never throw. */
export function createLogger(options: LoggerOptions): Logger {
  const { clock = systemClock, limit = { linesMax: 50, windowMs: 10_000 } } = options;
  const least = LOG_LEVELS.indexOf(options.level ?? "info");
  const format =
    options.format === "pretty"
      ? (line: LogLine) => formatPretty(line, options.colors ?? false)
      : formatJson;
  const write = (level: LogLevel, event: string, bound: LogFields, fields?: LogFields): void => {
    try {
      options.sink(
        format({
          timeMs: clock.wallMs(),
          level,
          event,
          fields: { ...redact(bound), ...redact(fields ?? {}) },
        }),
      );
    } catch {
      // If the log cannot be written, the program must still run.
    }
  };
  const gate = createGate(limit, clock, (event, count) =>
    write("warn", "log_suppressed", { of: event, count }),
  );
  const listeners: (() => void)[] = [];
  const build = (bound: LogFields): Logger => {
    const log = (level: LogLevel) => (event: string, fields?: LogFields) => {
      if (LOG_LEVELS.indexOf(level) < least) return;
      if (gate.admits(event)) write(level, event, bound, fields);
      else for (const listener of listeners) listener();
    };
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
      with: (fields) => build({ ...bound, ...fields }),
      onSuppressed: (listener) => {
        if (listeners.length < LISTENERS_MAX) listeners.push(listener);
      },
      flush: gate.flush,
    };
  };
  return build({});
}

interface Count {
  startedAtMs: number;
  written: number;
  suppressed: number;
}

/**
 * Counts lines by event in fixed windows. Each window with suppressed lines is reported once, at
 * its end.
 */
function createGate(
  limit: { linesMax: number; windowMs: number },
  clock: LogClock,
  tell: (event: string, count: number) => void,
) {
  const counts = new Map<string, Count>();
  const report = (event: string, count: Count): void => {
    if (count.suppressed > 0) tell(event, count.suppressed);
    count.suppressed = 0;
  };
  return {
    admits(event: string): boolean {
      const name = counts.has(event) || counts.size < EVENTS_MAX ? event : "other";
      const nowMs = clock.nowMs();
      const count = counts.get(name) ?? { startedAtMs: nowMs, written: 0, suppressed: 0 };
      counts.set(name, count);
      if (nowMs - count.startedAtMs >= limit.windowMs) {
        report(name, count);
        count.startedAtMs = nowMs;
        count.written = 0;
      }
      if (count.written < limit.linesMax) {
        count.written += 1;
        return true;
      }
      // One timer for each event and window, started by the first suppressed line.
      if (count.suppressed === 0)
        clock.after(limit.windowMs - (nowMs - count.startedAtMs), () => report(name, count));
      count.suppressed += 1;
      return false;
    },
    flush(): void {
      for (const [event, count] of counts) report(event, count);
    },
  };
}

const systemClock: LogClock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  // A count of suppressed lines must not keep a program alive; flush writes it at the end.
  after: (delayMs, task) => void setTimeout(task, delayMs).unref(),
};
