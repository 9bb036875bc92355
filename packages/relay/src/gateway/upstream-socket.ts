// Owns: one WebSocket to an upstream.
import type { IncomingMessage } from "node:http";
import type { Frame } from "@holdfast/rehoming";
import WebSocket from "ws";
import { isOfTls, socketTls, type UpstreamTls } from "./upstream-tls.ts";

export interface UpstreamRequest {
  /** `ws:` or `wss:`, with path and query. */
  readonly url: string;
  /** Of `wss:`. Absent: as the system believes certificates, for the host of the URL. */
  readonly tls?: UpstreamTls | undefined;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly openMsMax: number;
  readonly messageBytesMax: number;
}

/** An HTTP answer instead of a socket. */
export interface Refusal {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

/** `tls`: a certificate is not believed, at either side. */
export type FailureCause = "timeout" | "tls" | "error";

export type Opening =
  | {
      readonly kind: "open";
      readonly socket: UpstreamSocket;
      readonly protocol: string;
      readonly headers: readonly (readonly [string, string])[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "failed"; readonly why: string; readonly cause: FailureCause }
  /** What the client sent cannot be asked of any endpoint. */
  | { readonly kind: "unfit"; readonly why: string };

export type Answered = Extract<Opening, { readonly kind: "open" | "refused" }>;

export interface UpstreamEvents {
  frame(frame: Frame): void;
  /** It was full, as `send` said, and is not any more, or is gone. */
  room(): void;
  /** Once, and the last. 1006: without a closing handshake. */
  closed(code: number, reason: string): void;
}

/** An answer's body beyond it is cut off: it says why a socket was refused. */
const REFUSAL_BYTES_MAX = 64 * 1024;
/** How long an upstream may take to answer a close. */
const CLOSE_MS_MAX = 5000;
/** Bytes that wait for an upstream, from which on the client is read no further. */
const FULL_BYTES = 64 * 1024;
const ABNORMAL = 1006;
const NO_STATUS = 1005;

/**
 * Opens a socket, and settles within `openMsMax`; it never rejects. `signal` gives it up. An
 * upstream that accepts and never answers is "failed".
 */
export function openUpstream(request: UpstreamRequest, signal: AbortSignal): Promise<Opening> {
  return new Promise((settle) => {
    const socket = socketTo(request);
    if (socket === undefined)
      return settle({ kind: "unfit", why: "A header or the URL cannot be passed on." });
    let headers: readonly (readonly [string, string])[] = [];
    const done = (opening: Opening): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      settle(opening);
      if (opening.kind !== "open") socket.terminate();
    };
    const fail = (why: string, cause: FailureCause = "error"): void =>
      done({ kind: "failed", why, cause });
    const abort = (): void => fail("it was given up");
    const timer = setTimeout(
      () => fail(`no answer within ${request.openMsMax} ms`, "timeout"),
      request.openMsMax,
    );
    signal.addEventListener("abort", abort);
    socket.on("upgrade", (response: IncomingMessage) => {
      headers = pairs(response);
    });
    socket.on("unexpected-response", (_request: unknown, response: IncomingMessage) => {
      void refusalOf(response).then((refusal) => done({ kind: "refused", refusal }));
    });
    socket.on("open", () => {
      // What its handshake took is not kept for as long as the client is held.
      socket.removeAllListeners();
      const upstream = new UpstreamSocket(socket);
      done({ kind: "open", socket: upstream, protocol: socket.protocol, headers });
    });
    socket.on("error", (error: Error) => fail(error.message, isOfTls(error) ? "tls" : "error"));
    socket.on("close", () => fail("it closed"));
    if (signal.aborted) abort();
  });
}

/** Why an opening gives a client no upstream, for people. */
export function whyNot(opening: Opening): string {
  switch (opening.kind) {
    case "open":
      return "it chose another subprotocol";
    case "refused":
      return `it answered ${opening.refusal.status}`;
    case "failed":
    case "unfit":
      return opening.why;
  }
}

/** Undefined: the client's own headers or URL are not what a handshake may hold. */
function socketTo(request: UpstreamRequest): Wire | undefined {
  const { url, tls } = request;
  try {
    return new Wire(url, [...request.protocols], {
      headers: request.headers,
      ...(tls === undefined ? {} : socketTls(tls, new URL(url).host)),
      perMessageDeflate: false,
      maxPayload: request.messageBytesMax,
    });
  } catch {
    return undefined;
  }
}

/** Knows whose it is, so that all sockets can share their listeners. */
class Wire extends WebSocket {
  owner: UpstreamSocket | undefined;
}

function onMessage(this: WebSocket, data: Buffer, isBinary: boolean): void {
  (this as Wire).owner?.heard(data, isBinary);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  (this as Wire).owner?.wasClosed(code, reason.toString());
}

/** Its close follows, and says as much. */
function onError(): void {}

export class UpstreamSocket {
  readonly #socket: WebSocket;
  #events: UpstreamEvents | undefined;
  /** Before anybody listens. The socket is paused at the first of them. */
  #early: Frame[] | undefined;
  #closed: { readonly code: number; readonly reason: string } | undefined;
  #isDropped = false;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;
  #isFull = false;

