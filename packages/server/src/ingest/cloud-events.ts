// Owns: CloudEvents 1.0 over HTTP: binary and structured events, and what they become. Pure.
import { createHash } from "node:crypto";
import type { Payload } from "@holdfast/protocol";

/** What a CloudEvent says of itself, beside its data. */
export type Attributes = Readonly<Record<string, unknown>>;

const REQUIRED = ["id", "source", "type"] as const;
const NAME = /^[a-z0-9]{1,64}$/;

/** What is wrong with the attributes; undefined: nothing. */
export function attributesProblem(
  attributes: Attributes,
): { path: string; found: string } | undefined {
  if (attributes.specversion !== "1.0")
    return { path: "specversion", found: `${typeof attributes.specversion}, expected 1.0` };
  for (const name of REQUIRED) {
    const value = attributes[name];
    if (typeof value !== "string" || value === "")
      return { path: name, found: `${typeof value}, expected text` };
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "data" || name === "data_base64") continue;
    if (!NAME.test(name)) return { path: name, found: "a name that no attribute may have" };
    if (typeof value === "object" && value !== null)
      return { path: name, found: "a list or a map, expected text, a number or a boolean" };
  }
  return undefined;
}

/** `source` and `id` together name an event: the same again publishes nothing. */
export function idempotencyOf({ source, id }: Attributes): string {
  return `ce:${createHash("sha256").update(`${source}\n${id}`).digest("base64url")}`;
}

/** Attributes of a binary event: headers `ce-*`, percent-encoded. Undefined: it is none. */
export function binaryAttributes(headers: Headers): Attributes | undefined {
  if (!headers.has("ce-specversion")) return undefined;
  const attributes: Record<string, unknown> = Object.create(null);
  for (const [name, value] of headers) {
    if (name.startsWith("ce-")) attributes[name.slice(3)] = decoded(value);
  }
  const type = headers.get("content-type");
  if (type !== null) attributes.datacontenttype = type;
  return attributes;
}

/** A binary event in the form of a structured one, so that nothing of it is lost. */
export function structuredOf(attributes: Attributes, data: Payload | undefined): Payload {
  const head = JSON.stringify({ ...attributes }).slice(0, -1);
  if (data === undefined) return { kind: "json", text: `${head}}` };
  const member =
    data.kind === "json"
      ? `"data":${data.text}`
      : `"data_base64":"${Buffer.from(data.bytes).toString("base64")}"`;
  return { kind: "json", text: `${head},${member}}` };
}

function decoded(value: string): string {
  const text = value.replace(/^"(.*)"$/s, "$1");
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
