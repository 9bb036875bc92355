// Owns: one raw WebSocket of a driver: its handshake and the counting of what arrives.
import type { Socket } from "bun";
import { frameAt, textFrame, upgradeRequest } from "../load/wire/ws-frames.ts";
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

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const MESSAGE_BYTES_MAX = 1 << 20;

/** One connection. `open` and `subscribe` resolve when the server answered. */
export class RawLink {
  readonly #index: number;
  readonly #owner: LinkOwner;
  #socket: Socket<RawLink> | undefined;
  #rest: Buffer | undefined;
  #upgraded = false;
  #closing = false;
  #settle: (() => void) | undefined;

  constructor(index: number, owner: LinkOwner) {
    this.#index = index;
    this.#owner = owner;
  }

  async open(): Promise<void> {
    const { port, dialect } = this.#owner;
    const ready = this.#answer();
    this.#socket = await Bun.connect<RawLink>({ hostname: "127.0.0.1", port, socket: handlers, data: this });
    this.#socket.write(upgradeRequest({ host: `127.0.0.1:${port}`, ...dialect }));
    await ready;
  }

  async subscribe(channel: string): Promise<void> {
    const answered = this.#answer();
    this.send(this.#owner.dialect.subscribe(channel));
    await answered;
  }

  send(text: string): void {
    this.#socket?.write(textFrame(text));
  }

  close(): void {
    this.#closing = true;
    this.#socket?.end();
  }

  ended(): void {
    if (!this.#closing) this.#fail("closed by the server");
  }

  /** Whoever waits goes on: failures are counted, and end the run. */
  #fail(why: string): void {
    this.#owner.failed(this.#index, why);
    this.#answered();
  }

  /** Bytes from the server, cut anywhere. */
  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#upgraded ? 0 : this.#takeHead(bytes);
    while (at < bytes.length) {
      const frame = frameAt(bytes, at);
      if (frame === undefined) break;
      at = frame.to;
      if (frame.opcode === 1) this.#message(bytes, frame.from, frame.to);
      else if (frame.opcode === 8) this.ended();
    }
    if (at >= bytes.length) return;
    if (bytes.length - at > MESSAGE_BYTES_MAX) this.#fail("a message over 1 MiB");
    else this.#rest = Buffer.from(bytes.subarray(at)); // the runtime reuses the chunk's memory
  }

  #takeHead(bytes: Buffer): number {
    const end = bytes.indexOf(END_OF_HEAD);
    if (end === -1) return 0;
    if (!bytes.toString("latin1", 0, 12).endsWith("101")) this.#fail(bytes.toString("latin1", 0, 40));
    this.#upgraded = true;
    const { hello, reply } = this.#owner.dialect;
    if (hello !== undefined) this.send(hello);
    else if (reply === undefined) this.#answered();
    return end + END_OF_HEAD.length;
  }

  #message(bytes: Buffer, from: number, to: number): void {
    const arrival = this.#owner.dialect.arrival(bytes, from, to);
    if (typeof arrival === "number") this.#owner.arrived(this.#index, arrival);
    else if (typeof arrival === "object") this.#owner.acknowledged(arrival.acknowledged);
    else if (arrival === "open") this.send(this.#owner.dialect.reply ?? "");
    else if (arrival === "other") this.#fail(`unexpected ${bytes.toString("utf8", from, Math.min(to, from + 80))}`);
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

/** One object for all sockets. */
const handlers = {
  data: (socket: Socket<RawLink>, chunk: Buffer) => socket.data.take(chunk),
  close: (socket: Socket<RawLink>) => socket.data.ended(),
  error: (socket: Socket<RawLink>) => socket.data.ended(),
};
