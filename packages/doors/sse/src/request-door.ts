// Owns: the door for single requests over HTTP: a connection that asks and is answered, for as long
// as its transport keeps it. No I/O.
import type { Connection, DoorClient, DoorCodec, DoorEngine, Item, Link } from "@holdfast/core";
import type { ClientFrame, CodeName, ServerFrame } from "@holdfast/protocol";
import type { StreamRefusal } from "./stream-door.ts";

/** A request without its number. */
export type Asked = WithoutId<Extract<ClientFrame, { readonly t: "publish" | "rpc" | "history" }>>;
type WithoutId<F> = F extends unknown ? Omit<F, "id"> : never;

/** What the node answered, or why it did not. */
export type Answered =
  | { readonly ok: true; readonly frame: AnswerFrame }
  | { readonly ok: false; readonly refusal: StreamRefusal & { readonly path?: string } };
export type AnswerFrame = Extract<ServerFrame, { readonly t: "published" | "ok" | "history" }>;

/** A client that asks. It is like one that speaks holdfast.v1: limits are those of a connection. */
export interface RequestClient extends DoorClient {
  /** Undefined: the node took the client. Otherwise why it did not. */
  readonly connected: Promise<StreamRefusal | undefined>;
  /** True once the node has said goodbye, or the transport has ended it. */
  readonly isOver: boolean;
  /** Whose share of the node it uses: its user, or its address. */
  readonly party: string;
  /** Requests without an answer. */
  readonly waiting: number;
  /**
   * Answered in the order of a channel's requests. If the connection ends first, the code is that
   * of its end: the request may have been carried out. Never rejects.
   */
  ask(request: Asked, length: number): Promise<Answered>;
}

export interface RequestDoor {
  /** `token` absent: anonymous. */
  open(link: Link, token: string | undefined): RequestClient;
}

export function createRequestDoor(engine: DoorEngine): RequestDoor {
  return { open: (link, token) => new Asking(engine, link, token) };
}

/** Ids are reused after this many; no connection has as many requests under way. */
const ID_MAX = 2 ** 30;
const LOST: StreamRefusal = {
  code: "request_failed",
  message: "The connection ended before the answer: it may have been carried out",
};

class Asking implements RequestClient, DoorCodec {
  readonly name = "http";
  readonly shared = false;
  readonly connected: Promise<StreamRefusal | undefined>;
  readonly #engine: DoorEngine;
  readonly #connection: Connection;
  readonly #answers = new Map<number, (answered: Answered) => void>();
  #onConnected: (refusal: StreamRefusal | undefined) => void = () => {};
  #over: StreamRefusal | undefined;
  #id = 1;

  constructor(engine: DoorEngine, link: Link, token: string | undefined) {
    this.#engine = engine;
    this.connected = new Promise((resolve) => {
      this.#onConnected = resolve;
    });
    this.#connection = engine.open(this.#linkOf(link), this);
    const connect: Item = { t: "connect", id: 1, client: "http" };
    const items = [token === undefined ? connect : { ...connect, token }];
    engine.receive(this.#connection, items, (token?.length ?? 0) + 32);
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  get party(): string {
    return this.#connection.party;
  }

  get waiting(): number {
    return this.#answers.size;
  }

  ask(request: Asked, length: number): Promise<Answered> {
    const over = this.#over;
    if (over !== undefined) return Promise.resolve({ ok: false, refusal: over });
    this.#id = this.#id >= ID_MAX ? 2 : this.#id + 1;
    const id = this.#id;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#engine.receive(this.#connection, [{ ...request, id } as ClientFrame], length);
    });
  }

  /** Nothing is sent: what the node writes is the answer. */
  #linkOf(link: Link): Link {
    return {
      address: link.address,
      send: () => "sent",
      bufferedBytes: () => 0,
      pause: () => link.pause(),
      resume: () => link.resume(),
      close: (code, reason) => link.close(code, reason),
      cut: () => link.cut(),
      // The transport ends it when nobody has asked for a while.
      ping: () => this.#engine.alive(this.#connection),
      join: () => {},
      leave: () => {},
    };
  }

  encode(frame: ServerFrame): string {
    switch (frame.t) {
      case "connected":
        this.#onConnected(undefined);
        break;
      case "goodbye":
        this.#end({
          code: frame.name as CodeName,
          message: frame.msg,
          ...(frame.retryMs === undefined ? {} : { retryMs: frame.retryMs }),
        });
        break;
      case "err": {
        const { id, name, msg: message, path, retryMs } = frame;
        const refusal = {
          code: name as CodeName,
          message,
          ...(path === undefined ? {} : { path }),
          ...(retryMs === undefined ? {} : { retryMs }),
        };
        this.#answer(id, { ok: false, refusal });
        break;
      }
      case "published":
      case "ok":
      case "history":
        this.#answer(frame.id, { ok: true, frame });
        break;
      default:
    }
    return "";
  }

  join(): string {
    return "";
  }

  #answer(id: number, answered: Answered): void {
    const resolve = this.#answers.get(id);
    this.#answers.delete(id);
    resolve?.(answered);
  }

  #end(refusal: StreamRefusal): void {
    if (this.#over !== undefined) return;
    this.#over = refusal;
    this.#onConnected(refusal);
    for (const id of [...this.#answers.keys()]) this.#answer(id, { ok: false, refusal });
  }

  message(): void {}
  processed(): void {}
  writable(): void {}

  closed(isClean = true): void {
    this.#end(LOST);
    this.#engine.closed(this.#connection, isClean);
  }
}
