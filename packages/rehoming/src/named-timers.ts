// Owns: timers of which one of each name runs at most.
import type { HeldClock } from "./ports.ts";

export class NamedTimers<Name extends string> {
  readonly #clock: HeldClock;
  readonly #cancels = new Map<Name, () => void>();

  constructor(clock: HeldClock) {
    this.#clock = clock;
  }

  /** Replaces the one of the same name. */
  start(name: Name, delayMs: number, task: () => void): void {
    this.cancel(name);
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancels.delete(name);
      task();
    });
    this.#cancels.set(name, cancel);
  }

  cancel(name: Name): void {
    this.#cancels.get(name)?.();
    this.#cancels.delete(name);
  }

  cancelAll(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
