// Owns: how what the node says looks to readers of a stream: server-sent events, or lines of JSON.
import { CODES, type Payload, type ServerFrame } from "@holdfast/protocol";
import { base64Of, transcode } from "@holdfast/protocol/node";

/** Server-sent events, or NDJSON; `poll` is NDJSON whose lines become one answer. */
export type StreamFormat = "sse" | "ndjson" | "poll";

/** The frames that readers of a stream are told of. */
export type ToldFrame = Extract<
  ServerFrame,
  { readonly t: "subscribed" | "pub" | "gap" | "unsubscribed" | "goodbye" }
>;

/**
 * The name of an event and its data as JSON without line feeds. `retryMs`: when the reader of a
 * goodbye may come back.
 */
export interface StreamEvent {
  readonly name: "subscribed" | "publication" | "gap" | "unsubscribed" | "goodbye";
  readonly data: string;
}

/** What a frame says to a reader. Throws a PayloadError for data that no codec has checked. */
export function eventOf(frame: ToldFrame, retryMs = 0): StreamEvent {
  switch (frame.t) {
    case "pub":
      return { name: "publication", data: publicationText(frame) };
    case "subscribed": {
      const { ch: channel, cls, pos, head, recovered } = frame;
      const data = { channel, class: cls, epoch: pos.epoch, offset: pos.offset, head, recovered };
      return { name: "subscribed", data: JSON.stringify(data) };
    }
    case "gap": {
      const { ch: channel, reason, from, to, pos } = frame;
      const data = { channel, reason, from, to, epoch: pos.epoch, next: pos.offset + 1 };
      return { name: "gap", data: JSON.stringify(data) };
    }
    case "unsubscribed": {
      const { ch: channel, name: code, msg: message, of } = frame;
      return { name: "unsubscribed", data: JSON.stringify({ channel, code, message, of }) };
    }
    case "goodbye": {
      const { name: code, msg: message } = frame;
      const mayReturn = !Object.hasOwn(CODES, code) || isTemporary(code as keyof typeof CODES);
      return {
        name: "goodbye",
        data: JSON.stringify({ code, message, ...(mayReturn ? { retryMs } : {}) }),
      };
    }
  }
}

/** Whether a client that was told the code may come back. */
export const isTemporary = (code: keyof typeof CODES): boolean => CODES[code].retry !== "never";

/** One event as its reader gets it. `retryMs`: how long a browser waits before it comes back. */
export function render(
  format: StreamFormat,
  { name, data }: StreamEvent,
  { id, retryMs }: { readonly id?: string; readonly retryMs?: number },
): string {
  if (format !== "sse") {
    const place = id === undefined ? "" : `"id":"${id}",`;
    return `{"event":"${name}",${place}"data":${data}}\n`;
  }
  const place = id === undefined ? "" : `id: ${id}\n`;
  const retry = retryMs === undefined ? "" : `retry: ${retryMs}\n`;
  return `${retry}${place}event: ${name}\ndata: ${data}\n\n`;
}

/** Keeps proxies from cutting a silent stream, and shows the node that somebody reads. */
export const heartbeatOf = (format: StreamFormat): string =>
  format === "sse" ? ": alive\n\n" : '{"event":"alive"}\n';

/** How long a browser waits after a stream that broke. */
export const retryText = (format: StreamFormat, retryMs: number): string =>
  format === "sse" ? `retry: ${retryMs}\n\n` : "";

type PubFrame = Extract<ServerFrame, { readonly t: "pub" }>;

function publicationText({ ch, o, ts, k, u, s, data }: PubFrame): string {
  let text = `{"channel":${JSON.stringify(ch)},"offset":${o},"timeMs":${ts}`;
  if (k !== undefined) text += `,"key":${JSON.stringify(k)}`;
  if (u !== undefined) text += `,"user":${JSON.stringify(u)}`;
  if (s !== undefined) text += `,"session":${JSON.stringify(s)}`;
  return `${text}${dataText(data)}}`;
}

function dataText(data: Payload): string {
  if (data.kind === "bytes") return `,"b":"${base64Of(data.bytes)}"`;
  const json = transcode(data, "json");
  if (json.kind !== "json") return "";
  // Data stands as its publisher wrote it; line feeds between its members would end a line.
  return `,"data":${/[\r\n]/.test(json.text) ? json.text.replaceAll(/[\r\n]+/g, " ") : json.text}`;
}
