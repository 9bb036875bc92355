// Owns: one Bun WebSocket as the engine's Link.
import type { DoorClient, Link } from "@holdfast/core";
import type { ServerWebSocket } from "bun";

/** A client that a door accepts, before its socket is open. */
export interface AcceptedClient {
  /** For the answer's Sec-WebSocket-Protocol; empty: none. */
  readonly subprotocol: string;
  open(link: Link): DoorClient;
}

/** The data of each socket. */
export interface SocketData {
  readonly address: string;
  /** The door's function that begins the connection. */
  readonly accepted: AcceptedClient;
  client: DoorClient | undefined;
}

export type Socket = ServerWebSocket<SocketData>;

/** Compression is off: it costs 3 to 70 times the memory of a connection. */
const COMPRESS = false;

export class BunLink implements Link {
  readonly address: string;
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.address = socket.data.address;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    const result = this.#socket.send(message, COMPRESS);
    if (result > 0) return "sent";
    return result === 0 ? "closed" : "queued";
  }

  bufferedBytes(): number {
    return this.#socket.getBufferedAmount();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  cut(): void {
    this.#socket.terminate();
  }

  ping(): void {
    this.#socket.ping();
  }

  join(group: string): void {
    this.#socket.subscribe(group);
  }

  leave(group: string): void {
    this.#socket.unsubscribe(group);
  }
}
