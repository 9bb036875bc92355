// Owns: connections of holdfast.v1 over HTTP (spec/http.md): which there are, what a POST means for
// one, and what becomes of a POST that reached another node.
import type { DoorClient, Link, Random } from "@holdfast/core";
import { jsonAnswer, problemAnswer, STREAM_HEADERS } from "./answers.ts";
import type { Forwarded, Forwarding } from "./forward.ts";
import { type LinkGroups, PollLink, type SocketLink, StreamSocketLink } from "./socket-links.ts";

/** A door whose clients come by messages. */
export interface MessageDoor {
  accept(offered: string | null): {
    readonly subprotocol: string;
    open(link: Link): DoorClient;
  };
}

export interface HttpSocketsOptions {
  readonly nodeId: string;
  readonly door: MessageDoor;
  readonly random: Pick<Random, "id">;
  readonly groups: LinkGroups;
  /** Reaches the other nodes. Absent: there are none. */
  readonly forwarding: Forwarding | undefined;
  readonly heartbeatMs: number;
  readonly recorder?: {
    streamOpened(route: string): void;
    streamBytes(route: string, bytes: number): void;
    streamEnded(route: string, why: "complete" | "left"): void;
  };
}

/** One POST, as it came. */
export interface SocketRequest {
  readonly head: SocketHead;
  /** The message behind the head. */
  readonly message: Uint8Array;
  readonly address: string;
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  readonly mayCut: (may: boolean) => void;
}

/** The first line of a POST's body. */
export type SocketHead =
  | { readonly open: "stream" | "poll"; readonly subprotocol: string }
  | { readonly id: string; readonly send: number }
  | { readonly id: string; readonly poll: number; readonly waitMs: number }
  | { readonly id: string; readonly close: number };

interface Open {
  readonly link: SocketLink;
  readonly client: DoorClient;
  readonly isText: boolean;
  /** Number of the next message of the client. */
  next: number;
  /** The last message, whose POST is not answered yet. */
  reading: Promise<unknown>;
}

/** A client that polls and does not come again for this long is gone. */
const POLL_GONE_MS = 30_000;
const LOOK_MS = 1_000;
const POLL_LENGTH_MAX = 256 * 1024;
/** Over the bus between nodes. */
const FORWARDED_LENGTH_MAX = 64 * 1024;
export const POLL_WAIT_MS_MAX = 30_000;

export class HttpSockets {
  readonly #options: HttpSocketsOptions;
  readonly #open = new Map<string, Open>();
  #look: ReturnType<typeof setInterval> | undefined;

