// Owns: clients of the plain server, on the library `ws`.
import { join } from "node:path";
import WebSocket from "ws";
import type { App } from "../app.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

const AGAIN_MS = 200;

class EchoLine implements Line {
  readonly #url: string;
  #socket: WebSocket | undefined;
  #isOver = false;

  constructor(url: string) {
    this.#url = url;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async open(heard: Heard): Promise<void> {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data) => {
      const { answer, push, home } = JSON.parse(String(data));
      if (push === undefined) heard.answer(answer);
      else heard.push(home, push);
    });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.on("open", () => resolve(true));
      socket.on("close", () => resolve(false));
    });
    if (!isOpen) return await this.#again(heard);
    socket.on("close", (code) => {
      if (!this.#isOver) heard.closed(code);
      void this.#again(heard);
    });
  }

  say(number: number): void {
    this.#socket?.send(String(number));
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

export const echo: App = {
  name: "echo",
  title: "A plain server on ws, profile stateless",
  profile: "stateless",
  server: join(import.meta.dir, "echo-server.ts"),
  mayMissAnswersOfDead: true,
  client: ({ url, everyMs }) => new Talker(new EchoLine(url), everyMs),
};
