// Owns: reading maps from outside without trusting their keys, and finding the name that was
// probably meant.
import type { Refused } from "./option.ts";

/**
 * The entries of a plain map (object or Map with text keys), or undefined when it is none.
 * Inherited members do not count.
 */
export function entriesOf(found: unknown): ReadonlyMap<string, unknown> | undefined {
  if (found instanceof Map)
    return [...found.keys()].every((key) => typeof key === "string") ? found : undefined;
  if (typeof found !== "object" || found === null || Array.isArray(found)) return undefined;
  return new Map(Object.entries(found));
}

/** One refusal for each key that is not known. */
export function unknownKeys(
  fields: ReadonlyMap<string, unknown>,
  known: readonly string[],
  at: string,
): readonly Refused[] {
  return [...fields.keys()]
    .filter((key) => !known.includes(key))
    .map((key) => ({
      at: `${at}.${key}`,
      found: "an unknown key",
      allowed: meant(key, known) ?? known.join(", "),
    }));
}

function meant(name: string, known: readonly string[]): string | undefined {
  const nearest = nearestName(name, known);
  return nearest === undefined ? undefined : `did you mean ${nearest}?`;
}

/**
 * The known name that an unknown one may stand for: one with nearly the same spelling, or the same
 * word in a section.
 */
export function suggestion(name: string, names: readonly string[], page: string): string {
  const nearest = nearestName(name, names) ?? names.find((known) => known.endsWith(`.${name}`));
  return nearest === undefined ? `an option of ${page}` : `did you mean ${nearest}?`;
}

/**
 * The known name with the fewest edits from `name`, if that is a plausible misspelling (edits at
 * most a third of its length, at least 2).
 */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestEdits = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const edits = editsBetween(name.toLowerCase(), candidate.toLowerCase(), bestEdits);
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** Levenshtein distance; stops at `limit`. */
function editsBetween(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? limit;
}
