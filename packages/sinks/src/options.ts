// Owns: checking the options of a definition, which may come from YAML: one row for each option.

type Found = Readonly<Record<string, unknown>>;

/** What an option may be. */
export interface OptionRule {
  /** What is expected, in words; behind "expected". */
  readonly expected: string;
  readonly isRight: (value: unknown) => boolean;
  readonly isNeeded?: boolean;
}

export type OptionRules = Readonly<Record<string, OptionRule>>;

/** Each fault as one text. Values are not repeated: they may hold a password that is misplaced. */
export function problemsOf(
  kind: string,
  rules: OptionRules,
  options: Found,
  what: "sink" | "source" = "sink",
): readonly string[] {
  const told = (found: string, expected: string): string =>
    `Cannot use ${what} ${kind}: found ${found}, expected ${expected}`;
  const names = Object.keys(rules);
  const unknown = Object.keys(options)
    .filter((name) => !names.includes(name))
    .map((name) => told(`the option ${JSON.stringify(name.slice(0, 40))}`, names.join(", ")));
  const wrong = Object.entries(rules).flatMap(([name, { expected, isRight, isNeeded = false }]) => {
    const value = options[name];
    if (value === undefined) return isNeeded ? [told(`no ${name}`, expected)] : [];
    return isRight(value) ? [] : [told(`${name} that is ${kindOf(value)}`, expected)];
  });
  return [...unknown, ...wrong];
}

const kindOf = (value: unknown): string => {
  if (value === null) return "null";
  if (typeof value === "string") return `a text of ${value.length} characters`;
  if (typeof value === "number") return `the number ${value}`;
  return Array.isArray(value) ? `a list of ${value.length}` : `a ${typeof value}`;
};

export const needed = (rule: OptionRule): OptionRule => ({ ...rule, isNeeded: true });

/** A text of a form. */
export const text = (expected: string, form: RegExp = /^[^\0]{1,1000}$/s): OptionRule => ({
  expected,
  isRight: (value) => typeof value === "string" && form.test(value),
});

/** Name of a variable of the environment, which holds what must not stand in a file. */
export const secretName: OptionRule = text(
  "the name of a variable of the environment",
  /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
);

export const whole = (least: number, most: number): OptionRule => ({
  expected: `a whole number from ${least} to ${most}`,
  isRight: (value) => Number.isInteger(value) && Number(value) >= least && Number(value) <= most,
});

export const flag: OptionRule = {
  expected: "true or false",
  isRight: (value) => typeof value === "boolean",
};

export const oneOf = (...words: readonly string[]): OptionRule => ({
  expected: words.join(" or "),
  isRight: (value) => typeof value === "string" && words.includes(value),
});

/** A list of texts, one at least. */
export const texts = (expected: string, form: RegExp, most = 50): OptionRule => ({
  expected,
  isRight: (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= most &&
    value.every((one) => typeof one === "string" && form.test(one)),
});

/** Named texts. */
export const named = (expected: string, name: RegExp, form: RegExp): OptionRule => ({
  expected,
  isRight: (value) =>
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).length <= 50 &&
    Object.entries(value).every(
      ([key, one]) => name.test(key) && typeof one === "string" && form.test(one),
    ),
});
