// Owns: what a body of ingest holds: its events, each with its channel, or what is wrong with each.
// Pure.
import { KEY_LENGTH_MAX, type Payload } from "@holdfast/protocol";
import { jsonProblem } from "@holdfast/protocol/node";
import { payloadOf } from "../http/json.ts";
import type { Problem } from "../http/problem.ts";
import {
  type Attributes,
  attributesProblem,
  binaryAttributes,
  idempotencyOf,
  structuredOf,
} from "./cloud-events.ts";
import { elementsOf } from "./elements.ts";

/** One event, as it is published. */
export interface IngestEvent {
  readonly channel: string;
  readonly payload: Payload;
  readonly key?: string;
  readonly idempotencyKey?: string;
}

/** What is wrong with one event of several. */
export interface EventFault {
  readonly fault: Problem;
}

export interface BodyRules {
  /** Every event's channel. Absent: each event names its own. */
  readonly channel: string | undefined;
  readonly key: string | undefined;
  /** Of the request: event n has the key `<key>/n`. */
  readonly idempotencyKey: string | undefined;
  /** CloudEvents: publish their data alone, without what they say of themselves. */
  readonly dataOnly: boolean;
  readonly eventsMax: number;
}

export type ReadBody =
  | {
      readonly ok: true;
      readonly events: readonly (IngestEvent | EventFault)[];
      readonly isBatch: boolean;
    }
  | { readonly ok: false; readonly problem: Problem };

type Form = "json" | "ndjson" | "bytes" | "cloudevent" | "cloudevents" | "binary";

const FORMS: ReadonlyMap<string, Form> = new Map([
  ["application/json", "json"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["application/octet-stream", "bytes"],
  ["application/cloudevents+json", "cloudevent"],
  ["application/cloudevents-batch+json", "cloudevents"],
]);

export const TYPES = [...FORMS.keys()].join(", ");

/** Undefined: a type that is not taken. Without one it is JSON. */
export function formOf(headers: Headers): Form | undefined {
  if (headers.has("ce-specversion")) return "binary";
  const type = headers.get("content-type");
  if (type === null) return "json";
  const [name = "", ...parameters] = type
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((one) => one.startsWith("charset="))
    ?.slice(8)
    .replaceAll('"', "");
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8") return undefined;
  return FORMS.get(name) ?? (/^application\/[\w.-]+\+json$/.test(name) ? "json" : undefined);
}

/** Never throws, whatever the bytes are. */
export function readEvents(
  form: Form,
  bytes: Uint8Array,
  headers: Headers,
  rules: BodyRules,
): ReadBody {
  if (form === "bytes")
    return one(onlyChannel({ kind: "bytes", bytes: new Uint8Array(bytes) }, rules), rules);
  if (form === "binary") return one(binaryEvent(bytes, headers, rules), rules);
  if (form === "ndjson") return lines(bytes, rules);
  const text = textOf(bytes);
  if (text === undefined) return refused("the body is not UTF-8");
  const isCloud = form === "cloudevent" || form === "cloudevents";
  const read = (given: string) => (isCloud ? cloudEvent(given, rules) : jsonEvent(given, rules));
  const elements = form === "cloudevent" ? undefined : elementsOf(text, rules.eventsMax);
  if (elements === "many") return tooMany(rules);
  if (elements !== undefined) return batch(elements.map(read), rules);
  if (form === "cloudevents") return refused("found no list, expected CloudEvents in one");
  return one(read(text), rules);
}

type Read = IngestEvent | EventFault;

/** Lines are decoded one by one: a bad one spoils no other. Empty ones are left out. */
function lines(bytes: Uint8Array, rules: BodyRules): ReadBody {
  const events: Read[] = [];
  for (let from = 0; from < bytes.length; ) {
    const found = bytes.indexOf(LINE_FEED, from);
    const end = found < 0 ? bytes.length : found;
    const text = textOf(bytes.subarray(from, end));
    from = end + 1;
    if (text?.trim() === "") continue;
    if (events.length === rules.eventsMax) return tooMany(rules);
    events.push(
      text === undefined
        ? fault("request_invalid", "the line is not UTF-8")
        : jsonEvent(text, rules),
    );
  }
  return batch(events, rules);
}

function jsonEvent(text: string, rules: BodyRules): Read {
  if (rules.channel === undefined) return envelope(text, rules);
  const problem = problemIn(text, 0);
  return problem ?? onlyChannel({ kind: "json", text: text.trim() }, rules);
}

const MEMBERS = new Set(["channel", "data", "b", "key", "idempotencyKey"]);

/** An event that names its channel: `{ channel, data or b, key, idempotencyKey }`. */
function envelope(text: string, rules: BodyRules): Read {
  const problem = problemIn(text, 1);
  if (problem !== undefined) return problem;
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fault(
      "request_invalid",
      "found no map, expected channel and data, or give channel in the query",
    );
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) return fault("request_invalid", "an unknown member", unknown);
  const {
    channel,
    data,
    b,
    key = rules.key,
    idempotencyKey,
  } = value as Readonly<Record<string, unknown>>;
  if (typeof channel !== "string") return fault("request_invalid", "expected text", "channel");
  if (b !== undefined && (typeof b !== "string" || !BASE64.test(b)))
    return fault("request_invalid", "expected base64", "b");
  if ((data === undefined) === (b === undefined))
    return fault("request_invalid", "expected either data or b", "data");
  const payload = payloadOf(b === undefined ? { data } : { b });
  if (payload === undefined || payload.kind === "fault")
    return fault("payload_invalid", payload?.message ?? "expected data", payload?.path ?? "data");
  for (const [name, given] of Object.entries({ key, idempotencyKey }))
    if (given !== undefined && !isShort(given))
      return fault("request_invalid", `expected 1 to ${KEY_LENGTH_MAX} characters`, name);
  return {
    channel,
    payload,
    ...(key === undefined ? {} : { key: key as string }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: idempotencyKey as string }),
  };
}

