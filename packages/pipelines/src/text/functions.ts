// Owns: what expressions can call, and what they do with members and values.
import { RE2JS } from "@bufbuild/re2";
import { isoMs } from "../define/duration.ts";

/** The data does not fit the expression: its event becomes a dead letter. */
export class ExpressionError extends Error {
  readonly code = "expression";
  constructor(message: string) {
    super(message);
    this.name = "ExpressionError";
  }
}

export function fail(message: string): never {
  throw new ExpressionError(message);
}

export function isTrue(value: unknown): boolean {
  return typeof value === "boolean"
    ? value
    : fail(`found ${kindOf(value)}, expected true or false`);
}

/** An own member of an object, or an item of a list. */
export function member(object: unknown, name: unknown): unknown {
  if (Array.isArray(object)) {
    if (Number.isInteger(name) && (name as number) >= 0 && (name as number) < object.length)
      return object[name as number];
    return fail(`there is no item ${String(name)}`);
  }
  if (typeof object === "object" && object !== null && Object.hasOwn(object, String(name)))
    return (object as Record<string, unknown>)[String(name)];
  return fail(`there is no "${String(name)}" in ${kindOf(object)}`);
}

/** Of values of one kind; lists and objects by what is in them. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  return (
    keys.length === others.length &&
    keys.every(
      (key) =>
        Object.hasOwn(b, key) &&
        equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
    )
  );
}

type Call = (...args: unknown[]) => unknown;

const kindOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;

function number(value: unknown): number {
  return typeof value === "number" ? value : fail(`found ${kindOf(value)}, expected a number`);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : fail(`found ${kindOf(value)}, expected a text`);
}

const finite = (value: number): number =>
  Number.isFinite(value) ? value : fail("the result is no finite number");

const TEXT_MAX = 100_000;

function add(a: unknown, b: unknown): unknown {
  if (typeof a === "number" && typeof b === "number") return finite(a + b);
  if (typeof a === "string" && typeof b === "string")
    return a.length + b.length <= TEXT_MAX ? a + b : fail("the text is too long");
  if (Array.isArray(a) && Array.isArray(b))
    return a.length + b.length <= TEXT_MAX ? [...a, ...b] : fail("the list is too long");
  return fail(`cannot add ${kindOf(a)} and ${kindOf(b)}`);
}

function compared(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return fail(`cannot compare ${kindOf(a)} with ${kindOf(b)}`);
}

function size(value: unknown): number {
  if (typeof value === "string") return [...value].length;
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null
    ? Object.keys(value).length
    : fail(`${kindOf(value)} has no size`);
}

function isIn(value: unknown, list: unknown): boolean {
  if (Array.isArray(list)) return list.some((one) => equal(one, value));
  if (typeof list === "object" && list !== null) return Object.hasOwn(list, String(value));
  return fail(`found ${kindOf(list)}, expected a list`);
}

const toNumber = (value: unknown): number =>
  typeof value === "string" && value.trim() === "" ? fail("no number") : finite(Number(value));

const TABLE: Readonly<Record<string, readonly [args: number, call: Call]>> = {
  "_+_": [2, add],
  "_-_": [2, (a, b) => finite(number(a) - number(b))],
  "_*_": [2, (a, b) => finite(number(a) * number(b))],
  "_/_": [2, (a, b) => finite(number(a) / number(b))],
  "_%_": [2, (a, b) => finite(number(a) % number(b))],
  "-_": [1, (a) => -number(a)],
  "!_": [1, (a) => !isTrue(a)],
  "_<_": [2, (a, b) => compared(a, b) < 0],
  "_<=_": [2, (a, b) => compared(a, b) <= 0],
  "_>_": [2, (a, b) => compared(a, b) > 0],
  "_>=_": [2, (a, b) => compared(a, b) >= 0],
  "@in": [2, isIn],
  "@not_strictly_false": [1, (a) => a !== false],
  size: [1, size],
  contains: [2, (a, b) => text(a).includes(text(b))],
  startsWith: [2, (a, b) => text(a).startsWith(text(b))],
  endsWith: [2, (a, b) => text(a).endsWith(text(b))],
  lowerAscii: [1, (a) => text(a).replace(/[A-Z]+/g, (part) => part.toLowerCase())],
  upperAscii: [1, (a) => text(a).replace(/[a-z]+/g, (part) => part.toUpperCase())],
  trim: [1, (a) => text(a).trim()],
  split: [2, (a, b) => text(a).split(text(b))],
  int: [1, (a) => Math.trunc(toNumber(a))],
  double: [1, toNumber],
  string: [1, (a) => (typeof a === "object" ? JSON.stringify(a) : String(a))],
  abs: [1, (a) => Math.abs(number(a))],
  floor: [1, (a) => Math.floor(number(a))],
  ceil: [1, (a) => Math.ceil(number(a))],
  round: [1, (a) => Math.round(number(a))],
  sqrt: [1, (a) => finite(Math.sqrt(number(a)))],
  min: [2, (a, b) => Math.min(number(a), number(b))],
  max: [2, (a, b) => Math.max(number(a), number(b))],
  /** Milliseconds since the Unix epoch of an ISO 8601 text. */
  ms: [1, (a) => isoMs(text(a)) ?? fail("no ISO 8601 time")],
};

/** Names that expressions can call. */
export const FUNCTIONS: readonly string[] = Object.keys(TABLE).filter((name) => /^\w+$/.test(name));

/** The function of a name and so many arguments; or why there is none. */
export function callOf(name: string, args: number, last: string | undefined): Call | string {
  if (name === "matches") return matcher(args, last);
  const row = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined;
  if (row === undefined) return `there is no function "${name}"`;
  return row[0] === args ? row[1] : `"${name}" takes ${row[0]} arguments, found ${args}`;
}

/** RE2: no pattern takes more than linear time. */
function matcher(args: number, pattern: string | undefined): Call | string {
  if (args !== 2 || pattern === undefined) return "matches takes a text and a constant pattern";
  try {
    const compiled = RE2JS.compile(pattern);
    return (a) => compiled.test(text(a));
  } catch (error) {
    return `the pattern cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}
