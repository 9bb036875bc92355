// Owns: keys as texts, and what a result knows of its key.
import type { KeyValue } from "../define/types.ts";

/** Longest key, as text, in UTF-16 units. */
const KEY_LENGTH_MAX = 256;

/**
 * One text for each key, and different ones for different keys: a text is itself, anything else
 * begins with a control character. Undefined if it is no key.
 */
export function keyText(key: unknown): string | undefined {
  if (typeof key === "string")
    return key.length <= KEY_LENGTH_MAX
      ? key < "\u0003" && key !== ""
        ? `\u0002${key}`
        : key
      : undefined;
  if (typeof key === "number") return Number.isFinite(key) ? `\u0000${key}` : undefined;
  if (typeof key !== "object" || key === null || Array.isArray(key)) return undefined;
  for (const part of Object.values(key))
    if (typeof part !== "string" && !(typeof part === "number" && Number.isFinite(part)))
      return undefined;
  const text = `\u0001${JSON.stringify(key)}`;
  return text.length <= KEY_LENGTH_MAX ? text : undefined;
}

/** The key that has this text. */
export function keyOf(text: string): KeyValue {
  if (!(text < "\u0003") || text === "") return text;
  const rest = text.slice(1);
  if (text.startsWith("\u0000")) return Number(rest);
  return text.startsWith("\u0001") ? (JSON.parse(rest) as KeyValue) : rest;
}

/** For people, for sinks: parts are joined with a slash. */
export function keyName(key: KeyValue): string {
  return typeof key === "object" ? Object.values(key).join("/") : String(key);
}

/** For templates: parts of the key, or the key itself as `key`. */
export function keyParams(key: KeyValue): Readonly<Record<string, string>> {
  if (typeof key !== "object") return { key: String(key) };
  return Object.fromEntries(Object.entries(key).map(([part, value]) => [part, String(value)]));
}