function cloudEvent(text: string, rules: BodyRules): Read {
  const problem = problemIn(text, 1);
  if (problem !== undefined) return problem;
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fault("request_invalid", "found no map, expected a CloudEvent");
  const attributes = value as Attributes;
  const { data, data_base64: b } = attributes;
  if (b !== undefined && (typeof b !== "string" || !BASE64.test(b)))
    return fault("request_invalid", "expected base64", "data_base64");
  const payload = payloadOf(b === undefined ? { data } : { b: b as string });
  if (payload?.kind === "fault") return fault("payload_invalid", payload.message, payload.path);
  return ofCloud(attributes, { data: payload, whole: { kind: "json", text: text.trim() } }, rules);
}

function binaryEvent(bytes: Uint8Array, headers: Headers, rules: BodyRules): Read {
  const attributes = binaryAttributes(headers) ?? {};
  const isJson = /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(headers.get("content-type") ?? "");
  let data: Payload | undefined;
  if (isJson) {
    const text = textOf(bytes);
    if (text === undefined) return fault("request_invalid", "the body is not UTF-8");
    const problem = problemIn(text, 0);
    if (problem !== undefined) return problem;
    data = { kind: "json", text: text.trim() };
  } else if (bytes.length > 0) data = { kind: "bytes", bytes: new Uint8Array(bytes) };
  return ofCloud(attributes, { data, whole: structuredOf(attributes, data) }, rules);
}

/** The channel is that of the request, or the event's `subject`. */
function ofCloud(
  attributes: Attributes,
  { data, whole }: { readonly data: Payload | undefined; readonly whole: Payload },
  rules: BodyRules,
): Read {
  const wrong = attributesProblem(attributes);
  if (wrong !== undefined) return fault("request_invalid", `found ${wrong.found}`, wrong.path);
  const channel = rules.channel ?? attributes.subject;
  if (typeof channel !== "string" || channel === "")
    return fault("request_invalid", "expected the channel in the query or in subject", "subject");
  if (rules.dataOnly && data === undefined)
    return fault("request_invalid", "expected data", "data");
  return {
    channel,
    payload: rules.dataOnly && data !== undefined ? data : whole,
    ...(rules.key === undefined ? {} : { key: rules.key }),
    idempotencyKey: idempotencyOf(attributes),
  };
}

function onlyChannel(payload: Payload, { channel, key }: BodyRules): Read {
  if (channel === undefined)
    return fault("request_invalid", "expected the channel in the query", "channel");
  return { channel, payload, ...(key === undefined ? {} : { key }) };
}

/** The key of the request is that of its only event, and `<key>/n` of one of several. */
function one(event: Read, { idempotencyKey }: BodyRules): ReadBody {
  if ("fault" in event) return { ok: false, problem: event.fault };
  const events = [keyed(event, idempotencyKey)];
  return { ok: true, events, isBatch: false };
}

function batch(events: readonly Read[], { idempotencyKey }: BodyRules): ReadBody {
  const all = events.map((event, index) =>
    "fault" in event || idempotencyKey === undefined
      ? event
      : keyed(event, `${idempotencyKey}/${index}`),
  );
  return { ok: true, events: all, isBatch: true };
}

const keyed = (event: IngestEvent, idempotencyKey: string | undefined): IngestEvent =>
  idempotencyKey === undefined || event.idempotencyKey !== undefined
    ? event
    : { ...event, idempotencyKey };

function problemIn(text: string, levelsAround: number): EventFault | undefined {
  const found = jsonProblem(text, levelsAround);
  if (found === undefined) return undefined;
  if (!found.isJson) return fault("request_invalid", "found no JSON, expected one value");
  return fault(
    "payload_invalid",
    `found ${found.found}, expected plain data`,
    found.path || "data",
  );
}

/** Undefined: no UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch {
    return undefined;
  }
}

const DECODER = new TextDecoder("utf-8", { fatal: true });
const LINE_FEED = 0x0a;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const isShort = (value: unknown): boolean =>
  typeof value === "string" && value.length > 0 && value.length <= KEY_LENGTH_MAX;

const fault = (code: Problem["code"], detail: string, path?: string): EventFault => ({
  fault: {
    code,
    detail: `Cannot read the event: ${detail}`,
    ...(path === undefined ? {} : { path }),
  },
});
const refused = (detail: string): ReadBody => ({
  ok: false,
  problem: { code: "request_invalid", detail: `Cannot read the body: ${detail}` },
});
const tooMany = ({ eventsMax }: BodyRules): ReadBody => ({
  ok: false,
  problem: {
    code: "payload_too_large",
    detail: `Cannot read the body: found more than ${eventsMax} events, expected at most that`,
  },
});
