// Owns: checking data against a Standard Schema, and what of it travels on.
import { type Payload, PayloadError } from "@holdfast/protocol";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Outcome } from "./terms.ts";

/**
 * How application data becomes a value and back. Both throw on data that cannot be converted.
 * Injected: the core knows no encoding but JSON's.
 */
export interface PayloadValues {
  /**
   * The value that the payload holds; of `bytes` the Uint8Array. Each call MUST make new objects,
   * so that a schema may change them.
   */
  toValue(payload: Payload): unknown;
  /** In the given form if the value is not bytes. */
  fromValue(value: unknown, form: "json" | "msgpack"): Payload;
}

/**
 * Told of the application's own faults (a rule, schema or handler that throws); never of a
 * client's.
 */
export type ReportFault = (where: string, error: unknown) => void;

export interface SchemaContext {
  readonly values: PayloadValues;
  readonly report: ReportFault;
  /** For `report`: which schema. */
  readonly where: string;
}

type MaybePayload = Payload | undefined;
type Result<T> = Outcome<T> | Promise<Outcome<T>>;
type Validated = StandardSchemaV1.Result<unknown>;

const PATH_LENGTH_MAX = 200;
const MESSAGE_LENGTH_MAX = 500;
/** Nesting beyond which two values count as different. */
const COMPARE_DEPTH_MAX = 100;

const failed: Outcome<never> = {
  ok: false,
  code: "request_failed",
  message: "Cannot check the data: the node's schema failed",
};

/**
 * Checks data. Answers `payload_invalid` with path and message of the first issue, and
 * `request_failed` if the schema itself throws. If the schema did not change the value, the result
 * is the payload that was given, byte for byte. If it changed it (defaults, transforms, removed
 * members), the result is the new value.
 */
export function checkPayload(
  schema: StandardSchemaV1,
  payload: Payload,
  context: SchemaContext,
): Result<Payload> {
  return check(schema, payload, context, (value) => keep(value, payload, context.values));
}

/** As `checkPayload`, where data may be absent: that is checked as the value undefined. */
export function checkOptional(
  schema: StandardSchemaV1,
  payload: MaybePayload,
  context: SchemaContext,
): Result<MaybePayload> {
  if (payload !== undefined) return checkPayload(schema, payload, context);
  return check(schema, payload, context, (value) =>
    value === undefined ? undefined : context.values.fromValue(value, "json"),
  );
}

function keep(value: unknown, payload: Payload, values: PayloadValues): Payload {
  // Compared with a fresh value, not with the one that was checked: a schema may have changed that
  // one in place.
  return sameValue(value, values.toValue(payload), 0)
    ? payload
    : values.fromValue(value, formOf(payload));
}

/** The form in which an answer to the payload is best encoded. */
export const formOf = (payload: MaybePayload): "json" | "msgpack" =>
  payload?.kind === "msgpack" ? "msgpack" : "json";

/**
 * As `checkPayload`, for those who go on with the value and not with its encoding. Without a schema
 * any value passes.
 */
export function checkValue(
  schema: StandardSchemaV1 | undefined,
  payload: MaybePayload,
  context: SchemaContext,
): Result<unknown> {
  return schema === undefined
    ? readValue(payload, context.values)
    : check(schema, payload, context, (value) => value);
}

function check<T>(
  schema: StandardSchemaV1,
  payload: MaybePayload,
  context: SchemaContext,
  make: (value: unknown) => T,
): Result<T> {
  const fault = (error: unknown): Outcome<never> => {
    context.report(context.where, error);
    return error instanceof PayloadError ? unsendable(error) : failed;
  };
  const finish = (result: Validated): Outcome<T> =>
    result.issues === undefined ? { ok: true, value: make(result.value) } : invalid(result.issues);
  const read = readValue(payload, context.values);
  if (!read.ok) return read;
  try {
    const result = schema["~standard"].validate(read.value);
    return isThenable(result) ? Promise.resolve(result).then(finish).catch(fault) : finish(result);
  } catch (error) {
    return fault(error);
  }
}

/**
 * The refusal of data that a schema or a hook made and no client could read. Asking again is no
 * use.
 */
export function unsendable({ message, path }: PayloadError): Outcome<never> {
  const refusal = { ok: false, code: "payload_invalid", message: cut(message) } as const;
  return path === undefined ? refusal : { ...refusal, path };
}

function readValue(payload: MaybePayload, values: PayloadValues): Outcome<unknown> {
  try {
    return { ok: true, value: payload === undefined ? undefined : values.toValue(payload) };
  } catch (error) {
    return {
      ok: false,
      code: "payload_invalid",
      message: cut(`Cannot read the data: ${textOf(error)}`),
    };
  }
}

/** The refusal that a client gets for a schema's issues: the first one's path and text. */
export function invalid(issues: readonly StandardSchemaV1.Issue[]): Outcome<never> {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  const message = cut(first?.message ?? "The data does not match the schema") + more;
  const path = pathText(first?.path ?? []);
  return path === ""
    ? { ok: false, code: "payload_invalid", message }
    : { ok: false, code: "payload_invalid", message, path };
}

/** `items[2].name`; members that are no identifiers as `["a b"]`. At most 200 characters. */
export function pathText(path: readonly (PropertyKey | StandardSchemaV1.PathSegment)[]): string {
  let text = "";
  for (const segment of path) {
    const key = typeof segment === "object" ? segment.key : segment;
    if (typeof key === "number") text += `[${key}]`;
    else if (typeof key === "string" && /^[A-Za-z_$][\w$]*$/.test(key))
      text += text === "" ? key : `.${key}`;
    else text += `[${JSON.stringify(String(key).slice(0, PATH_LENGTH_MAX))}]`;
    if (text.length > PATH_LENGTH_MAX) return `${text.slice(0, PATH_LENGTH_MAX)}…`;
  }
  return text;
}

/**
 * Whether two values hold the same data: plain objects with the same own members in any order,
 * arrays, byte strings, plain values. Anything else (dates, maps, classes, deep nesting) counts as
 * different, so that it is encoded anew.
 */
export function sameValue(a: unknown, b: unknown, depth: number): boolean {
  if (Object.is(a, b)) return typeof a !== "object" || a === null;
  if (
    typeof a !== "object" ||
    typeof b !== "object" ||
    a === null ||
    b === null ||
    depth > COMPARE_DEPTH_MAX
  )
    return false;
  if (a instanceof Uint8Array)
    return (
      b instanceof Uint8Array && a.length === b.length && a.every((byte, at) => byte === b[at])
    );
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, at) => sameValue(item, b[at], depth + 1))
    );
  }
  return isPlain(a) && isPlain(b) && sameMembers(a, b, depth);
}

function sameMembers(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
  depth: number,
): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys)
    if (!Object.hasOwn(b, key) || !sameValue(a[key], b[key], depth + 1)) return false;
  return true;
}

function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function cut(text: string): string {
  return text.length > MESSAGE_LENGTH_MAX ? `${text.slice(0, MESSAGE_LENGTH_MAX)}…` : text;
}
