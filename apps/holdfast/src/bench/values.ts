// Owns: reading the values of `holdfast bench`: numbers, times, addresses, each refused with what
// was expected.
import { InvalidArgumentError } from "commander";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const SOURCES_MAX = 1_000;

/** A whole number in a range, for commander. */
export const whole =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d{1,12}$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `Expected a whole number from ${least} to ${most.toLocaleString("en")}.`,
    );
  };

/** A number in a range. */
export const decimal =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d{1,12}(\.\d{1,6})?$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(
      `Expected a number from ${least} to ${most.toLocaleString("en")}.`,
    );
  };

/** A time in ms, as in 500ms, 10s, 5m, 1h. */
export const time =
  (leastMs: number, mostMs: number) =>
  (text: string): number => {
    const [, number = "", unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? [];
    const ms = Number(number) * (UNIT_MS[unit] ?? Number.NaN);
    if (number !== "" && ms >= leastMs && ms <= mostMs) return ms;
    throw new InvalidArgumentError(
      `Expected a time like 500ms, 10s or 5m, from ${leastMs} ms to ${mostMs / 3_600_000} h.`,
    );
  };

/** Adds local addresses: one, or a range of the last number as in 127.0.0.1-127.0.0.4. */
export function sources(text: string, all: readonly string[]): readonly string[] {
  const [, net = "", first = "", last = first] =
    /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.)(\d{1,3})(?:-\1(\d{1,3}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  const isIpv6 = /^[0-9a-f:]*:[0-9a-f:]*$/i.test(text);
  if (!isIpv6 && (net === "" || from > to || to > 255))
    throw new InvalidArgumentError(
      "Expected an address of this machine, or a range as in 127.0.0.1-127.0.0.4.",
    );
  const added = isIpv6
    ? [text]
    : Array.from({ length: to - from + 1 }, (_, place) => `${net}${from + place}`);
  if (all.length + added.length > SOURCES_MAX)
    throw new InvalidArgumentError(`Expected at most ${SOURCES_MAX} addresses.`);
  return [...all, ...added];
}

/** Adds an http: or https: URL. */
export function httpUrl(text: string, all: readonly string[]): readonly string[] {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("Expected an http: or https: URL.");
  return [...all, text];
}

/** Adds the id of a process. */
export const pid = (text: string, all: readonly number[]): readonly number[] => [
  ...all,
  whole(1, 4_194_304)(text),
];

/** A ws: or wss: URL without a user and password. */
export function wsUrl(text: string, all: readonly string[]): readonly string[] {
  if (!/^wss?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("Expected a ws: or wss: URL.");
  if (new URL(text).username !== "")
    throw new InvalidArgumentError(
      "Expected a URL without a user: tokens come from --token-file or HOLDFAST_BENCH_TOKEN.",
    );
  return [...all, text];
}
