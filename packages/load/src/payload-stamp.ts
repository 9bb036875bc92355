// Owns: the mark in every payload of a load run: its writer, its number, its intended time. It is
// found and read without parsing.

/**
 * What a mark says. `stream` numbers the writer's streams over the whole run; `n` counts from 0 in
 * each.
 */
export interface Mark {
  run: number;
  stream: number;
  n: number;
  /** µs since the Unix epoch. */
  intendedUs: number;
}

const START = "@hf1.";
const START_BYTES = Buffer.from(START);
const RUN_DIGITS = 4;
const STREAM_DIGITS = 6;
const N_DIGITS = 8;
const TIME_DIGITS = 13;
/** Length of a mark: ASCII, nothing that JSON escapes. */
export const MARK_BYTES = START.length + RUN_DIGITS + STREAM_DIGITS + N_DIGITS + TIME_DIGITS;
export const STREAMS_MAX = 16 ** STREAM_DIGITS;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** The mark as text. A number that does not fit its digits wraps. */
export function markText({ run, stream, n, intendedUs }: Readonly<Mark>): string {
  return `${START}${hex(run % 16 ** RUN_DIGITS, RUN_DIGITS)}${hex(stream, STREAM_DIGITS)}${hex(n % 16 ** N_DIGITS, N_DIGITS)}${hex(intendedUs, TIME_DIGITS)}`;
}

/** The start of the next whole mark between `from` and `to`, or -1. */
export function findMark(bytes: Buffer, from: number, to: number): number {
  const at = bytes.indexOf(START_BYTES, from);
  return at === -1 || at + MARK_BYTES > to ? -1 : at;
}

/** Reads the mark at `at` into `mark`; false when it is none. */
export function readMark(bytes: Uint8Array, at: number, mark: Mark): boolean {
  let from = at + START.length;
  mark.run = digits(bytes, from, RUN_DIGITS);
  from += RUN_DIGITS;
  mark.stream = digits(bytes, from, STREAM_DIGITS);
  from += STREAM_DIGITS;
  mark.n = digits(bytes, from, N_DIGITS);
  from += N_DIGITS;
  mark.intendedUs = digits(bytes, from, TIME_DIGITS);
  return mark.run >= 0 && mark.stream >= 0 && mark.n >= 0 && mark.intendedUs >= 0;
}

/** Hexadecimal digits as a number, or -1. Times take 51 bits: no bit operations. */
function digits(bytes: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const code = bytes[at] ?? 0;
    if (code >= 48 && code <= 57) value = value * 16 + code - 48;
    else if (code >= 97 && code <= 102) value = value * 16 + code - 87;
    else return -1;
  }
  return value;
}

/**
 * Builds payloads of one size: `{"mark":"…","fill":"…"}`, or the user's template, which has
 * `{mark}` once.
 */
export function payloadMaker(options: {
  readonly bytes: number;
  readonly template?: string;
}): (mark: string) => string {
  const template = options.template ?? `{"mark":"{mark}","fill":"{fill}"}`;
  const without = template.replace("{mark}", "").replace("{fill}", "");
  const fill = "x".repeat(Math.max(0, options.bytes - Buffer.byteLength(without) - MARK_BYTES));
  const [before = "", after = ""] = template.replace("{fill}", fill).split("{mark}");
  return (mark) => before + mark + after;
}
