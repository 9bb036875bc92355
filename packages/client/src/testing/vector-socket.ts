// Owns: one socket of an engine in a replayed session, as its node sees it. For tests only.
import type { VectorWire } from "@holdfast/protocol/vector-wire";
import type { VectorFrame } from "@holdfast/protocol/vectors";
import type { ClientClock, Transport, TransportHandlers } from "../engine/environment.ts";

export interface TestClock extends ClientClock {
  advance(ms: number): void;
  flush(): void;
}

export class VectorSocket {
  readonly subprotocol: string;
  /** Frames that the client sent and no step has taken, oldest first. */
  readonly inbox: VectorFrame[] = [];
  /** The code with which the client closed. */
  closedWith: number | undefined;
  readonly #wire: VectorWire;
  readonly #handlers: TransportHandlers;
  readonly #clock: TestClock;
  #over = false;

  constructor(
    subprotocol: string,
    from: {
      readonly wire: VectorWire;
      readonly handlers: TransportHandlers;
      readonly clock: TestClock;
    },
  ) {
    this.subprotocol = subprotocol;
    this.#wire = from.wire;
    this.#handlers = from.handlers;
    this.#clock = from.clock;
  }

  get over(): boolean {
    return this.#over;
  }

  get transport(): Transport {
    return {
      send: (message) => {
        if (this.closedWith === undefined && !this.#over)
          this.inbox.push(...this.#wire.decode(message));
      },
      close: (code) => {
        this.closedWith ??= code;
      },
    };
  }

  open(): void {
    this.#handlers.opened();
    this.#clock.flush();
  }

  send(frames: readonly VectorFrame[]): void {
    this.#handlers.message(this.#wire.encode(frames));
    this.#clock.flush();
  }

  end(code: number): void {
    this.#over = true;
    this.#handlers.closed(code, "");
    this.#clock.flush();
  }

  /** Takes the frames of this type out. */
  takeAll(type: string): VectorFrame[] {
    const taken = this.inbox.filter(({ t }) => t === type);
    for (const frame of taken) this.inbox.splice(this.inbox.indexOf(frame), 1);
    return taken;
  }
}
