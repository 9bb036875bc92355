// Owns: timers of which one of each name runs at most.
import type { HeldClock } from "./ports.ts";

interface Running {
  readonly cancel: () => void;
  readonly task: () => void;
  readonly dueMs: number;
}

export class NamedTimers<Name extends string> {
  readonly #clock: HeldClock;
  /** Undefined: none runs, as is so for almost all clients. */
  #running: Map<Name, Running> | undefined;

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
    this.#running ??= new Map();
    this.#running.set(name, { cancel, task, dueMs: this.#clock.nowMs() + delayMs });
  }

  /** One that runs ends in `delayMs`, if it would end later. */
  hasten(name: Name, delayMs: number): void {
    const running = this.#running?.get(name);
    if (running === undefined || running.dueMs <= this.#clock.nowMs() + delayMs) return;
    this.start(name, delayMs, running.task);
  }

  cancel(...names: readonly Name[]): void {
    for (const name of names) {
      this.#running?.get(name)?.cancel();
      this.#forget(name);
    }
  }

  cancelAll(): void {
    for (const { cancel } of this.#running?.values() ?? []) cancel();
    this.#running = undefined;
  }

  #forget(name: Name): void {
    this.#running?.delete(name);
    if (this.#running?.size === 0) this.#running = undefined;
  }
}
