// Owns: application data in the members of requests and answers: JSON as it is, bytes as base64.
import { HoldfastApiError } from "./api-error.ts";

const CHUNK = 32_768;
/** As deep as a node takes it; also what ends a structure that holds itself. */
const DEPTH_MAX = 128;
/** Half of a character, which no encoding can carry. */
const LONE_SURROGATE = /\p{Surrogate}/u;

interface DataMembers {
  readonly data?: unknown;
  readonly b?: string;
  readonly msgpack?: string;
}

/**
 * `data` or `b` of a request. Throws a HoldfastApiError with the path of what JSON would lose or
 * change, instead of publishing something else than was given.
 */
export function membersOf(what: string, data: unknown): DataMembers {
  if (data instanceof Uint8Array) return { b: toBase64(data) };
  const fault = faultOf(data, "data", 0);
  if (fault !== undefined)
    throw new HoldfastApiError(
      "payload_invalid",
      `Cannot ${what}: found ${fault.found} at ${fault.path}, expected JSON (null, booleans, finite numbers, strings, arrays, plain objects) or one Uint8Array`,
      { path: fault.path },
    );
  return { data };
}

/** The data of an answer. MessagePack that JSON cannot say stays encoded. */
export function dataOf(members: DataMembers): unknown {
  const text = members.b ?? members.msgpack;
  return text === undefined ? members.data : fromBase64(text);
}

interface Fault {
  readonly path: string;
  readonly found: string;
}

function faultOf(value: unknown, path: string, depth: number): Fault | undefined {
  if (value === null || typeof value === "boolean") return undefined;
  if (typeof value === "string")
    return LONE_SURROGATE.test(value) ? { path, found: "a lone surrogate" } : undefined;
  if (typeof value === "number")
    return Number.isFinite(value) ? undefined : { path, found: String(value) };
  if (typeof value !== "object") return { path, found: typeof value };
  if (depth >= DEPTH_MAX) return { path, found: `more than ${DEPTH_MAX} levels` };
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const fault = faultOf(value[index], `${path}[${index}]`, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (
    prototype !== null &&
    prototype !== Object.prototype &&
    Object.getPrototypeOf(prototype) !== null
  )
    return { path, found: nameOf(value) };
  for (const [name, member] of Object.entries(value)) {
    // JSON leaves such members out, as programs expect.
    if (member === undefined) continue;
    const fault = faultOf(member, `${path}.${name}`, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const nameOf = (value: object): string => `a ${value.constructor?.name ?? "strange object"}`;

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK)
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(text);
}

const fromBase64 = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
