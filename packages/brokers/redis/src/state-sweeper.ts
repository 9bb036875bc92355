// Owns: when names of expired states are taken out of the index: a few at a time, by every node.
import type { Clock, Random } from "@holdfast/core";
import { STATE_PARTS } from "./keys.ts";
import type { StateNames } from "./state-names.ts";

/** Between two looks at a part; soon again while many names are dead. */
const TIDY_MS = 1_000;
const TIDY_AGAIN_MS = 50;

export class StateSweeper {
  readonly #names: StateNames;
  readonly #clock: Clock;
  readonly #random: Random;
  #cancel: () => void;
  #part = 0;
  #stopped = false;

  constructor(options: {
    readonly names: StateNames;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#names = options.names;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#cancel = this.#clock.after(TIDY_MS, () => void this.#tidy());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #tidy(): Promise<void> {
    // The server is out of reach or busy: it is tried again later. Nothing depends on it.
    const isDirty = await this.#names.tidy(this.#part).catch(() => false);
    if (this.#stopped) return;
    if (!isDirty) this.#part = Math.floor(this.#random.next() * STATE_PARTS);
    const delayMs = isDirty ? TIDY_AGAIN_MS : TIDY_MS;
    this.#cancel = this.#clock.after(delayMs, () => void this.#tidy());
  }
}