  /** `socket` is open. */
  constructor(socket: Wire) {
    this.#socket = socket;
    socket.owner = this;
    socket.on("message", onMessage).on("close", onClose).on("error", onError);
  }

  /** What came before is handed in at once. */
  listen(events: UpstreamEvents): void {
    this.#events = events;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const frame of early) if (!this.#isDropped) events.frame(frame);
    if (this.#closed !== undefined && !this.#isDropped)
      events.closed(this.#closed.code, this.#closed.reason);
    else this.resume();
  }

  /** False: it is full. `room` of its events is called once, when it is not any more, or closed. */
  send(frame: Frame): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return true;
    if (this.#socket.bufferedAmount <= FULL_BYTES) {
      this.#socket.send(frame);
      return true;
    }
    if (this.#isFull) this.#socket.send(frame);
    else this.#socket.send(frame, () => this.#room());
    this.#isFull = true;
    return false;
  }

  pause(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.pause();
  }

  resume(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    this.resume();
    this.#socket.close(code, reason);
    this.#closeTimer ??= setTimeout(() => this.#socket.terminate(), CLOSE_MS_MAX);
  }

  drop(): void {
    this.#isDropped = true;
    clearTimeout(this.#closeTimer);
    this.#room();
    this.#socket.terminate();
  }

  /** For its wire alone, as `wasClosed` is. */
  heard(data: Buffer, isBinary: boolean): void {
    if (this.#isDropped) return;
    const frame = isBinary ? data : data.toString();
    if (this.#events !== undefined) return this.#events.frame(frame);
    this.#early ??= [];
    this.#early.push(frame);
    this.pause();
  }

  wasClosed(code: number, reason: string): void {
    clearTimeout(this.#closeTimer);
    this.#room();
    if (this.#isDropped || this.#closed !== undefined) return;
    this.#closed = { code: code === 0 ? ABNORMAL : code || NO_STATUS, reason };
    this.#events?.closed(this.#closed.code, reason);
  }

  #room(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#events?.room();
  }
}

function pairs({ headers }: IncomingMessage): readonly (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? ""]).map((one) => [name, one] as const),
  );
}

async function refusalOf(response: IncomingMessage): Promise<Refusal> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of response as AsyncIterable<Buffer>) {
      parts.push(part);
      length += part.length;
      if (length > REFUSAL_BYTES_MAX) break;
    }
  } catch {
    // What came of it says enough.
  }
  const body = Buffer.concat(parts).subarray(0, REFUSAL_BYTES_MAX);
  return { status: response.statusCode ?? 502, headers: pairs(response), body };
}
