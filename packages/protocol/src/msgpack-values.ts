// Owns: msgpackr with the options of holdfast.v1: plain values only, no extension but timestamps.
import { Packr, Unpackr } from "msgpackr";
import { toBase64 } from "./base64.ts";
import { PayloadError } from "./payload.ts";

// `useRecords: false` keeps to standard MessagePack; `skipValues` leaves undefined members out, as
// JSON does; `auto` makes numbers of 64-bit integers that are safe and BigInts of the others;
// `copyBuffers` because a view would keep its whole message alive.
const OPTIONS = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  encodeUndefinedAsNil: true,
  skipValues: [undefined],
  copyBuffers: true,
  int64AsType: "auto",
};
const packr = new Packr(OPTIONS as object);
const unpackr = new Unpackr(OPTIONS as object);

/**
 * The MessagePack bytes of a plain value, in a buffer of their own. Throws a TypeError for what
 * cannot be expressed (a cycle, a BigInt beyond 64 bits).
 */
export function pack(value: unknown): Uint8Array {
  try {
    return new Uint8Array(packr.pack(value) as Uint8Array);
  } catch (cause) {
    throw new TypeError("Cannot write the value as MessagePack", { cause });
  }
}

/**
 * The one value in bytes `start` to `end`. Throws whatever msgpackr throws when the bytes are not
 * exactly one value: walk over bytes of strangers first.
 */
export const unpack = (bytes: Uint8Array, start = 0, end = bytes.length): unknown =>
  unpackr.unpack(bytes, { start, end });

/** All values of a message. */
export const unpackAll = (bytes: Uint8Array): unknown[] => unpackr.unpackMultiple(bytes);

/**
 * The text of the JSON value that says the same: bins become base64, timestamps RFC 3339. Throws a
 * PayloadError when there is none.
 */
export function jsonTextOf(bytes: Uint8Array): string {
  try {
    return JSON.stringify(unpack(bytes), (_key, value: unknown) =>
      value instanceof Uint8Array ? toBase64(value) : value,
    );
  } catch (cause) {
    throw new PayloadError("Cannot express the data as JSON", { cause });
  }
}

/**
 * The MessagePack bytes of the value that JSON `text` says. Throws a PayloadError when it does not
 * parse.
 */
export function msgpackOf(text: string): Uint8Array {
  try {
    return pack(JSON.parse(text));
  } catch (cause) {
    throw new PayloadError("Cannot express the data as MessagePack", { cause });
  }
}

/** One message out of encoded frames. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const message = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  return message;
}
