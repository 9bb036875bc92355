// Owns: a client that talks all the time and accounts for every frame, whatever library carries it.
import { NOTHING } from "../account.ts";
import type { Account, AppClient, DocumentState } from "../app.ts";

/** What a library tells of one client. */
export interface Heard {
  answer(number: number): void;
  /** The profile's rule for a frame in flight: an error instead of an answer. */
  told(number: number): void;
  /** A frame that a server sent by itself: each home numbers them. */
  push(home: string, number: number): void;
  /** The client's place at the servers is a new one: what homes send begins anew. */
  anew(): void;
  /** The application's socket closed; the library, or its user, opens another. */
  closed(code: number): void;
}

/** A client of one library. */
export interface Line {
  /** Resolves when it is open for the first time. */
  open(heard: Heard): Promise<void>;
  readonly isOpen: boolean;
  /** A client hears a home from its first frame on, which is number 1. False: it may come later. */
  readonly hearsFromFirst?: boolean;
  say(number: number): void;
  document?(): DocumentState;
  close(): void;
}

const LOOK_MS = 20;

export class Talker implements AppClient {
  readonly #line: Line;
  readonly #id: number;
  readonly #everyMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isOver = false;
  #last = 0;
  /** Frames without an answer, and when they were sent. */
  readonly #waiting = new Map<number, number>();
  /** Counted as unanswered: an answer that comes after all is none that came twice. */
  readonly #givenUp = new Set<number>();
  readonly #lastPushes = new Map<string, number>();
  #lastAnswered = 0;
  #lastHeardMs = 0;
  #longestMs = 0;
  #silentMs = 0;
  #missing: number[] = [];
  #account: { -readonly [K in keyof Account]: Account[K] } = { ...NOTHING };

  constructor(line: Line, { id, everyMs }: { readonly id: number; readonly everyMs: number }) {
    this.#line = line;
    this.#id = id;
    this.#everyMs = everyMs;
  }

  async open(): Promise<void> {
    await this.#line.open({
      answer: (number) => this.#answered(number),
      told: (number) => this.#told(number),
      push: (home, number) => this.#pushed(home, number),
      anew: () => {
        this.#account.anew += 1;
        this.#lastPushes.clear();
      },
      closed: (code) => this.#closed(code),
    });
  }

  begin(): void {
    this.#giveUp();
    this.#missing = [];
    this.#account = { ...NOTHING };
    this.#longestMs = 0;
    this.#silentMs = 0;
    this.#lastHeardMs = performance.now();
    this.#timer ??= setInterval(() => this.#talk(), this.#everyMs);
  }

  async account(waitMs: number): Promise<Account> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#heard();
    const untilMs = performance.now() + waitMs;
    while (this.#waiting.size > 0 && performance.now() < untilMs) await Bun.sleep(LOOK_MS);
    this.#giveUp();
    return {
      ...this.#account,
      unanswered: this.#missing.length,
      longestMs: [this.#longestMs],
      silentMs: [this.#silentMs],
      missing: this.#missing.map((number) => `${this.#id} ${number}`),
    };
  }

  document(): DocumentState {
    return this.#line.document?.() ?? { name: "", digest: "" };
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

  #heard(): void {
    const nowMs = performance.now();
    this.#silentMs = Math.max(this.#silentMs, nowMs - this.#lastHeardMs);
    this.#lastHeardMs = nowMs;
  }

  #answered(number: number): void {
    this.#heard();
    const sentMs = this.#waiting.get(number);
    if (sentMs === undefined) {
      if (!this.#givenUp.delete(number)) this.#account.doubled += 1;
      return;
    }
    this.#waiting.delete(number);
    this.#longestMs = Math.max(this.#longestMs, performance.now() - sentMs);
    this.#account.answered += 1;
    if (number < this.#lastAnswered) this.#account.outOfOrder += 1;
    this.#lastAnswered = Math.max(this.#lastAnswered, number);
  }

  #told(number: number): void {
    this.#heard();
    if (!this.#waiting.delete(number)) return;
    this.#account.told += 1;
  }

  /** What is between two of one home was lost. */
  #pushed(home: string, number: number): void {
    const last = this.#lastPushes.get(home);
    const first = this.#line.hearsFromFirst === false ? number : 1;
    this.#account.pushed += 1;
    if (number !== (last === undefined ? first : last + 1)) this.#account.pushesWrong += 1;
    if (last !== undefined && number <= last) this.#account.pushesTwice += 1;
    this.#lastPushes.set(home, Math.max(number, last ?? 0));
  }

  #closed(code: number): void {
    if (this.#isOver) return;
    const { closes } = this.#account;
    this.#account.closes = { ...closes, [code]: (closes[code] ?? 0) + 1 };
    this.#lastPushes.clear();
    // Nobody answers these any more: the client knows it, because its socket closed.
    this.#giveUp();
  }

  #giveUp(): void {
    for (const number of this.#waiting.keys()) {
      this.#missing.push(number);
      this.#givenUp.add(number);
    }
    this.#waiting.clear();
  }
}