  constructor(options: HttpSocketsOptions) {
    this.#options = options;
    options.forwarding?.serve((asked) => this.#asked(asked));
  }

  get count(): number {
    return this.#open.size;
  }

  async answer(request: SocketRequest): Promise<Response> {
    const { head, headers } = request;
    if ("open" in head) return head.open === "stream" ? this.#stream(request) : this.#poll(request);
    const forwarded: Forwarded = {
      id: head.id,
      ...("send" in head ? { send: head.send } : {}),
      ...("poll" in head ? { poll: head.poll, waitMs: head.waitMs } : {}),
      ...("close" in head ? { close: head.close } : {}),
      ...(request.message.length === 0
        ? {}
        : { message: Buffer.from(request.message).toString("base64") }),
    };
    if (!this.#open.has(head.id)) return this.#forward(forwarded, headers);
    request.mayCut(false);
    const { status, body } = await this.#carryOut(forwarded, request.message, POLL_LENGTH_MAX);
    request.mayCut(true);
    return answerOf(status, body, headers);
  }

  /** Ends all at once. */
  end(): void {
    clearInterval(this.#look);
    for (const { link } of this.#open.values()) link.cut();
  }

  #stream({ head, address, signal, headers, mayCut }: SocketRequest): Response {
    const id = this.#newId();
    const { recorder, groups } = this.#options;
    const link = new StreamSocketLink(id, {
      address,
      groups,
      onRoom: () => this.#open.get(id)?.client.writable(),
      onWaiting: () => {},
      onBytes: (bytes) => recorder?.streamBytes("socket_stream", bytes),
      onGone: (isClean) => {
        recorder?.streamEnded("socket_stream", isClean ? "complete" : "left");
        mayCut(true);
        this.#gone(id, isClean);
      },
    });
    recorder?.streamOpened("socket_stream");
    mayCut(false);
    this.#begin(id, link, (head as { readonly subprotocol: string }).subprotocol);
    signal.addEventListener("abort", () => link.cut(), { once: true });
    return new Response(link.body, {
      headers: { ...STREAM_HEADERS, "content-type": "text/event-stream", ...headers },
    });
  }

  #poll({ head, address, headers }: SocketRequest): Response {
    const id = this.#newId();
    const { recorder, groups } = this.#options;
    const link = new PollLink({
      address,
      groups,
      onRoom: () => this.#open.get(id)?.client.writable(),
      onGone: (isClean) => {
        recorder?.streamEnded("socket_poll", isClean ? "complete" : "left");
        this.#gone(id, isClean);
      },
    });
    recorder?.streamOpened("socket_poll");
    this.#begin(id, link, (head as { readonly subprotocol: string }).subprotocol);
    return jsonAnswer({ id }, 200, headers);
  }

  #begin(id: string, link: SocketLink, subprotocol: string): void {
    const accepted = this.#options.door.accept(subprotocol);
    const open: Open = {
      link,
      client: accepted.open(link),
      isText: !accepted.subprotocol.endsWith("+msgpack"),
      next: 1,
      reading: Promise.resolve(),
    };
    this.#open.set(id, open);
    if (link.isOver) this.#gone(id, false);
    this.#look ??= setInterval(() => this.#lookAtAll(), LOOK_MS);
  }

  #gone(id: string, isClean: boolean): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    // Not inside of the engine's own call.
    queueMicrotask(() => open?.client.closed(isClean));
    if (this.#open.size > 0) return;
    clearInterval(this.#look);
    this.#look = undefined;
  }

  #lookAtAll(): void {
    const nowMs = performance.now();
    for (const { link } of this.#open.values()) {
      if (link instanceof StreamSocketLink) {
        if (nowMs - link.lastSentMs >= this.#options.heartbeatMs) link.heartbeat();
      } else {
        const { isPolled, lastPollMs } = link as PollLink;
        if (!isPolled && nowMs - lastPollMs >= POLL_GONE_MS) link.cut();
      }
    }
  }

  /** The node's name stands before it, so that another node knows whom to ask. */
  #newId(): string {
    return `${this.#options.nodeId}.${this.#options.random.id()}`;
  }

  /** What a POST means for a connection of this node. Repeated, it does nothing again. */
  async #carryOut(
    asked: Forwarded,
    message: Uint8Array,
    lengthMax: number,
  ): Promise<{ readonly status: number; readonly body?: unknown }> {
    const open = this.#open.get(asked.id);
    if (open === undefined) return { status: 404 };
    const { link, client } = open;
    if (asked.close !== undefined) {
      link.cut();
      return { status: 204 };
    }
    if (asked.poll !== undefined) {
      if (link instanceof StreamSocketLink) return { status: 404 };
      const body = await (link as PollLink).poll(asked.poll, asked.waitMs ?? 0, lengthMax);
      if (body.close !== undefined) link.cut();
      return { status: 200, body };
    }
    const { send = 0 } = asked;
    if (send !== open.next) {
      await open.reading;
      return { status: send < open.next ? 204 : 409 };
    }
    open.next += 1;
    const reading = link.whenReadable().then(() => {
      client.message(open.isText ? textOf(message) : new Uint8Array(message));
    });
    open.reading = reading;
    await reading;
    return { status: 204 };
  }

  /** Another node asks for a connection of this one. Undefined: it is none of this node. */
  async #asked(
    asked: Forwarded,
  ): Promise<{ readonly status: number; readonly body?: unknown } | undefined> {
    if (!asked.id.startsWith(`${this.#options.nodeId}.`)) return undefined;
    const message = asked.message === undefined ? NOTHING : Buffer.from(asked.message, "base64");
    return this.#carryOut(asked, message, FORWARDED_LENGTH_MAX);
  }

  async #forward(asked: Forwarded, headers: Readonly<Record<string, string>>): Promise<Response> {
    const node = asked.id.slice(0, asked.id.lastIndexOf("."));
    const { forwarding, nodeId } = this.#options;
    if (node === nodeId || node === "" || forwarding === undefined)
      return answerOf(404, undefined, headers);
    const answered = await forwarding.ask(node, asked);
    if (answered !== undefined) return answerOf(answered.status, answered.body, headers);
    // Asked all the same: a node that has just begun does not know the others yet.
    if (!forwarding.knows(node)) return answerOf(404, undefined, headers);
    const detail = "Cannot reach the node of the connection in time: send the same again";
    return problemAnswer({ code: "try_later", detail, retryMs: 500 }, headers);
  }
}

const NOTHING = new Uint8Array(0);
const DECODER = new TextDecoder("utf-8", { fatal: true });

/** Bytes that are no text stay bytes, which the door refuses. */
function textOf(message: Uint8Array): string | Uint8Array {
  try {
    return DECODER.decode(message);
  } catch {
    return new Uint8Array(message);
  }
}

function answerOf(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Response {
  if (status === 404) {
    const detail = "Cannot find the connection: it has ended, or was another node's";
    return new Response(JSON.stringify({ code: "connection_lost", detail }), {
      status: 404,
      headers: {
        ...headers,
        "content-type": "application/problem+json",
        "cache-control": "no-store",
      },
    });
  }
  if (body !== undefined) return jsonAnswer(body, status, headers);
  return new Response(null, { status, headers: { ...headers, "cache-control": "no-store" } });
}
