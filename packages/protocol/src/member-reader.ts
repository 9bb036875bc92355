// Owns: reading the members of a received map with their checks; the first thing wrong is kept,
// nothing is thrown.
import type { DecodeFault } from "./codec.ts";
import { REQUEST_ID_MAX } from "./limits.ts";
import { hasLoneSurrogate } from "./utf8.ts";

/** What is wrong with one member. */
export interface Problem {
  readonly code: DecodeFault["code"];
  readonly path: string;
  readonly found: string;
  readonly expected: string;
}

/** A problem of application data; `path` is `d`, `b`, or the field inside of `d`. */
export const dataProblem = (path: string, found: string, expected = "plain data"): Problem => ({
  code: "payload_invalid",
  path,
  found,
  expected,
});

/** The problem of data over the limit. */
export const tooLarge = (path: "d" | "b", sizeBytes: number, bytesMax: number): Problem => ({
  code: "payload_too_large",
  path,
  found: `data of ${sizeBytes} bytes`,
  expected: `at most ${bytesMax}`,
});

export type ReceivedMap = Readonly<Record<string, unknown>>;

/** Whether `value` is a map of a received message (not null, not a list, not bytes, not a time). */
export const isMap = (value: unknown): value is ReceivedMap => {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

/** Whether `value` may be a request's id. */
export const isRequestId = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= REQUEST_ID_MAX;

/** Names a received value in a message: its type, or its size, never much of its content. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string")
    return value.length > 40
      ? `a string of ${value.length} characters`
      : `the string ${JSON.stringify(value)}`;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return "an integer beyond 2^53-1";
  return value instanceof Uint8Array ? "a byte string" : "a map";
}

/**
 * Reads members of one map. After the first problem the values that it returns mean nothing: look
 * at `problem` before using them.
 */
export class MemberReader {
  problem: Problem | undefined;
  readonly #map: ReceivedMap;
  readonly #prefix: string;

  constructor(map: ReceivedMap, prefix = "") {
    this.#map = map;
    this.#prefix = prefix;
  }

  fail(path: string, found: string, expected: string): void {
    this.problem ??= { code: "request_invalid", path: this.#prefix + path, found, expected };
  }

  /** A string of `lengthMin` to `lengthMax` UTF-16 code units that UTF-8 can carry. */
  string(name: string, lengthMax: number, lengthMin = 0): string {
    const value = this.#map[name];
    const isFit =
      typeof value === "string" && value.length <= lengthMax && value.length >= lengthMin;
    if (isFit && !hasLoneSurrogate(value)) return value;
    this.fail(
      name,
      isFit ? "half of a surrogate pair" : describe(value),
      `a string of ${lengthMin} to ${lengthMax} characters`,
    );
    return "";
  }

  stringIfGiven(name: string, lengthMax: number): string | undefined {
    return this.#map[name] === undefined ? undefined : this.string(name, lengthMax);
  }

  /** A whole number from `least` to `most`. */
  integer(name: string, least: number, most: number): number {
    const value = this.#map[name];
    // `+ 0` makes a zero of a negative zero.
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most)
      return value + 0;
    this.fail(name, describe(value), `a whole number from ${least} to ${most}`);
    return least;
  }

  integerIfGiven(name: string, least: number, most: number): number | undefined {
    return this.#map[name] === undefined ? undefined : this.integer(name, least, most);
  }

  booleanIfGiven(name: string): boolean | undefined {
    const value = this.#map[name];
    if (value === undefined || typeof value === "boolean") return value;
    this.fail(name, describe(value), "true or false");
    return undefined;
  }

  /** A map inside of this one; its problems are told to `child` under the longer path. */
  map(name: string): MemberReader {
    const value = this.#map[name];
    if (isMap(value)) return new MemberReader(value, `${this.#prefix}${name}.`);
    this.fail(name, describe(value), "a map");
    return new MemberReader({});
  }

  mapIfGiven(name: string): MemberReader | undefined {
    return this.#map[name] === undefined ? undefined : this.map(name);
  }

  /** Takes over what `child` found. */
  adopt(child: MemberReader): void {
    this.problem ??= child.problem;
  }
}
