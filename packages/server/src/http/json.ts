// Owns: JSON answers whose data is passed on as it stands, and payloads in and out of JSON members.
// Pure.
import type { Payload } from "@holdfast/protocol";
import { PayloadError, payloadFromValue, transcode } from "@holdfast/protocol/node";

/** Text that is one JSON value already. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * JSON text of plain objects, arrays and primitives; RawJson stands as it is. Depth is that of our
 * own answers.
 */
export function writeJson(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${writeJson(member)}`);
  }
  return `{${members.join(",")}}`;
}

/**
 * Members that carry application data in a request: `data` (any JSON value) or `b` (base64 of
 * bytes).
 */
export interface DataMembers {
  readonly data?: unknown;
  readonly b?: string | undefined;
}

/** Data that clients could not send either, and the field of it. */
export interface DataFault {
  readonly kind: "fault";
  readonly message: string;
  readonly path: string;
}

/** The payload in a request's members, undefined where neither is. */
export function payloadOf({ data, b }: DataMembers): Payload | undefined | DataFault {
  if (b !== undefined) return { kind: "bytes", bytes: new Uint8Array(Buffer.from(b, "base64")) };
  if (data === undefined) return undefined;
  try {
    return payloadFromValue(data, "json");
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    return { kind: "fault", message: error.message, path: error.path ?? "data" };
  }
}

/**
 * `data`, or `b` for bytes. MessagePack that JSON cannot say comes as `msgpack`, base64 of the
 * encoded value.
 */
export function membersOf(payload: Payload | undefined): {
  data?: unknown;
  b?: string;
  msgpack?: string;
} {
  if (payload === undefined) return {};
  if (payload.kind === "bytes") return { b: base64(payload.bytes) };
  try {
    const json = transcode(payload, "json");
    return json.kind === "json" ? { data: new RawJson(json.text) } : {};
  } catch (error) {
    if (error instanceof PayloadError && payload.kind === "msgpack")
      return { msgpack: base64(payload.bytes) };
    throw error;
  }
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
