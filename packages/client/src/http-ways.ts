// Owns: holdfast.v1 over HTTP as a client speaks it (spec/http.md): a stream or polls for what the
// node says, numbered POSTs for what the client says.

/** What a way tells. Never inside of a call of the way or of its link. `closed` is told once. */
export interface WayEvents {
  opened(): void;
  message(data: string | ArrayBuffer): void;
  closed(code: number, reason: string): void;
}

/** One connection on its way. All calls are legal at any time. */
export interface WayLink {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code: number, reason: string): void;
}

/** Begins a connection. */
export type Way = (url: string, subprotocol: string, events: WayEvents) => WayLink;

export interface HttpWays {
  readonly fetch: typeof globalThis.fetch;
}

const LOST = 1006;
/** A request that does not get through is repeated for so long: then the connection is lost. */
const REPEAT_MS = 10_000;
const REPEAT_FIRST_MS = 100;
const SEND_TIMEOUT_MS = 10_000;
const POLL_WAIT_MS = 20_000;
/** What waited for the request before it goes together, up to this length. */
const JOIN_LENGTH_MAX = 16_384;
const JOIN_COUNT_MAX = 100;

/** The node's messages come as events of one answer that lasts. */
export const streamWay =
  (http: HttpWays): Way =>
  (url, subprotocol, events) => {
    const link = new HttpLink(http, url, events);
    link.run(async () => {
      const response = await link.post({ open: "stream", subprotocol });
      if (!response.ok || response.body === null) return;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text += decoder.decode(value, { stream: true });
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const event = eventOf(text.slice(0, end));
          text = text.slice(end + 2);
          if (event !== undefined) link.take(event);
        }
      }
    });
    return link;
  };

/** The node's messages are fetched. For proxies that hold an answer back until it is whole. */
export const pollWay =
  (http: HttpWays): Way =>
  (url, subprotocol, events) => {
    const link = new HttpLink(http, url, events);
    link.run(async () => {
      const response = await link.post({ open: "poll", subprotocol });
      if (!response.ok) return;
      const { id } = (await response.json()) as { readonly id: string };
      link.take({ name: "open", data: JSON.stringify({ id }) });
      let next = 1;
      while (!link.isOver) {
        const answer = await link.repeat(
          { id, poll: next, waitMs: POLL_WAIT_MS },
          "",
          POLL_WAIT_MS,
        );
        if (answer === undefined) return;
        const polled = (await answer.json()) as Polled;
        for (const [index, message] of polled.messages.entries()) {
          if (polled.first + index < next) continue;
          if (typeof message === "string") link.take({ name: "message", data: message });
          else link.take({ name: "bytes", data: message.b });
        }
        next = Math.max(next, polled.first + polled.messages.length);
        if (polled.close !== undefined)
          link.take({ name: "close", data: JSON.stringify(polled.close) });
      }
    });
    return link;
  };

interface Polled {
  readonly first: number;
  readonly messages: readonly (string | { readonly b: string })[];
  readonly close?: { readonly code: number; readonly reason: string };
}

interface StreamedEvent {
  readonly name: string;
  readonly data: string;
}

/** Undefined: a comment. Several lines of data are one text with line feeds. */
function eventOf(block: string): StreamedEvent | undefined {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("data: ")) data.push(line.slice(6));
    else if (line.startsWith("event: ")) name = line.slice(7);
  }
  return data.length === 0 ? undefined : { name, data: data.join("\n") };
}

class HttpLink implements WayLink {
  readonly #http: HttpWays;
  readonly #url: string;
  readonly #events: WayEvents;
  readonly #abort = new AbortController();
  #id = "";
  #waiting: (string | Uint8Array<ArrayBuffer>)[] = [];
  #number = 0;
  #isSending = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;
  isOver = false;

  constructor(http: HttpWays, url: string, events: WayEvents) {
    this.#http = http;
    this.#url = httpUrl(url);
    this.#events = events;
  }

  /** Reads until the connection is over. */
  run(read: () => Promise<void>): void {
    read().then(
      () => this.#over(LOST, ""),
      () => this.#over(LOST, ""),
    );
  }

