// Owns: a socket in simulated time: ordered both ways, closed with a handshake, or cut.
import type { ManualClock } from "@holdfast/testkit";

export interface WireEnd {
  message(data: unknown): void;
  closed(code: number, reason: string): void;
}

type Side = "client" | "server";
const other = (side: Side): Side => (side === "client" ? "server" : "client");

export class Wire {
  readonly #clock: ManualClock;
  readonly #delayMs: () => number;
  readonly #ends: Partial<Record<Side, WireEnd>> = {};
  readonly #arrivesMs: Record<Side, number> = { client: 0, server: 0 };
  /** Who has said its last word. */
  readonly #closing = new Set<Side>();
  #isGone = false;

  constructor(clock: ManualClock, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  get isOpen(): boolean {
    return !this.#isGone && this.#closing.size === 0;
  }

  join(side: Side, end: WireEnd): void {
    this.#ends[side] = end;
  }

  send(from: Side, data: unknown): void {
    if (this.#isGone || this.#closing.has(from)) return;
    this.#later(other(from), () => this.#ends[other(from)]?.message(data));
  }

  close(from: Side, code = 1005, reason = ""): void {
    if (this.#isGone || this.#closing.has(from)) return;
    this.#closing.add(from);
    this.#later(other(from), () => {
      this.#closing.add(other(from));
      this.#later(from, () => {
        this.#isGone = true;
        this.#ends[from]?.closed(code, reason);
      });
      this.#ends[other(from)]?.closed(code, reason);
    });
  }

  /** What is under way is lost, and both ends hear of it. */
  cut(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    for (const side of ["client", "server"] as const)
      this.#clock.after(this.#delayMs(), () => this.#ends[side]?.closed(1006, ""));
  }

  #later(to: Side, task: () => void): void {
    const atMs = Math.max(this.#arrivesMs[to], this.#clock.nowMs() + this.#delayMs());
    this.#arrivesMs[to] = atMs;
    this.#clock.after(atMs - this.#clock.nowMs(), () => {
      if (!this.#isGone) task();
    });
  }
}
