// Owns: application data between its raw forms and plain values, on a node.
import { unpack } from "./msgpack-read.ts";
import { jsonTextOf, msgpackOf } from "./msgpack-values.ts";
import { pack } from "./msgpack-write.ts";
import { type Payload, PayloadError } from "./payload.ts";
import { plainData } from "./plain-data.ts";

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
 * PayloadError whose `path` names the field for a value that is no application data.
 */
export function payloadFromValue(value: unknown, form: "json" | "msgpack"): Payload {
  if (value instanceof Uint8Array) return { kind: "bytes", bytes: value };
  const plain = plainData(value, "write the data");
  return form === "msgpack"
    ? { kind: "msgpack", bytes: pack(plain) }
    : { kind: "json", text: JSON.stringify(plain) };
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
