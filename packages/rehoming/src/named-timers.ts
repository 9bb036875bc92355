// Owns: timers of which one of each name runs at most.
import type { HeldClock } from "./ports.ts";

export class NamedTimers<Name extends string> {
  readonly #clock: HeldClock;
  /** Undefined: none runs, as is so for almost all clients. */
  #cancels: Map<Name, () => void> | undefined;

  constructor(clock: HeldClock) {
    this.#clock = clock;
  }

  /** Replaces the one of the same name. */
  start(name: Name, delayMs: number, task: () => void): void {
    this.cancel(name);
    const cancel = this.#clock.after(delayMs, () => {
      this.#forget(name);
      task();
    });
    this.#cancels ??= new Map();
    this.#cancels.set(name, cancel);
  }

  cancel(name: Name): void {
    this.#cancels?.get(name)?.();
    this.#forget(name);
  }

  cancelAll(): void {
    for (const cancel of this.#cancels?.values() ?? []) cancel();
    this.#cancels = undefined;
  }

  #forget(name: Name): void {
    this.#cancels?.delete(name);
    if (this.#cancels?.size === 0) this.#cancels = undefined;
  }
}
