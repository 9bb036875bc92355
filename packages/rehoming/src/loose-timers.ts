// Owns: timers of which any number runs.
import type { HeldClock } from "./ports.ts";

export class LooseTimers {
  readonly #clock: HeldClock;
  readonly #after: () => void;
  /** Undefined: none has run yet. */
  #cancels: Set<() => void> | undefined;
  #isOver = false;

  /** `after` is called after each task. */
  constructor(clock: HeldClock, after: () => void) {
    this.#clock = clock;
    this.#after = after;
  }

  /** The result cancels it. After `cancelAll` none begins. */
  start(delayMs: number, task: () => void): () => void {
    if (this.#isOver) return () => {};
    const stop = this.#clock.after(delayMs, () => {
      this.#cancels?.delete(cancel);
      task();
      this.#after();
    });
    const cancel = (): void => {
      if (this.#cancels?.delete(cancel) === true) stop();
    };
    this.#cancels ??= new Set();
    this.#cancels.add(cancel);
    return cancel;
  }

  cancelAll(): void {
    this.#isOver = true;
    for (const cancel of [...(this.#cancels ?? [])]) cancel();
  }
}
