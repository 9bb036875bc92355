// Owns: durations and times as people write them.
import { PipelineError } from "../pipeline-error.ts";

/** Milliseconds, or a number with a unit: `250ms`, `10s`, `5m`, `2h`, `1d`. */
export type Duration = number | `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Windows and limits of time are shorter. */
const DURATION_MS_MAX = 366 * 86_400_000;

/** Whole milliseconds from 0 (or `min`) to a year. Throws a PipelineError "definition". */
export function durationMs(duration: Duration | string, what: string, min = 0): number {
  const match =
    typeof duration === "string" ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null;
  const ms =
    typeof duration === "number"
      ? duration
      : Number(match?.[1]) * (UNITS_MS[match?.[2] ?? ""] ?? 0);
  if (Number.isInteger(ms) && ms >= min && ms <= DURATION_MS_MAX) return ms;
  throw new PipelineError(
    "definition",
    `Cannot use ${what}: found ${JSON.stringify(duration)}, expected whole milliseconds from ` +
      `${min} to a year, or a text like "10s"`,
  );
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?$/;
const LIMITS = [12, 31, 23, 59, 60];

/**
 * Milliseconds since the Unix epoch of an ISO 8601 time, such as `2026-11-30T12:00:00.5Z`; without
 * a zone it is UTC. Undefined if the text is none. Days that a month does not have run on.
 */
export function isoMs(text: string): number | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [, ...parts] = match;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts
    .slice(0, 6)
    .map((part) => Number(part ?? 0));
  const within = [month, day, hour, minute, second].every((n, i) => n <= (LIMITS[i] ?? 0));
  if (!within || month < 1 || day < 1) return undefined;
  const fraction = Math.floor(Number(`0.${parts[6] ?? 0}`) * 1000);
  const days = daysFromCivil(year, month, day);
  return (
    days * 86_400_000 +
    hour * 3_600_000 +
    minute * 60_000 +
    second * 1000 +
    fraction -
    zoneMs(parts[7])
  );
}

function zoneMs(zone: string | undefined): number {
  if (zone === undefined || zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return (zone.startsWith("-") ? -1 : 1) * minutes * 60_000;
}

/** Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible dates"). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
  );
}
