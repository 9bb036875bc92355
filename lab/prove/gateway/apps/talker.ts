// Owns: a client that talks all the time and accounts for every frame, whatever library carries it.
import { type Account, type AppClient, NOTHING } from "../app.ts";

/** What a library tells of one client. */
export interface Heard {
  answer(number: number): void;
  /** A frame that a server sent by itself: each of its sockets numbers them from 1. */
  push(home: string, number: number): void;
  /** The application's socket closed; the library, or its user, opens another. */
  closed(code: number): void;
}

/** A client of one library. */
export interface Line {
  /** Resolves when it is open for the first time. */
  open(heard: Heard): Promise<void>;
  readonly isOpen: boolean;
  say(number: number): void;
  close(): void;
}

const LOOK_MS = 20;

export class Talker implements AppClient {
  readonly #line: Line;
  readonly #everyMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isOver = false;
  #last = 0;
  /** Frames without an answer, and when they were sent. */
  readonly #waiting = new Map<number, number>();
  #lastPush = { home: "", number: 0 };
  #lastAnswered = 0;
  #longestMs = 0;
  #account: { -readonly [K in keyof Account]: Account[K] } = { ...NOTHING };

  constructor(line: Line, everyMs: number) {
    this.#line = line;
    this.#everyMs = everyMs;
  }

  async open(): Promise<void> {
    await this.#line.open({
      answer: (number) => this.#answered(number),
      push: (home, number) => this.#pushed(home, number),
      closed: (code) => this.#closed(code),
    });
  }

  begin(): void {
    this.#waiting.clear();
    this.#account = { ...NOTHING };
    this.#longestMs = 0;
    this.#timer ??= setInterval(() => this.#talk(), this.#everyMs);
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
    this.#line.close();
  }

  #talk(): void {
    if (!this.#line.isOpen) return;
    this.#last += 1;
    this.#waiting.set(this.#last, performance.now());
    this.#account.sent += 1;
    this.#line.say(this.#last);
  }

  #answered(number: number): void {
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

  /** What is between two of one home was lost. */
  #pushed(home: string, number: number): void {
    const wanted = home === this.#lastPush.home ? this.#lastPush.number + 1 : 1;
    this.#account.pushed += 1;
    if (number !== wanted) this.#account.pushesWrong += 1;
    this.#lastPush = { home, number };
  }

  #closed(code: number): void {
    if (this.#isOver) return;
    const { closes } = this.#account;
    this.#account.closes = { ...closes, [code]: (closes[code] ?? 0) + 1 };
    // Nobody answers these any more: the client knows it, because its socket closed.
    this.#account.unanswered += this.#waiting.size;
    this.#waiting.clear();
  }
}
