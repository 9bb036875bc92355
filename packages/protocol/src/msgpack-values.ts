// Owns: application data between MessagePack and JSON.
import { unpack } from "./msgpack-read.ts";
import { pack } from "./msgpack-write.ts";
import { PayloadError } from "./payload.ts";

/** The text of the JSON value that says the same. Throws a PayloadError when it is no data. */
export function jsonTextOf(bytes: Uint8Array): string {
  try {
    return JSON.stringify(unpack(bytes));
  } catch (cause) {
    throw new PayloadError("Cannot express the data as JSON: found no data", { cause });
  }
}

/** The MessagePack bytes of the value that JSON `text` says. Throws a PayloadError for no data. */
export function msgpackOf(text: string): Uint8Array<ArrayBuffer> {
  try {
    return pack(JSON.parse(text));
  } catch (cause) {
    throw new PayloadError("Cannot express the data as MessagePack: found no data", { cause });
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
