// Owns: the door for readers of streams: a request becomes a connection with its subscriptions, and
// the node's frames become events whose ids say where every channel goes on. No I/O.
import type { Connection, DoorClient, DoorCodec, DoorEngine, Link, Random } from "@holdfast/core";
import { type CodeName, payloadBytes, type ServerFrame } from "@holdfast/protocol";
import {
  eventOf,
  heartbeatOf,
  render,
  retryText,
  type StreamEvent,
  type StreamFormat,
  type ToldFrame,
} from "./formats.ts";
import { type Places, PlaceWriter, SEAL } from "./places.ts";

/** What a reader asks for. */
export interface StreamRequest {
  /** 1 to CHANNELS_MAX names, each once. */
  readonly channels: readonly string[];
  /** Where they go on. A channel without a place begins at its head, or `last` before it. */
  readonly places: Places;
  readonly last?: number;
  /** Absent: anonymous. */
  readonly token?: string;
  readonly format: StreamFormat;
  /** Text without spaces that ends each id, behind `!`: something that only a reader can show. */
  readonly seal?: () => string;
}

/** Why a request got no stream. */
export interface StreamRefusal {
  readonly code: CodeName;
  readonly message: string;
  readonly retryMs?: number;
  /** The channel that was refused. */
  readonly channel?: string;
}

/**
 * A reader, as its transport sees it. `opened` is called once, and nothing was sent before: every
 * channel is subscribed, or one was refused. After a refusal the transport calls `closed`.
 */
export interface StreamClient extends DoorClient {
  /** The stream is silent: writes a sign of life, unless the reader has not taken what was sent. */
  heartbeat(): void;
}

export type Opened = (refusal: StreamRefusal | undefined) => void;

export interface StreamDoor {
  open(link: Link, request: StreamRequest, opened: Opened): StreamClient;
}

/** What comes before the last answer of the opening is kept: frames, and bytes of their data. */
const HELD_FRAMES_MAX = 2_048;
const HELD_BYTES_MAX = 1024 * 1024;
/** The id of the request for the first channel, behind that of `connect`. */
const FIRST_SUBSCRIBE = 2;
/** Added to the window over which readers of a lost stream come back. */
const RETRY_MIN_MS = 500;

export function createStreamDoor(engine: DoorEngine, random: Pick<Random, "next">): StreamDoor {
  // In a large room each reader gets the same frame with another id.
  const shared: Shared = { frame: undefined, event: undefined };
  return {
    open: (link, request, opened) =>
      new Reader({ engine, random, shared, link, request, opened }).start(),
  };
}

const GONE: StreamRefusal = {
  code: "request_failed",
  message: "Cannot open the stream: its reader is gone",
};

/** The publication that was written last. */
interface Shared {
  frame: ServerFrame | undefined;
  event: StreamEvent | undefined;
}

interface Parts {
  readonly engine: DoorEngine;
  readonly random: Pick<Random, "next">;
  readonly shared: Shared;
  readonly link: Link;
  readonly request: StreamRequest;
  readonly opened: Opened;
}

