// Owns: application data between its raw forms and plain values, on a node.
import { jsonTextOf, msgpackOf, pack, unpack } from "./msgpack-values.ts";
import { type Payload, PayloadError } from "./payload.ts";

/**
 * The plain value that a payload says; a byte string is a Uint8Array. Throws a PayloadError when a
 * payload that no codec checked does not parse.
 */
export function payloadValue(payload: Payload): unknown {
  if (payload.kind === "bytes") return payload.bytes;
  try {
    return payload.kind === "json" ? JSON.parse(payload.text) : unpack(payload.bytes);
  } catch (cause) {
    throw new PayloadError(
      `Cannot parse the data as ${payload.kind === "json" ? "JSON" : "MessagePack"}`,
      { cause },
    );
  }
}

/**
 * The payload that says `value`; a Uint8Array becomes a byte string whatever `form` is. Throws a
 * PayloadError for undefined, functions, cycles and the like.
 */
export function payloadFromValue(value: unknown, form: "json" | "msgpack"): Payload {
  if (value instanceof Uint8Array) return { kind: "bytes", bytes: value };
  try {
    if (form === "msgpack" && value !== undefined && typeof value !== "function")
      return { kind: "msgpack", bytes: pack(value) };
    const text: string | undefined = JSON.stringify(value);
    if (form === "json" && text !== undefined) return { kind: "json", text };
  } catch (cause) {
    throw new PayloadError(`Cannot write the value as ${form}`, { cause });
  }
  throw new PayloadError(`Cannot write ${typeof value} as ${form}`);
}

/**
 * The same data in another form; byte strings and data in that form already are returned as they
 * are. Throws a PayloadError when there is none.
 */
export function transcode(payload: Payload, to: "json" | "msgpack"): Payload {
  if (payload.kind === "bytes" || payload.kind === to) return payload;
  return payload.kind === "json"
    ? { kind: "msgpack", bytes: msgpackOf(payload.text) }
    : { kind: "json", text: jsonTextOf(payload.bytes) };
}
