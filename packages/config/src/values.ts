// Owns: how values are written in files, the environment and flags: numbers, times, sizes, lists.
// Undefined means: not such a value.

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/**
 * A finite number, or decimal text of one. Hexadecimal, exponents and signs other than minus are
 * refused.
 */
export function parseNumber(found: unknown): number | undefined {
  if (typeof found === "number") return Number.isFinite(found) ? found : undefined;
  return typeof found === "string" && /^-?\d{1,16}(\.\d{1,9})?$/.test(found)
    ? Number(found)
    : undefined;
}

/** Whole milliseconds: a number, or `250ms`, `30s`, `1.5m`, `2h`, `1d`. */
export function parseDurationMs(found: unknown): number | undefined {
  return parseWithUnit(found, /^(\d{1,16}(?:\.\d{1,9})?)(ms|s|m|h|d)$/, DURATION_MS);
}

/**
 * Whole bytes: a number, or `64KiB`, `1MiB` (powers of 1024), `64kB`, `1MB` (powers of 1000),
 * `512B`.
 */
export function parseBytes(found: unknown): number | undefined {
  return parseWithUnit(found, /^(\d{1,16}(?:\.\d{1,9})?) ?(B|kB|MB|GB|KiB|MiB|GiB)$/, SIZE_BYTES);
}

function parseWithUnit(
  found: unknown,
  form: RegExp,
  units: Readonly<Record<string, number>>,
): number | undefined {
  const match = typeof found === "string" ? form.exec(found) : null;
  const value =
    match === null ? parseNumber(found) : Number(match[1]) * (units[match[2] ?? ""] ?? Number.NaN);
  return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
}

/** `true` and `false`, also as text (the environment knows nothing else), and 1 and 0. */
export function parseBoolean(found: unknown): boolean | undefined {
  if (found === true || found === "true" || found === "1") return true;
  if (found === false || found === "false" || found === "0") return false;
  return undefined;
}

/** A list, JSON text of one, or texts separated by commas; empty text is an empty list. */
export function parseList(found: unknown): readonly unknown[] | undefined {
  if (Array.isArray(found)) return found;
  if (typeof found !== "string") return undefined;
  if (found.trim() === "") return [];
  if (!found.trim().startsWith("[")) return found.split(",").map((item) => item.trim());
  const parsed = parseJson(found);
  return Array.isArray(parsed) ? parsed : undefined;
}

/** The value of a JSON text, or undefined. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
