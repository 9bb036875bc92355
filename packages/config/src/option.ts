// Owns: what an option is, and the kinds of values that options have.
import { parseBoolean, parseBytes, parseDurationMs, parseList, parseNumber } from "./values.ts";

/** A refusal of a value. `at` is a path inside the option's value, as in `[0].scopes`. */
export interface Refused {
  readonly at?: string;
  readonly found: unknown;
  readonly allowed: string;
}

export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refused: readonly Refused[] };

/** One row of the table. Its name is its place in the table: `limits.subscriptionsMax`. */
export interface Option<T> {
  readonly isOption: true;
  readonly kind:
    | "integer"
    | "number"
    | "bytes"
    | "duration"
    | "boolean"
    | "text"
    | "choice"
    | "list"
    | "entries"
    | "map";
  readonly default: T;
  readonly unit?: "bytes" | "ms" | "/s";
  /** What is allowed, for people: `1 to 65535`. */
  readonly allowed: string;
  /** Least and largest value, of numbers. */
  readonly range?: { readonly min: number; readonly max: number };
  /** The words that are allowed, of a choice. */
  readonly words?: readonly string[];
  /** True when a running node can take a new value. */
  readonly live: boolean;
  /** Secrets are never printed and have no flag, because a process's arguments are public. */
  readonly secret: boolean;
  readonly description: string;
  /** Reads a value from a file, the environment or a flag (text). Never throws. */
  read(found: unknown): Reading<T>;
  /** A secret value as people may see it, for JSON. Absent: it is hidden as a whole. */
  shown?(value: T): unknown;
}

/** Fields of every kind of row. */
interface Common {
  readonly live?: boolean;
  readonly secret?: boolean;
  readonly description: string;
}

type NumberRow = Common & {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit?: "/s";
};

/** A whole number. */
export function integer(row: NumberRow): Option<number> {
  return numeric("integer", row, (found) => {
    const value = parseNumber(found);
    return value !== undefined && Number.isSafeInteger(value) ? value : undefined;
  });
}

/** A number, fractions allowed. */
export function decimal(row: NumberRow): Option<number> {
  return numeric("number", row, parseNumber);
}

/** A size in bytes; also given as `64KiB`. */
export function bytes(row: NumberRow): Option<number> {
  return { ...numeric("bytes", row, parseBytes), unit: "bytes" };
}

/** A time in whole milliseconds; also given as `30s`. */
export function duration(row: NumberRow): Option<number> {
  return { ...numeric("duration", row, parseDurationMs), unit: "ms" };
}

function numeric(
  kind: Option<number>["kind"],
  row: NumberRow,
  parse: (found: unknown) => number | undefined,
): Option<number> {
  const like =
    kind === "bytes"
      ? ", a number or like 64KiB"
      : kind === "duration"
        ? ", a number of ms or like 30s"
        : "";
  const allowed = `${row.min} to ${row.max}${kind === "integer" ? ", a whole number" : like}`;
  return {
    ...common(row),
    kind,
    default: row.default,
    ...(row.unit === undefined ? {} : { unit: row.unit }),
    allowed,
    range: { min: row.min, max: row.max },
    read(found) {
      const value = parse(found);
      return value !== undefined && value >= row.min && value <= row.max
        ? { ok: true, value }
        : refuse(found, allowed);
    },
  };
}

export function boolean(row: Common & { readonly default: boolean }): Option<boolean> {
  const allowed = "true or false";
  return {
    ...common(row),
    kind: "boolean",
    default: row.default,
    allowed,
    read(found) {
      const value = parseBoolean(found);
      return value === undefined ? refuse(found, allowed) : { ok: true, value };
    },
  };
}

interface TextRow extends Common {
  readonly allowed: string;
  /** Whether a text is valid; default: any that is not empty. */
  readonly check?: (text: string) => boolean;
}

/** Text that has a default. */
export function text(row: TextRow & { readonly default: string }): Option<string> {
  return { ...textual(row), default: row.default };
}

/** Text that may be absent. */
export function optionalText(row: TextRow): Option<string | undefined> {
  return { ...textual(row), default: undefined };
}

function textual(row: TextRow): Omit<Option<string>, "default"> {
  return {
    ...common(row),
    kind: "text",
    allowed: row.allowed,
    read: (found) =>
      typeof found === "string" && found !== "" && (row.check?.(found) ?? true)
        ? { ok: true, value: found }
        : refuse(found, row.allowed),
  };
}

/** One word of a few. */
export function choice<const T extends string>(
  row: Common & { readonly default: NoInfer<T>; readonly of: readonly T[] },
): Option<T> {
  const allowed = row.of.join(", ");
  return {
    ...common(row),
    kind: "choice",
    default: row.default,
    allowed,
    words: row.of,
    read(found) {
      const value = row.of.find((word) => word === found);
      return value === undefined ? refuse(found, allowed) : { ok: true, value };
    },
  };
}

/** A list of texts; in the environment and flags separated by commas. */
export function list<const T extends string = string>(
  row: Common & {
    readonly default: readonly T[];
    readonly allowed: string;
    readonly countMax: number;
    readonly check: (text: string) => text is T;
  },
): Option<readonly T[]> {
  return {
    ...common(row),
    kind: "list",
    default: row.default,
    allowed: `${row.allowed}; at most ${row.countMax}`,
    read(found) {
      const items = parseList(found);
      if (items === undefined) return refuse(found, `a list of ${row.allowed}`);
      if (items.length > row.countMax)
        return refuse(`${items.length} items`, `at most ${row.countMax} items`);
      const value: T[] = [];
      const refused: Refused[] = [];
      for (const [index, item] of items.entries()) {
        if (typeof item === "string" && row.check(item)) value.push(item);
        else refused.push({ at: `[${index}]`, found: item, allowed: row.allowed });
      }
      return refused.length > 0 ? { ok: false, refused } : { ok: true, value };
    },
  };
}

/** A value with a form of its own. */
export function structured<T>(
  row: Common & {
    readonly kind: "entries" | "map";
    readonly default: T;
    readonly allowed: string;
    readonly read: (found: unknown) => Reading<T>;
    /** A secret value as people may see it, for JSON. Absent: it is hidden as a whole. */
    readonly shown?: (value: T) => unknown;
  },
): Option<T> {
  return {
    ...common(row),
    kind: row.kind,
    default: row.default,
    allowed: row.allowed,
    read: row.read,
    ...(row.shown === undefined ? {} : { shown: row.shown }),
  };
}

export function refuse(
  found: unknown,
  allowed: string,
): { readonly ok: false; readonly refused: readonly Refused[] } {
  return { ok: false, refused: [{ found, allowed }] };
}

function common(row: Common): Pick<Option<never>, "isOption" | "live" | "secret" | "description"> {
  return {
    isOption: true,
    live: row.live ?? false,
    secret: row.secret ?? false,
    description: row.description,
  };
}
