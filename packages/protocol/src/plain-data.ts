// Owns: what application data is, as JavaScript values (spec/protocol.md, section 1.4). Client and
// node, and both codecs, hold to it.
import { pathText } from "./data-path.ts";
import { DATA_DEPTH_MAX } from "./limits.ts";
import { PayloadError } from "./payload.ts";
import { hasLoneSurrogate } from "./utf8.ts";

/** Values in one piece of data. Lists that hold one another many times would fill the memory. */
const VALUES_MAX = 1_000_000;

/**
 * A copy of `value` that every codec carries exactly: null, booleans, finite numbers, strings of
 * whole characters, lists of these, and plain objects of these. A member that is undefined is left
 * out, and -0 becomes 0. Each member is read once. Throws a PayloadError for everything else; its
 * `path` names the field, and its text begins with `Cannot ${act}`. What a getter throws it throws.
 */
export function plainData(value: unknown, act: string): unknown {
  const trail: (string | number)[] = [];
  let left = VALUES_MAX;

  const refuse = (found: string): never => {
    const path = pathText(trail);
    const place = path && ` at ${path}`;
    throw new PayloadError(`Cannot ${act}: found ${found}${place}, expected plain data`, { path });
  };
  const text = (given: string): string =>
    hasLoneSurrogate(given) ? refuse("half of a surrogate pair") : given;
  const copy = (given: unknown): unknown => {
    if (--left < 0) refuse(`more than ${VALUES_MAX} values`);
    if (typeof given === "string") return text(given);
    // `+ 0` makes a zero of a negative zero.
    if (typeof given === "number" && given - given === 0) return given + 0;
    if (given === null || typeof given === "boolean") return given;
    if (typeof given !== "object")
      return refuse(typeof given === "number" ? `${given}` : typeof given);
    // The trail is as long as data is deep.
    if (trail.length >= DATA_DEPTH_MAX) refuse(`more than ${DATA_DEPTH_MAX} levels`);
    // A hole is an item that is undefined, which is no data: \`from\` does not pass over it.
    if (Array.isArray(given)) return copyList(given);
    const prototype: unknown = Object.getPrototypeOf(given);
    // Another page's Object.prototype is not ours, but nothing is above it either.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
      refuse(`a ${given.constructor?.name || "class instance"}`);
    const members: Record<string, unknown> = {};
    for (const key of Object.keys(given)) {
      const member = (given as Record<string, unknown>)[key];
      if (member === undefined) continue;
      trail.push(key);
      if (key === "__proto__") refuse("a member of this name");
      members[text(key)] = copy(member);
      trail.pop();
    }
    return members;
  };
  const copyList = (list: readonly unknown[]): unknown[] => {
    const copied: unknown[] = [];
    // By index: a hole is an item that is undefined, which is no data.
    for (let index = 0; index < list.length; index++) {
      trail.push(index);
      copied.push(copy(list[index]));
      trail.pop();
    }
    return copied;
  };
  return copy(value);
}

/** The same for data that may be absent or bytes. The copy does not change with the original. */
export function dataCopy(data: unknown, act: string): unknown {
  if (data === undefined) return undefined;
  return data instanceof Uint8Array ? new Uint8Array(data) : plainData(data, act);
}
