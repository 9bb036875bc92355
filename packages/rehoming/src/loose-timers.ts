// Owns: timers of which any number runs.
import type { HeldClock } from "./ports.ts";

export class LooseTimers {
  readonly #clock: HeldClock;
  readonly #cancels = new Set<() => void>();

  constructor(clock: HeldClock) {
    this.#clock = clock;
  }

  /** The result cancels it. */
  start(delayMs: number, task: () => void): () => void {
    const stop = this.#clock.after(delayMs, () => {
      this.#cancels.delete(cancel);
      task();
    });
    const cancel = (): void => {
      if (this.#cancels.delete(cancel)) stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  cancelAll(): void {
    for (const cancel of [...this.#cancels]) cancel();
  }
}
