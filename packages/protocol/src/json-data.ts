// Owns: application data as JSON text: what a node accepts, and how it stands in a frame.
import { DATA_DEPTH_MAX } from "./limits.ts";

export const TOO_DEEP = `data nested deeper than ${DATA_DEPTH_MAX} levels`;

/**
 * Why a node refuses JSON text that does parse, or undefined. `value` is the parsed text, `source`
 * the text as it came when `text` was written anew.
 */
export function jsonDataProblem(text: string, value: unknown, source = text): string | undefined {
  const found = scan(text);
  if (found.isDeep) return TOO_DEEP;
  // A number such as 1e999 parses to Infinity, which no encoding can carry on. Only texts that may
  // hold one are walked.
  const hasHugeNumber = source === text ? found.hasHugeNumber : scan(source).hasHugeNumber;
  return hasHugeNumber && hasInfinity(value) ? "a number beyond the range of doubles" : undefined;
}

/**
 * Text as it may stand in a frame: a line feed, which valid JSON has between tokens only, would end
 * the frame.
 */
export const jsonForFrame = (text: string): string =>
  text.includes("\n") ? text.replaceAll("\n", " ") : text;

/** What a look at the tokens of valid JSON text says. */
interface Scan {
  /** Lists and maps stand inside one another more than DATA_DEPTH_MAX deep. */
  readonly isDeep: boolean;
  /**
   * A number may be beyond 10^308: it has an exponent of three digits, or this many digits in a
   * row.
   */
  readonly hasHugeNumber: boolean;
}

const PLAIN: Scan = { isDeep: false, hasHugeNumber: false };
const HUGE: Scan = { isDeep: false, hasHugeNumber: true };
const DEEP: Scan = { isDeep: true, hasHugeNumber: true };
/** With an exponent of two digits, fewer stay below 10^308. */
const DIGITS_MAX = 200;

function scan(text: string): Scan {
  // Too short for the depth (a level takes two characters) and for the digits.
  if (text.length < DIGITS_MAX) return /[eE]\+?\d{3}/.test(text) ? HUGE : PLAIN;
  let depth = 0;
  let digits = 0;
  let result = PLAIN;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x30 && unit <= 0x39) {
      if (++digits === DIGITS_MAX) result = HUGE;
      continue;
    }
    digits = 0;
    if (unit === 0x22) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > DATA_DEPTH_MAX) return DEEP;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
    else if ((unit | 0x20) === 0x65 && /^.\+?\d{3}/.test(text.slice(i, i + 5))) result = HUGE;
  }
  return result;
}

/** Index of the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === 0x5c) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/** At most DATA_DEPTH_MAX deep: `scan` went before. */
function hasInfinity(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasInfinity);
}
