// Owns: patterns of topics and subjects: `readings.{site}.{device}`. Parts are separated by dots.

/** What the names that a pattern stands for have in its places. */
export interface NamePattern {
  readonly text: string;
  /** Whether it is one name. */
  readonly isPlain: boolean;
  match(name: string): Readonly<Record<string, string>> | undefined;
}

const PART = /^([^{}]*)\{([A-Za-z_][A-Za-z0-9_]*)(\*?)\}([^{}]*)$/;

/**
 * A part holds at most one place, which takes one or more characters but a dot. The last part may
 * be `{name*}`, which takes all that follows. Undefined: it is no pattern.
 */
export function namePattern(text: string): NamePattern | undefined {
  const parts = text.split(".");
  const names: string[] = [];
  let form = "";
  for (const [at, part] of parts.entries()) {
    if (part === "") return undefined;
    const found = PART.exec(part);
    if (found === null && /[{}]/.test(part)) return undefined;
    const [, before = "", name = "", star, behind = ""] = found ?? [];
    if (star === "*" && (at < parts.length - 1 || before !== "" || behind !== "")) return undefined;
    if (found !== null && names.includes(name)) return undefined;
    if (found !== null) names.push(name);
    const place = star === "*" ? "(.+)" : "([^.]+)";
    form += `${at === 0 ? "" : "\\."}${
      found === null ? escaped(part) : `${escaped(before)}${place}${escaped(behind)}`
    }`;
  }
  // Linear: between two places there is always a dot, which places do not take.
  const whole = new RegExp(`^${form}$`, "s");
  return {
    text,
    isPlain: names.length === 0,
    match(name) {
      const found = whole.exec(name);
      if (found === null) return undefined;
      return Object.fromEntries(names.map((one, i) => [one, found[i + 1] ?? ""]));
    },
  };
}

const escaped = (text: string): string => text.replaceAll(/[.*+?^$()|[\]\\{}/-]/g, "\\$&");

/** Those of texts that are right. */
export const namePatterns = (texts: readonly string[]): readonly NamePattern[] =>
  texts.flatMap((text) => namePattern(text) ?? []);

/** What the first pattern that matches finds. */
export function paramsOf(
  patterns: readonly NamePattern[],
  name: string,
): Readonly<Record<string, string>> | undefined {
  for (const pattern of patterns) {
    const found = pattern.match(name);
    if (found !== undefined) return found;
  }
  return undefined;
}
