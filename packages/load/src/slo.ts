// Owns: service level objectives: reading `p99<100ms,lost=0`, and judging a result by them. Pure.
import { LoadError } from "./load-error.ts";
import { COUNT_KINDS, type CountKind, TIME_KINDS, type TimeKind } from "./recorder.ts";
import { type LoadResult, sum } from "./result.ts";

type Operator = "<" | "<=" | "=" | ">=" | ">";

/** One objective: the value of `name` compared with a limit, in µs for times. */
export interface Slo {
  readonly name: string;
  readonly operator: Operator;
  readonly limit: number;
  /** As it was given. */
  readonly text: string;
}

/** An objective and what was found. */
export interface SloVerdict {
  readonly text: string;
  readonly found: string;
  readonly isMet: boolean;
}

const PERCENTILES: Readonly<Record<string, "p50Us" | "p90Us" | "p99Us" | "p999Us" | "maxUs">> = {
  p50: "p50Us",
  p90: "p90Us",
  p99: "p99Us",
  "p99.9": "p999Us",
  max: "maxUs",
};
const UNIT_US: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000, m: 60_000_000 };
const OTHERS = ["lost", "unanswered", "errors", "absent"] as const;
const RATES: readonly CountKind[] = ["delivered", "sent", "pongs", "handshakes"];
const SHAPE = /^([\w./]+)\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m)?$/;
const SLOS_MAX = 50;

/** What `--slo` may name, for people. */
export const SLO_NAMES = `p50, p90, p99, p99.9, max (of deliveries, else round trips, else handshakes; or ${TIME_KINDS.map((kind) => `${kind}.p99`).join(", ")}); ${[...OTHERS, "errors.NAME", ...COUNT_KINDS].join(", ")}; ${RATES.map((kind) => `${kind}/s`).join(", ")}`;

/**
 * Reads objectives separated by commas. Throws a LoadError `slo_invalid` that names the one that is
 * wrong.
 */
export function readSlos(text: string): readonly Slo[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length > SLOS_MAX)
    throw new LoadError(
      "slo_invalid",
      `Cannot read the SLO: found ${parts.length} objectives, expected at most ${SLOS_MAX}`,
    );
  return parts.map(readSlo);
}

function readSlo(text: string): Slo {
  const refuse = (found: string, expected: string) =>
    new LoadError(
      "slo_invalid",
      `Cannot read the SLO ${text}: found ${found}, expected ${expected}`,
    );
  const [, name = "", operator = "", number = "", unit] = SHAPE.exec(text) ?? [];
  if (name === "")
    throw refuse(text === "" ? "nothing" : `"${text}"`, "a comparison such as p99<100ms or lost=0");
  const isTime = percentileOf(name) !== undefined;
  if (!isTime && !isCount(name)) throw refuse(name, SLO_NAMES);
  if (isTime && unit === undefined) throw refuse(`${number} without a unit`, "us, ms, s or m");
  if (!isTime && unit !== undefined) throw refuse(`${number}${unit}`, "a number without a unit");
  return {
    name,
    operator: operator as Operator,
    limit: Number(number) * (unit === undefined ? 1 : (UNIT_US[unit] ?? 1)),
    text,
  };
}

/** Judges each objective. An objective on something that was not measured is not met. */
export function judge(
  slos: readonly Slo[],
  result: Pick<LoadResult, "total" | "lost" | "unanswered" | "phases">,
): readonly SloVerdict[] {
  return slos.map(({ name, operator, limit, text }) => {
    const value = measuredValue(name, result);
    if (value === undefined) return { text, found: "nothing measured", isMet: false };
    const found =
      percentileOf(name) === undefined ? String(Math.round(value * 10) / 10) : timeText(value);
    return { text, found, isMet: compare(value, operator, limit) };
  });
}

/** Which times a run is about: those of a percentile without a name before it. */
export function mainTimes(total: LoadResult["total"]): TimeKind | undefined {
  return (["delivery", "ping", "handshake"] as const).find(
    (kind) => (total.times[kind]?.count ?? 0) > 0,
  );
}

/** A time for people. */
export function timeText(us: number): string {
  if (us < 1_000) return `${Math.round(us)} µs`;
  if (us < 1_000_000) return `${(us / 1_000).toFixed(us < 10_000 ? 2 : 1)} ms`;
  return `${(us / 1_000_000).toFixed(2)} s`;
}

function measuredValue(
  name: string,
  { total, lost, unanswered, phases }: Pick<LoadResult, "total" | "lost" | "unanswered" | "phases">,
): number | undefined {
  const percentile = percentileOf(name);
  if (percentile !== undefined) {
    const kind = percentile.kind ?? mainTimes(total);
    return kind === undefined ? undefined : total.times[kind]?.[percentile.field];
  }
  if (name === "lost") return lost;
  if (name === "unanswered") return unanswered;
  if (name === "absent")
    return Math.max(
      0,
      ...phases.filter((phase) => phase.do !== "hold").map(({ absent }) => absent),
    );
  if (name === "errors") return sum(Object.values(total.errors), (count) => count);
  if (name.startsWith("errors.")) return total.errors[name.slice("errors.".length)] ?? 0;
  const kind = COUNT_KINDS.find((known) => name === known || name === `${known}/s`);
  if (kind === undefined) return undefined;
  if (name === kind) return total.counts[kind];
  // Only over phases in which it happened: a ramp has no deliveries to average over.
  const busy = phases.filter(({ isMeasured, counts }) => isMeasured && counts[kind] > 0);
  return busy.length === 0
    ? 0
    : (sum(busy, ({ counts }) => counts[kind]) * 1000) / sum(busy, ({ ms }) => ms);
}

function percentileOf(
  name: string,
):
  | { readonly kind?: TimeKind; readonly field: "p50Us" | "p90Us" | "p99Us" | "p999Us" | "maxUs" }
  | undefined {
  const alone = PERCENTILES[name];
  if (alone !== undefined) return { field: alone };
  const kind = TIME_KINDS.find((known) => name.startsWith(`${known}.`));
  const field = kind === undefined ? undefined : PERCENTILES[name.slice(kind.length + 1)];
  return kind === undefined || field === undefined ? undefined : { kind, field };
}

function isCount(name: string): boolean {
  if (OTHERS.some((known) => known === name) || /^errors\.\w{1,64}$/.test(name)) return true;
  return COUNT_KINDS.some((kind) => kind === name) || RATES.some((kind) => `${kind}/s` === name);
}

function compare(value: number, operator: Operator, limit: number): boolean {
  switch (operator) {
    case "<":
      return value < limit;
    case "<=":
      return value <= limit;
    case "=":
      return value === limit;
    case ">=":
      return value >= limit;
    case ">":
      return value > limit;
  }
}
