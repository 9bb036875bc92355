// Owns: when the next connection attempt begins (spec/protocol.md section 7). There is never more
// than one that waits.
import { attemptDelayMs } from "./backoff.ts";
import type { EngineContext } from "./engine-context.ts";

/** Hints of the surroundings start at most one attempt in this time. */
const HINT_MS = 1_000;

/** The timer of the next attempt, and what its delay depends on. */
export class Attempts {
  /** The time over which the node wants returning clients to spread; the newest that it said. */
  windowMs = 0;
  /** Attempts that failed since the last connection that lasted. */
  failures = 0;
  /** The page is about to stop running: what is planned waits until it runs again. */
  paused = false;
  readonly #engine: EngineContext;
  readonly #begin: () => void;
  #begunAtMs = Number.NEGATIVE_INFINITY;
  #next:
    | { readonly notBeforeMs: number; readonly atMs: number; readonly cancel: () => void }
    | undefined;

  constructor(engine: EngineContext, begin: () => void) {
    this.#engine = engine;
    this.#begin = begin;
  }

  /** Begins an attempt now. */
  start(): void {
    this.cancel();
    this.#begunAtMs = this.#engine.nowMs();
    this.#begin();
  }

  /**
   * Counts an attempt that failed. A node that names a time has a place for the client then: no
   * reason to wait longer each time.
   */
  failed(retryMs = 0): void {
    this.failures = retryMs > 0 ? this.failures || 1 : this.failures + 1;
  }

  /** Plans the next attempt: not before `retryMs`, spread over the node's window or the backoff. */
  schedule(retryMs: number): void {
    const { failures, windowMs } = this;
    this.#plan(
      retryMs,
      attemptDelayMs({ failures, retryMs, windowMs, random: this.#engine.chance() }),
    );
  }

  /**
   * The surroundings say that an attempt may succeed: not before the node allows it, and not twice
   * a second. `spreadMs`: others may have been told in the same moment.
   */
  tryNow(spreadMs: number): void {
    const nowMs = this.#engine.nowMs();
    if (!this.#next) return;
    const retryMs = Math.max(0, this.#next.notBeforeMs - nowMs, this.#begunAtMs + HINT_MS - nowMs);
    const delayMs = retryMs + this.#engine.chance() * spreadMs;
    const { atMs } = this.#next;
    // An attempt that was due while the page did not run has not begun.
    if (atMs < nowMs || nowMs + delayMs < atMs) this.#plan(retryMs, delayMs);
  }

  cancel(): void {
    this.#next?.cancel();
    this.#next = undefined;
  }

  #plan(retryMs: number, delayMs: number): void {
    const nowMs = this.#engine.nowMs();
    this.cancel();
    this.#next = {
      notBeforeMs: nowMs + retryMs,
      atMs: nowMs + delayMs,
      cancel: this.#engine.after(delayMs, () => this.paused || this.start()),
    };
  }
}
