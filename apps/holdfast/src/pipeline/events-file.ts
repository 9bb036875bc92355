// Owns: events in files: one JSON text on each line, `#` begins a comment.
import type { OfflineEvent } from "@holdfast/pipelines";

/** Lines of a file at most: all of it is held in memory. */
const EVENTS_MAX = 1_000_000;

/** A line that cannot be used. */
export class EventsFileError extends Error {
  readonly code = "events_file_invalid";
  constructor(message: string) {
    super(message);
    this.name = "EventsFileError";
  }
}

/**
 * A line is an event: `{"value": ..., "channel"?, "params"?, "time"?, "key"?, "user"?}`. `time` is
 * in ms or an ISO 8601 text. `isBare`: a line is the value alone.
 */
export function parseEvents(text: string, file: string, isBare: boolean): OfflineEvent[] {
  const events: OfflineEvent[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const where = `${file}:${index + 1}`;
    let data: unknown;
    try {
      data = JSON.parse(line);
    } catch {
      throw new EventsFileError(`Cannot read ${where}: found no JSON`);
    }
    events.push(isBare ? { value: data } : eventOf(data, where));
    if (events.length > EVENTS_MAX)
      throw new EventsFileError(`Cannot read ${file}: found more than ${EVENTS_MAX} events`);
  }
  return events;
}

function eventOf(data: unknown, where: string): OfflineEvent {
  if (typeof data !== "object" || data === null || !("value" in data))
    throw new EventsFileError(
      `Cannot read ${where}: found no member "value" (--bare: lines are values)`,
    );
  const { value, channel, params, time, key, user } = data as Record<string, unknown>;
  const timeMs = typeof time === "string" ? Date.parse(time) : time;
  if (timeMs !== undefined && !Number.isFinite(timeMs))
    throw new EventsFileError(`Cannot read ${where}: found time ${String(time)}`);
  return {
    value,
    ...(typeof channel === "string" ? { channel } : {}),
    ...(typeof params === "object" && params !== null
      ? { params: params as Readonly<Record<string, string>> }
      : {}),
    ...(timeMs === undefined ? {} : { timeMs: timeMs as number }),
    ...(typeof key === "string" ? { key } : {}),
    ...(typeof user === "string" ? { user } : {}),
  };
}

/** The lines that a run gives: one for each record, then none. Stable, for golden files. */
export function recordLine(record: {
  readonly output: string;
  readonly key: string;
  readonly value: unknown;
}): string {
  const { output, key, value } = record;
  return JSON.stringify({ output, ...(key === "" ? {} : { key }), value });
}
