// Owns: what is sent to a client, and whether it and its upstreams are read.
import type { ClientSide, Frame } from "@holdfast/rehoming";
import type { ServerWebSocket } from "bun";
import type { Route } from "./route.ts";

/** What the client is shown besides its frames. */
export interface ClientSideOwner {
  readonly route: Route;
  /** A close is about to be sent. */
  closes(code: number): void;
  /** The client takes too little of what upstreams send, or takes it again. */
  clientFull(isFull: boolean): void;
}

/** Bytes that wait for the client, from which on its upstreams are read no further. */
const FULL_BYTES = 64 * 1024;

export class HeldSide implements ClientSide {
  readonly #socket: ServerWebSocket<unknown>;
  readonly #owner: ClientSideOwner;
  #isFull = false;
  /** Why the client is read no further. */
  #isPausedByEngine = false;
  #isUpstreamFull = false;

  constructor(socket: ServerWebSocket<unknown>, owner: ClientSideOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  send(frame: Frame): void {
    const { traffic } = this.#owner.route;
    if (traffic !== undefined) traffic.out += 1;
    if (typeof frame === "string") this.#socket.sendText(frame);
    else this.#socket.sendBinary(frame);
    if (this.#isFull || this.#socket.getBufferedAmount() <= FULL_BYTES) return;
    this.#isFull = true;
    this.#owner.clientFull(true);
  }

  /** What only HoldfastSockets hear. */
  tell(text: string): void {
    this.#socket.sendText(text);
  }

  close(code: number, reason: string): void {
    this.#owner.closes(code);
    this.#socket.close(code, reason);
  }

  pause(): void {
    this.#pauseFor(true, this.#isUpstreamFull);
  }

  resume(): void {
    this.#pauseFor(false, this.#isUpstreamFull);
  }

  upstreamFull(isFull: boolean): void {
    this.#pauseFor(this.#isPausedByEngine, isFull);
  }

  /** The socket takes more again. */
  drained(): void {
    if (!this.#isFull || this.#socket.getBufferedAmount() > FULL_BYTES / 2) return;
    this.#isFull = false;
    this.#owner.clientFull(false);
  }

  #pauseFor(engine: boolean, upstream: boolean): void {
    const before = this.#isPausedByEngine || this.#isUpstreamFull;
    this.#isPausedByEngine = engine;
    this.#isUpstreamFull = upstream;
    const now = engine || upstream;
    if (now === before || this.#socket.readyState !== WebSocket.OPEN) return;
    if (now) this.#socket.pause();
    else this.#socket.resume();
  }
}
