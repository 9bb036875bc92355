// Owns: numbers, times and values of the page of pipelines as people read them.

/** Whole, with a decimal below 10 if it is none, and short from 100,000 on. */
export function count(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} G`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e5) return `${Math.round(value / 1e3)} k`;
  if (value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return Math.round(value).toLocaleString("en-US");
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return `${(ms / 3_600_000).toFixed(1)} h`;
}

export function bytes(value: number): string {
  if (value < 1_024) return `${value} B`;
  if (value < 1_048_576) return `${(value / 1_024).toFixed(1)} KiB`;
  return `${(value / 1_048_576).toFixed(1)} MiB`;
}

/** Time of day. */
export const timeOfDay = (ms: number): string =>
  Number.isFinite(ms) ? (new Date(ms).toISOString().split("T")[1]?.slice(0, 8) ?? "") : "";

/** What stands elsewhere in the row. */
const ELSEWHERE = new Set(["key", "fromMs", "toMs"]);

/** A record's value as `name value` pairs; what is no object, or was cut, as it is. */
export function valueWords(text: string): readonly (readonly [string, string])[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [["", text]];
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [["", text]];
  return Object.entries(value)
    .filter(([name]) => !ELSEWHERE.has(name))
    .slice(0, 12)
    .map(([name, one]) => [name, wordOf(one)] as const);
}

function wordOf(value: unknown): string {
  if (typeof value === "number")
    return Number.isInteger(value) ? String(value) : value.toPrecision(4);
  if (typeof value === "string") return value.slice(0, 80);
  return (JSON.stringify(value) ?? "null").slice(0, 80);
}

/** A key of parts is JSON: only its values are shown. */
export function keyWords(key: string): string {
  if (!key.startsWith("{")) return key;
  try {
    return Object.values(JSON.parse(key) as object).join(" · ");
  } catch {
    return key;
  }
}
