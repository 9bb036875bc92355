// Owns: application data as JSON text: what a node accepts, and how it stands in a frame.
import { DATA_DEPTH_MAX } from "./limits.ts";

/** Why a node refuses JSON text that does parse, or undefined. `value` is the parsed text, `source` the text as it came when `text` was written anew. */
export function jsonDataProblem(text: string, value: unknown, source = text): string | undefined {
  if (isTooDeep(text)) return TOO_DEEP;
  // A number such as 1e999 parses to Infinity, which no encoding can carry on. Only texts that may hold one are walked.
  return /[eE]\+?\d{3}|\d{300}/.test(source) && hasInfinity(value) ? "a number beyond the range of doubles" : undefined;
}

export const TOO_DEEP = `data nested deeper than ${DATA_DEPTH_MAX} levels`;

/** Whether lists and maps in valid JSON `text` stand inside one another more than DATA_DEPTH_MAX deep. */
export function isTooDeep(text: string): boolean {
  // Each level takes two characters.
  if (text.length <= DATA_DEPTH_MAX * 2) return false;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x22) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > DATA_DEPTH_MAX) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return false;
}

/** Text as it may stand in a frame: a line feed, which valid JSON has between tokens only, would end the frame. */
export const jsonForFrame = (text: string): string => (text.includes("\n") ? text.replaceAll("\n", " ") : text);

/** Index of the quote that ends the string that begins at `start`, or the end of the text. */
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

/** At most DATA_DEPTH_MAX deep: `isTooDeep` was asked before. */
function hasInfinity(value: unknown): boolean {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasInfinity);
}
