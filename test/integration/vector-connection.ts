// Owns: the client's side of one connection of a replayed session: frames out, frames in, how it
// ended. Decides nothing.
import type { VectorWire } from "@holdfast/protocol/vector-wire";
import type { VectorFrame } from "@holdfast/protocol/vectors";
import { patience } from "../patience.ts";

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class VectorConnection {
  /** Frames that came and that nobody took, oldest first. */
  readonly inbox: VectorFrame[] = [];
  /** What could not be taken apart. */
  fault: unknown;
  closed: Closed | undefined;
  /** Name of the code in `goodbye`, once that came. */
  goodbye: unknown;
  readonly #socket: WebSocket;
  readonly #wire: VectorWire;
  #wake: () => void = () => {};

  private constructor(socket: WebSocket, wire: VectorWire) {
    this.#socket = socket;
    this.#wire = wire;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#onMessage(data as string | ArrayBuffer));
    socket.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
      this.#wake();
    });
  }

  /** Resolves when the socket is open and speaks the first subprotocol of `offer`. */
  static open(
    url: string,
    wire: VectorWire,
    offer: readonly string[] = [wire.subprotocol],
  ): Promise<VectorConnection> {
    const socket = new WebSocket(url, [...offer]);
    const connection = new VectorConnection(socket, wire);
    return new Promise((resolve, reject) => {
      socket.addEventListener("open", () => {
        if (socket.protocol === offer[0]) resolve(connection);
        else
          reject(
            new Error(
              `expected the subprotocol ${offer[0]}, found ${JSON.stringify(socket.protocol)}`,
            ),
          );
      });
      socket.addEventListener("close", ({ code }) =>
        reject(new Error(`expected an open socket, found it closed with ${code}`)),
      );
    });
  }

  send(frames: readonly VectorFrame[]): void {
    const message = this.#wire.encode(frames);
    this.#socket.send(typeof message === "string" ? message : new Uint8Array(message));
  }

  /** Ends the connection without a closing handshake. */
  cut(): void {
    // Bun's own, which the standard has not: the node hears nothing but the end of TCP.
    (this.#socket as WebSocket & { terminate(): void }).terminate();
  }

  /**
   * Waits until `condition` holds, the connection ends or `patienceMs` have passed; says whether it
   * holds.
   */
  async wait(condition: () => boolean, patienceMs: number): Promise<boolean> {
    const deadlineMs = performance.now() + patience(patienceMs);
    while (!condition() && this.closed === undefined && this.fault === undefined) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) break;
      await this.#somethingHappens(leftMs);
    }
    return condition();
  }

  #somethingHappens(leftMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, leftMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #onMessage(data: string | ArrayBuffer): void {
    try {
      const frames = this.#wire.decode(typeof data === "string" ? data : new Uint8Array(data));
      this.goodbye ??= frames.find(({ t }) => t === "goodbye")?.name;
      this.inbox.push(...frames);
    } catch (error) {
      this.fault ??= error;
    }
    this.#wake();
  }
}
