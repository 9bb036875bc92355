// Owns: when the next connection attempt begins (spec/protocol.md section 7). There is never more
// than one that waits.
import { attemptDelayMs } from "./backoff.ts";
import type { ClientEnvironment } from "./environment.ts";

/** Hints of the surroundings start at most one attempt in this time. */
const HINT_MS = 1_000;

/** The timer of the next attempt, and what its delay depends on. */
export class Attempts {
  /** The time over which the node wants returning clients to spread; the newest that it said. */
  windowMs = 0;
  /** Attempts that failed since the last connection that lasted. */
  failures = 0;
  readonly #environment: ClientEnvironment;
  readonly #begin: () => void;
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #next:
    | { readonly notBeforeMs: number; readonly atMs: number; readonly cancel: () => void }
    | undefined;

  constructor(environment: ClientEnvironment, begin: () => void) {
    this.#environment = environment;
    this.#begin = begin;
  }

  /** Begins an attempt now. */
  start(): void {
    this.cancel();
    this.#begunAtMs = this.#environment.clock.nowMs();
    this.#begin();
  }

  /** Plans the next attempt: not before `retryMs`, spread over the node's window or the backoff. */
  schedule(retryMs: number): void {
    const { failures, windowMs } = this;
    this.#plan(
      retryMs,
      attemptDelayMs({ failures, retryMs, windowMs, random: this.#environment.random.next() }),
    );
  }

  /**
   * The surroundings say that an attempt may succeed: not before the node allows it, spread over
   * its window, and not twice a second.
   */
  tryNow(): void {
    const nowMs = this.#environment.clock.nowMs();
    if (!this.#next) return;
    const retryMs = Math.max(0, this.#next.notBeforeMs - nowMs, this.#begunAtMs + HINT_MS - nowMs);
    const delayMs = retryMs + this.#environment.random.next() * this.windowMs;
    if (nowMs + delayMs < this.#next.atMs) this.#plan(retryMs, delayMs);
  }

  cancel(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }

  #plan(retryMs: number, delayMs: number): void {
    const { clock } = this.#environment;
    const nowMs = clock.nowMs();
    this.cancel();
    this.#next = {
      notBeforeMs: nowMs + retryMs,
      atMs: nowMs + delayMs,
      cancel: clock.after(delayMs, () => this.start()),
    };
  }
}
