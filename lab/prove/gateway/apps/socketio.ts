// Owns: clients of socket.io, on the library `socket.io-client`.
import { join } from "node:path";
import { io, type Socket } from "socket.io-client";
import type { App } from "../app.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

/** The library says why a socket closed, and no code. */
const NO_CODE = 0;

class SocketIoLine implements Line {
  readonly #socket: Socket;

  constructor(url: string) {
    this.#socket = io(url, { transports: ["websocket"], forceNew: true, autoConnect: false });
  }

  get isOpen(): boolean {
    return this.#socket.connected;
  }

  async open(heard: Heard): Promise<void> {
    const socket = this.#socket;
    this.#heard = heard;
    socket.on("push", ({ push, home }: { push: number; home: string }) => heard.push(home, push));
    socket.on("disconnect", () => heard.closed(NO_CODE));
    const opened = new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.connect();
    await opened;
  }

  say(number: number): void {
    this.#socket.emit("say", number, (answer: number) => this.#heard?.answer(answer));
  }

  close(): void {
    this.#socket.disconnect();
  }

  #heard: Heard | undefined;
}

export const socketio: App = {
  name: "socketio",
  title: "socket.io without recovery, profile socketio",
  profile: { kind: "socketio", idempotent: true },
  server: join(import.meta.dir, "socketio-server.ts"),
  mayMissAnswersOfDead: false,
  client: ({ url, everyMs }) => new Talker(new SocketIoLine(url.replace(/^ws/, "http")), everyMs),
};
