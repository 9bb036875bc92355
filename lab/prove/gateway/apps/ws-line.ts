// Owns: a client on the library `ws`, which opens another socket if its own closes.
import WebSocket from "ws";
import type { Heard, Line } from "./talker.ts";

const AGAIN_MS = 200;

export interface Dialect {
  /** What a client says. */
  say(number: number): string;
  heard(text: string, heard: Heard): void;
  /** Its next socket begins anew at a server. */
  closed?(): void;
}

export class WsLine implements Line {
  readonly #url: string;
  readonly #dialect: Dialect;
  #socket: WebSocket | undefined;
  #isOver = false;

  constructor(url: string, dialect: Dialect) {
    this.#url = url;
    this.#dialect = dialect;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async open(heard: Heard): Promise<void> {
    const socket = new WebSocket(this.#url, { perMessageDeflate: false });
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data) => this.#dialect.heard(String(data), heard));
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.on("open", () => resolve(true));
      socket.on("close", () => resolve(false));
    });
    if (!isOpen) return await this.#again(heard);
    socket.on("close", (code) => {
      this.#dialect.closed?.();
      if (!this.#isOver) heard.closed(code);
      void this.#again(heard);
    });
  }

  say(number: number): void {
    this.#socket?.send(this.#dialect.say(number));
  }

  close(): void {
    this.#isOver = true;
    this.#socket?.terminate();
  }

  async #again(heard: Heard): Promise<void> {
    await Bun.sleep(AGAIN_MS * (1 + Math.random()));
    if (!this.#isOver) await this.open(heard);
  }
}
