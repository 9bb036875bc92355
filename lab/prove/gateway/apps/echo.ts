// Owns: clients of the plain server, on the library `ws`.
import { join } from "node:path";
import WebSocket from "ws";
import { type Account, type App, type AppClient, type ClientOptions, NOTHING } from "../app.ts";

const AGAIN_MS = 200;
const LOOK_MS = 20;

class EchoClient implements AppClient {
  readonly #options: ClientOptions;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isOver = false;
  #last = 0;
  /** Frames without an answer, in the order in which they were sent, and when. */
  readonly #waiting = new Map<number, number>();
  /** Last frame that a server sent by itself, and by which of its sockets. */
  #push = { home: "", number: 0 };
  #lastAnswered = 0;
  #longestMs = 0;
  #account: { -readonly [K in keyof Account]: Account[K] } = { ...NOTHING };

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const socket = new WebSocket(this.#options.url);
    this.#socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data) => this.#heard(JSON.parse(String(data))));
    const opened = new Promise<boolean>((resolve) => {
      socket.on("open", () => resolve(true));
      socket.on("close", () => resolve(false));
    });
    const isOpen = await opened;
    if (isOpen) socket.on("close", (code) => this.#closed(code));
    else await this.#again();
  }

  begin(): void {
    this.#waiting.clear();
    this.#account = { ...NOTHING };
    this.#longestMs = 0;
    this.#timer ??= setInterval(() => this.#talk(), this.#options.everyMs);
  }

  async account(waitMs: number): Promise<Account> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    const untilMs = performance.now() + waitMs;
    while (this.#waiting.size > 0 && performance.now() < untilMs) await Bun.sleep(LOOK_MS);
    return {
      ...this.#account,
      unanswered: this.#account.unanswered + this.#waiting.size,
      longestMs: [this.#longestMs],
    };
  }

  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#socket?.terminate();
  }

  #talk(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#last += 1;
    this.#waiting.set(this.#last, performance.now());
    this.#account.sent += 1;
    this.#socket.send(String(this.#last));
  }

  #heard(frame: { readonly answer?: number; readonly push?: number; readonly home: string }): void {
    if (frame.push !== undefined) return this.#pushed(frame.home, frame.push);
    const number = frame.answer ?? 0;
    const sentMs = this.#waiting.get(number);
    if (sentMs === undefined) {
      this.#account.doubled += number <= this.#lastAnswered ? 1 : 0;
      return;
    }
    this.#waiting.delete(number);
    this.#longestMs = Math.max(this.#longestMs, performance.now() - sentMs);
    this.#account.answered += 1;
    if (number < this.#lastAnswered) this.#account.outOfOrder += 1;
    this.#lastAnswered = Math.max(this.#lastAnswered, number);
  }

  /** Each home numbers its frames from 1; what is between two of one home was lost. */
  #pushed(home: string, number: number): void {
    const wanted = home === this.#push.home ? this.#push.number + 1 : 1;
    this.#account.pushed += 1;
    if (number !== wanted) this.#account.pushesWrong += 1;
    this.#push = { home, number };
  }

  #closed(code: number): void {
    if (this.#isOver) return;
    const { closes } = this.#account;
    this.#account.closes = { ...closes, [code]: (closes[code] ?? 0) + 1 };
    // Nobody answers these any more: the client knows it, because its socket closed.
    this.#account.unanswered += this.#waiting.size;
    this.#waiting.clear();
    void this.#again();
  }

  async #again(): Promise<void> {
    await Bun.sleep(AGAIN_MS * (1 + Math.random()));
    if (!this.#isOver) await this.open();
  }
}

export const echo: App = {
  name: "echo",
  title: "A plain server on ws, profile stateless",
  profile: "stateless",
  server: join(import.meta.dir, "echo-server.ts"),
  mayMissAnswersOfDead: true,
  client: (options) => new EchoClient(options),
};
