// Owns: one TCP connection of Bun as the engine's Link.
import type { DoorClient, Link } from "@holdfast/core";
import type { Socket } from "bun";

/** The data of each socket. */
export interface TcpData {
  client: DoorClient | undefined;
  link: TcpLink | undefined;
}

export type TcpSocket = Socket<TcpData>;

/**
 * Bun writes what the network takes at once; the rest waits here. Beyond `queueBytesMax` the
 * connection is cut: the engine's own limit lies below.
 */
export class TcpLink implements Link {
  readonly address: string;
  readonly #socket: TcpSocket;
  readonly #queueBytesMax: number;
  #queue: Uint8Array[] | undefined;
  #queuedBytes = 0;
  #isEnding = false;
  #isOver = false;

  constructor(socket: TcpSocket, queueBytesMax: number) {
    this.#socket = socket;
    this.#queueBytesMax = queueBytesMax;
    this.address = socket.remoteAddress;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    if (this.#isOver || this.#isEnding) return "closed";
    const bytes = typeof message === "string" ? Buffer.from(message) : message;
    if (this.#queue === undefined) {
      const written = this.#socket.write(bytes);
      if (written < 0) return "closed";
      if (written === bytes.length) return "sent";
      // A copy: the rest of a message keeps no more than it is long.
      this.#queue = [bytes.slice(written)];
      this.#queuedBytes = bytes.length - written;
    } else {
      this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
    }
    if (this.#queuedBytes <= this.#queueBytesMax) return "queued";
    this.cut();
    return "closed";
  }

  bufferedBytes(): number {
    return this.#queuedBytes;
  }

  pause(): void {
    if (!this.#isOver) this.#socket.pause();
  }

  resume(): void {
    if (!this.#isOver) this.#socket.resume();
  }

  /** Everything that was sent leaves first. TCP has neither code nor reason. */
  close(): void {
    this.#isEnding = true;
    if (this.#queue === undefined) this.#finish();
  }

  cut(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue = undefined;
    this.#queuedBytes = 0;
    this.#socket.terminate();
  }

  join(): void {}
  leave(): void {}

  /** The network takes more. True: nothing waits. */
  drained(): boolean {
    while (this.#queue !== undefined) {
      const first = this.#queue[0] as Uint8Array;
      const written = this.#socket.write(first);
      if (written < 0) return false;
      this.#queuedBytes -= written;
      if (written < first.length) {
        this.#queue[0] = first.subarray(written);
        return false;
      }
      this.#queue.shift();
      if (this.#queue.length === 0) this.#queue = undefined;
    }
    if (this.#isEnding) this.#finish();
    return true;
  }

  /**
   * What the peer still sends is read and dropped: if it were not, the system would reset the
   * connection, and the peer might never read what it was sent last. Whoever ends a connection
   * cuts it if the peer does not close it in time.
   */
  #finish(): void {
    if (!this.#isOver) this.#socket.shutdown();
  }

  over(): void {
    this.#isOver = true;
    this.#queue = undefined;
  }
}