  take({ name, data }: StreamedEvent): void {
    if (this.isOver) return;
    if (name === "message") this.#events.message(data);
    else if (name === "bytes") this.#events.message(bytesOf(data).buffer);
    else if (name === "open") {
      this.#id = (JSON.parse(data) as { readonly id: string }).id;
      this.#events.opened();
      void this.#pump();
    } else if (name === "close") {
      const { code, reason } = JSON.parse(data) as {
        readonly code: number;
        readonly reason: string;
      };
      this.#over(code, reason);
    }
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    if (this.isOver || this.#closing !== undefined) return;
    this.#waiting.push(data);
    void this.#pump();
  }

  /** Behind everything that was sent. */
  close(code: number, reason: string): void {
    if (this.isOver || this.#closing !== undefined) return;
    this.#closing = { code, reason };
    if (this.#id === "") setTimeout(() => this.#over(LOST, ""), 0);
    else void this.#pump();
  }

  /** One request. Rejects if no answer came. */
  async post(
    head: object,
    message: string | Uint8Array = "",
    timeoutMs?: number,
  ): Promise<Response> {
    const line = JSON.stringify(head);
    const body =
      message.length === 0
        ? line
        : new Blob([line, "\n", message as string | Uint8Array<ArrayBuffer>]);
    const controller = new AbortController();
    const abort = () => controller.abort();
    const timer = timeoutMs === undefined ? undefined : setTimeout(abort, timeoutMs);
    this.#abort.signal.addEventListener("abort", abort);
    try {
      return await this.#http.fetch(this.#url, {
        method: "POST",
        // A simple request: a page of another origin needs no preflight.
        headers: { "content-type": "text/plain" },
        body,
        cache: "no-store",
        credentials: "omit",
        signal: controller.signal,
      });
    } finally {
      clearTimeout(timer);
      // A stream's body is read until the connection is over.
      if (timeoutMs !== undefined) this.#abort.signal.removeEventListener("abort", abort);
    }
  }

  /**
   * The same request until it is answered; the node does what it says once. Undefined: the
   * connection is over, or the node does not know it.
   */
  async repeat(
    head: object,
    message: string | Uint8Array,
    waitMs = 0,
  ): Promise<Response | undefined> {
    const untilMs = performance.now() + REPEAT_MS + waitMs;
    for (let pauseMs = REPEAT_FIRST_MS; !this.isOver; pauseMs *= 2) {
      try {
        const response = await this.post(head, message, SEND_TIMEOUT_MS + waitMs);
        if (response.ok) return response;
        void response.body?.cancel();
        if (response.status < 500 && response.status !== 429) return undefined;
      } catch {
        // No answer: it may have arrived.
      }
      if (performance.now() + pauseMs > untilMs) return undefined;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return undefined;
  }

  async #pump(): Promise<void> {
    if (this.#isSending || this.#id === "") return;
    this.#isSending = true;
    while (this.#waiting.length > 0 && !this.isOver) {
      this.#number += 1;
      const answer = await this.repeat({ id: this.#id, send: this.#number }, this.#joined());
      if (answer === undefined) this.#over(LOST, "");
    }
    this.#isSending = false;
    const closing = this.#closing;
    if (closing === undefined || this.isOver) return;
    this.#isSending = true;
    await this.post({ id: this.#id, close: closing.code }, "", SEND_TIMEOUT_MS).catch(() => {});
    this.#over(closing.code, closing.reason);
  }

  /** What waits, as much as goes together: frames are lines, or stand one behind another. */
  #joined(): string | Uint8Array {
    let count = 0;
    let length = 0;
    do length += this.#waiting[count++]?.length ?? 0;
    while (
      count < Math.min(this.#waiting.length, JOIN_COUNT_MAX) &&
      length + (this.#waiting[count]?.length ?? 0) <= JOIN_LENGTH_MAX
    );
    const parts = this.#waiting.splice(0, count);
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) return first;
    if (typeof first === "string") return parts.join("\n");
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts as Uint8Array[]) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #over(code: number, reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#waiting = [];
    this.#abort.abort();
    this.#events.closed(code, reason);
  }
}

/** The last part of the path is that of WebSockets: `/connect`. */
function httpUrl(url: string): string {
  const http = new URL(url);
  http.protocol = http.protocol.replace(/^ws/, "http");
  http.pathname = http.pathname.replace(/[^/]*$/, "events/socket");
  return http.href;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (unit) => unit.charCodeAt(0));
}