class Reader implements StreamClient, DoorCodec {
  readonly name: string;
  readonly shared = false;
  readonly #parts: Parts;
  readonly #places: PlaceWriter;
  #connection: Connection | undefined;
  #state: "opening" | "open" | "over" = "opening";
  #subscribed: ToldFrame[] = [];
  #held: ToldFrame[] = [];
  #heldBytes = 0;
  #windowMs = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.name = parts.request.format;
    this.#places = new PlaceWriter(parts.request.channels, parts.request.places);
  }

  start(): StreamClient {
    const { engine, link, request } = this.#parts;
    const connection = engine.open(this.#linkOf(link), this);
    this.#connection = connection;
    const { channels, places, last, token } = request;
    const length = (token?.length ?? 0) + channels.reduce((sum, { length: l }) => sum + l, 64);
    engine.receive(
      connection,
      [
        { t: "connect", id: 1, client: request.format, ...(token === undefined ? {} : { token }) },
        ...channels.map((ch, index) => {
          const pos = places.get(ch);
          const from = pos === undefined ? { ...(last === undefined ? {} : { last }) } : { pos };
          return { t: "subscribe" as const, id: index + FIRST_SUBSCRIBE, ch, ...from };
        }),
      ],
      length,
    );
    return this;
  }

  /** Nothing is ever received: a reader lives as long as it takes what is written. */
  #linkOf(link: Link): Link {
    const ping = (): void => {
      if (link.bufferedBytes() === 0) this.#alive();
    };
    return {
      address: link.address,
      send: (message) => (message.length === 0 ? "sent" : link.send(message)),
      bufferedBytes: () => link.bufferedBytes(),
      pause: () => link.pause(),
      resume: () => link.resume(),
      close: (code, reason) => link.close(code, reason),
      cut: () => link.cut(),
      ping,
      join: () => {},
      leave: () => {},
    };
  }

  #alive(): void {
    if (this.#connection !== undefined) this.#parts.engine.alive(this.#connection);
  }

  // ---- the codec of this one connection ----

  encode(frame: ServerFrame): string {
    switch (frame.t) {
      case "connected":
        this.#windowMs = frame.windowMs;
        return "";
      case "advice":
        this.#windowMs = frame.windowMs;
        return this.#state === "open" ? this.#retry() : "";
      case "subscribed":
        return this.#onSubscribed(frame);
      case "err":
        return this.#refuse(this.#refusalOf(frame));
      case "goodbye":
        if (this.#state !== "opening") return this.#event(frame);
        return this.#refuse({
          code: frame.name as CodeName,
          message: frame.msg,
          ...(frame.retryMs === undefined && frame.windowMs === undefined
            ? {}
            : { retryMs: this.#returnMs(frame) }),
        });
      case "pub":
      case "gap":
      case "unsubscribed":
        return this.#state === "opening" ? this.#hold(frame) : this.#event(frame);
      default:
        return "";
    }
  }

  join(messages: readonly (string | Uint8Array)[]): string {
    return messages.join("");
  }

  #onSubscribed(frame: Extract<ServerFrame, { t: "subscribed" }>): string {
    if (this.#state !== "opening") return "";
    this.#subscribed.push(frame);
    if (this.#subscribed.length < this.#parts.request.channels.length) return "";
    // From here on an id says where every channel goes on. Not before: a reader that got the id of
    // one channel alone would begin the others at their heads.
    this.#state = "open";
    for (const { ch, pos } of this.#subscribed as (typeof frame)[]) this.#places.set(ch, pos);
    const text =
      this.#retry() + [...this.#subscribed, ...this.#held].map((one) => this.#event(one)).join("");
    this.#subscribed = [];
    this.#held = [];
    this.#parts.opened(undefined);
    return text;
  }

  #hold(frame: ToldFrame): string {
    this.#held.push(frame);
    if (frame.t === "pub") this.#heldBytes += payloadBytes(frame.data);
    if (this.#held.length <= HELD_FRAMES_MAX && this.#heldBytes <= HELD_BYTES_MAX) return "";
    const message = "Cannot open the stream: one channel is busy while another one does not answer";
    return this.#refuse({ code: "try_later", message, retryMs: this.#returnMs({}) });
  }

  #refuse(refusal: StreamRefusal): string {
    if (this.#state !== "opening") return "";
    this.#state = "over";
    this.#held = [];
    this.#parts.opened(refusal);
    return "";
  }

  #refusalOf({ id, name, msg, retryMs }: Extract<ServerFrame, { t: "err" }>): StreamRefusal {
    const channel = this.#parts.request.channels[id - FIRST_SUBSCRIBE];
    return {
      code: name as CodeName,
      message: msg,
      ...(retryMs === undefined ? {} : { retryMs }),
      ...(channel === undefined ? {} : { channel }),
    };
  }

  #event(frame: ToldFrame): string {
    if (this.#state === "over") return "";
    const { format } = this.#parts.request;
    switch (frame.t) {
      case "pub":
        this.#places.move(frame.ch, frame.o);
        return render(format, this.#publication(frame), { id: this.#id() });
      case "gap":
        this.#places.set(frame.ch, frame.pos);
        return render(format, eventOf(frame), { id: this.#id() });
      case "goodbye": {
        this.#state = "over";
        const retryMs = this.#returnMs(frame);
        // Without an id: what was written last may not have reached a slow reader.
        return render(format, eventOf(frame, retryMs), { retryMs });
      }
      default:
        return render(format, eventOf(frame), { id: this.#id() });
    }
  }

  #id(): string {
    const { seal } = this.#parts.request;
    return seal === undefined ? this.#places.text : `${this.#places.text}${SEAL}${seal()}`;
  }

  #publication(frame: Extract<ToldFrame, { t: "pub" }>): StreamEvent {
    const { shared } = this.#parts;
    if (shared.frame !== frame || shared.event === undefined) {
      shared.event = eventOf(frame);
      shared.frame = frame;
    }
    return shared.event;
  }

  /** Within the window, each reader at a moment of its own. */
  #returnMs({ retryMs = 0, windowMs = 0 }: { retryMs?: number; windowMs?: number }): number {
    return Math.round(retryMs + this.#parts.random.next() * windowMs);
  }

  #retry(): string {
    const retryMs = RETRY_MIN_MS + this.#returnMs({ windowMs: this.#windowMs });
    return retryText(this.#parts.request.format, retryMs);
  }

  // ---- the transport's side ----

  /** A reader says nothing. */
  message(): void {
    const message = "Cannot take a message: a reader of a stream sends none";
    if (this.#connection !== undefined)
      this.#parts.engine.refuse(this.#connection, "frame_invalid", message);
  }

  processed(): void {}

  writable(): void {
    if (this.#connection !== undefined) this.#parts.engine.writable(this.#connection);
  }

  heartbeat(): void {
    const { link, request } = this.#parts;
    if (this.#state !== "open" || link.bufferedBytes() > 0) return;
    link.send(heartbeatOf(request.format));
  }

  closed(isClean = false): void {
    this.#refuse(GONE);
    this.#state = "over";
    if (this.#connection !== undefined) this.#parts.engine.closed(this.#connection, isClean);
  }
}
