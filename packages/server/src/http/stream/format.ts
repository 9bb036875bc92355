// Owns: how events of a stream look on the wire: as NDJSON or as server-sent events. Pure.
import { writeJson } from "../json.ts";

export interface StreamEvent {
  /** What kind of event it is: `publication`, `gap`, `end`, `error`. */
  readonly event: string;
  /** Where a reader that has this event can go on. It has no line feed. */
  readonly id?: string;
  readonly data: unknown;
}

export interface StreamFormat {
  readonly contentType: string;
  render(event: StreamEvent): string;
  /** Keeps proxies from cutting a silent stream. */
  readonly alive: string;
}

export const NDJSON: StreamFormat = {
  contentType: "application/x-ndjson",
  render: ({ event, id, data }) => `${oneLine(writeJson({ event, id, data }))}\n`,
  alive: '{"event":"alive"}\n',
};

export const SSE: StreamFormat = {
  contentType: "text/event-stream",
  render: ({ event, id, data }) =>
    `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${oneLine(writeJson(data))}\n\n`,
  alive: ": alive\n\n",
};

/** Application data stands as its publisher wrote it: line feeds between its members are space. */
const oneLine = (json: string): string => json.replace(/[\r\n]+/g, " ");

/** What `Accept` asks for; NDJSON if it leaves the choice. Undefined: neither. */
export function formatFor(accept: string | null): StreamFormat | undefined {
  if (accept === null || accept.trim() === "") return NDJSON;
  const wanted = accept
    .split(",")
    .map(readRange)
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight);
  for (const { type } of wanted) {
    if (NDJSON_TYPES.has(type)) return NDJSON;
    if (SSE_TYPES.has(type)) return SSE;
  }
  return undefined;
}

const NDJSON_TYPES = new Set([
  "application/x-ndjson",
  "application/ndjson",
  "application/jsonl",
  "application/*",
  "*/*",
]);
const SSE_TYPES = new Set(["text/event-stream", "text/*"]);

function readRange(range: string): { readonly type: string; readonly weight: number } {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  return { type, weight: weight === undefined ? 1 : Number(weight.slice(2)) || 0 };
}
