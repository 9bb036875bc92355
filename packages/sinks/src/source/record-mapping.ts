// Owns: what becomes of a record: a publication in a channel, or a reason why it can never be one.
import type { LogSourceDefinition, SourceDeadReason } from "@holdfast/pipelines/source";
import type { Payload } from "@holdfast/protocol";
import type { SourceRecord } from "./source.ts";

export type Mapped =
  | {
      readonly kind: "publication";
      readonly channel: string;
      readonly payload: Payload;
      readonly key?: string;
    }
  /** It has no value, such as a tombstone of Kafka. */
  | { readonly kind: "empty" }
  | { readonly kind: "dead"; readonly reason: SourceDeadReason; readonly why: string };

const PLACE = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;
/** A value must not make a name of another pattern: parts of channels are separated by colons. */
const IN_CHANNEL = /^[^:\p{C}]{1,200}$/u;
const IN_KEY = /^[^\p{C}]{1,128}$/u;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** `isLatest`: whether a channel is a `latest` one, which needs a key. */
export function mapRecord(
  definition: LogSourceDefinition,
  record: SourceRecord,
  isLatest: (channel: string) => boolean,
): Mapped {
  if (record.data.byteLength === 0) return { kind: "empty" };
  const read = readData(definition.encoding ?? "json", record.data);
  if (typeof read === "string") return { kind: "dead", reason: "unreadable", why: read };
  const channel = filled(definition.channel, record, read.value, IN_CHANNEL);
  if (channel === undefined)
    return { kind: "dead", reason: "name", why: `nothing is called as in ${definition.channel}` };
  const template = definition.key ?? (isLatest(channel) ? "{key}" : undefined);
  if (template === undefined) return { kind: "publication", channel, payload: read.payload };
  const key = filled(template, record, read.value, IN_KEY);
  if (key === undefined)
    return { kind: "dead", reason: "name", why: `it has no key as in ${template}` };
  return { kind: "publication", channel, payload: read.payload, key };
}

/** Or why it cannot be read. */
function readData(
  encoding: "json" | "text" | "bytes",
  data: Uint8Array,
): { readonly payload: Payload; readonly value: unknown } | string {
  if (encoding === "bytes") return { payload: { kind: "bytes", bytes: data }, value: undefined };
  let text: string;
  try {
    text = decoder.decode(data);
  } catch {
    return "it is no UTF-8";
  }
  if (encoding === "text")
    return { payload: { kind: "json", text: JSON.stringify(text) }, value: undefined };
  try {
    return { payload: { kind: "json", text }, value: JSON.parse(text) };
  } catch {
    return "it is no JSON";
  }
}

function filled(
  template: string,
  record: SourceRecord,
  value: unknown,
  allowed: RegExp,
): string | undefined {
  let isWhole = true;
  const name = template.replaceAll(PLACE, (_place, word: string) => {
    const found = placed(word, record, value);
    const text = typeof found === "number" ? String(found) : found;
    if (typeof text === "string" && allowed.test(text)) return text;
    isWhole = false;
    return "";
  });
  return isWhole ? name : undefined;
}

function placed(word: string, record: SourceRecord, value: unknown): unknown {
  if (Object.hasOwn(record.params, word)) return record.params[word];
  if (word === "key") return record.key;
  if (word === "topic") return record.name;
  if (word === "partition") return record.partition;
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, word)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[word];
}
