// Owns: one raw WebSocket of a driver: its handshake and the counting of what arrives.
import { RawSocket, type SocketEnd } from "@holdfast/load";
import type { Dialect } from "./dialects.ts";

export interface LinkOwner {
  readonly dialect: Dialect;
  readonly port: number;
  /** `count` publications arrived at link `index`. */
  arrived(index: number, count: number): void;
  /** The node acknowledged publishes of this link. */
  acknowledged(count: number): void;
  /** The connection ended or a message made no sense. */
  failed(index: number, why: string): void;
}

/**
 * One connection. `open` and `subscribe` resolve when the server answered, or the connection ended:
 * failures are counted, and end the run.
 */
export class RawLink {
  readonly #index: number;
  readonly #owner: LinkOwner;
  #socket: RawSocket | undefined;
  #isClosing = false;
  #settle: (() => void) | undefined;

  constructor(index: number, owner: LinkOwner) {
    this.#index = index;
    this.#owner = owner;
  }

  open(): Promise<void> {
    const { port, dialect } = this.#owner;
    const ready = this.#answer();
    const { subprotocol } = dialect;
    const url = new URL(dialect.path, `ws://127.0.0.1:${port}`);
    this.#socket = new RawSocket(
      { url, verifiesTls: true, ...(subprotocol === undefined ? {} : { subprotocol }) },
      {
        opened: () => this.#opened(),
        message: (bytes, from, to) => this.#message(bytes, from, to),
        ended: (end) => this.#ended(end),
      },
    );
    return ready;
  }

  subscribe(channel: string): Promise<void> {
    const answered = this.#answer();
    this.send(this.#owner.dialect.subscribe(channel));
    return answered;
  }

  send(text: string): void {
    this.#socket?.send(text);
  }

  close(): void {
    this.#isClosing = true;
    this.#socket?.hangUp();
  }

  #opened(): void {
    const { hello, reply } = this.#owner.dialect;
    if (hello !== undefined) this.send(hello);
    else if (reply === undefined) this.#answered();
  }

  #ended({ name }: SocketEnd): void {
    if (!this.#isClosing) this.#fail(name);
  }

  #fail(why: string): void {
    this.#owner.failed(this.#index, why);
    this.#answered();
  }

  #message(bytes: Buffer, from: number, to: number): void {
    const arrival = this.#owner.dialect.arrival(bytes, from, to);
    if (typeof arrival === "number") this.#owner.arrived(this.#index, arrival);
    else if (typeof arrival === "object") this.#owner.acknowledged(arrival.acknowledged);
    else if (arrival === "open") this.send(this.#owner.dialect.reply ?? "");
    else if (arrival === "other")
      this.#fail(`unexpected ${bytes.toString("utf8", from, Math.min(to, from + 80))}`);
    else this.#answered();
  }

  #answer(): Promise<void> {
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  #answered(): void {
    this.#settle?.();
    this.#settle = undefined;
  }
}
