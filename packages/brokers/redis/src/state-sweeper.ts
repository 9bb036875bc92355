// Owns: when names of expired states are taken out of the index: a few at a time, by the nodes that
// make such names.
import type { Clock, Random } from "@holdfast/core";
import { STATE_PARTS } from "./keys.ts";
import { type StateNames, TIDY_COUNT } from "./state-names.ts";

/** Between two looks at a part, about; soon again while many names are dead. */
const TIDY_MS = 1_000;
const TIDY_AGAIN_MS = 50;
/** Names that are looked at for each one that may be new: so dead ones stay few. */
const LOOKS_FOR_EACH = 4;
/** What is owed at most, in looks: a crowd that came once is no work for ever. */
const OWED_MAX = 100_000;

/**
 * A node that takes no state has no timer. Names that nobody looks at any more lie in the index
 * until some node takes or lists states.
 */
export class StateSweeper {
  readonly #names: Pick<StateNames, "tidy">;
  readonly #clock: Pick<Clock, "after">;
  readonly #random: Pick<Random, "next">;
  #cancel: (() => void) | undefined;
  #part = 0;
  #owed = 0;
  #isTidying = false;
  #stopped = false;

  constructor(options: {
    readonly names: Pick<StateNames, "tidy">;
    readonly clock: Pick<Clock, "after">;
    readonly random: Pick<Random, "next">;
  }) {
    this.#names = options.names;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /** A state was taken: its name may be new. */
  taken(): void {
    this.#owed = Math.min(this.#owed + LOOKS_FOR_EACH, OWED_MAX);
    this.#later(TIDY_MS * (0.5 + this.#random.next()));
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #later(delayMs: number): void {
    if (this.#stopped || this.#isTidying) return;
    this.#cancel ??= this.#clock.after(delayMs, () => {
      this.#cancel = undefined;
      void this.#tidy();
    });
  }

  async #tidy(): Promise<void> {
    this.#isTidying = true;
    // The server is out of reach or busy: it is tried again later. Nothing depends on it.
    const isDirty = await this.#names.tidy(this.#part).catch(() => false);
    this.#isTidying = false;
    if (isDirty) return this.#later(TIDY_AGAIN_MS);
    this.#part = Math.floor(this.#random.next() * STATE_PARTS);
    this.#owed -= TIDY_COUNT;
    if (this.#owed > 0) this.#later(TIDY_MS * (0.5 + this.#random.next()));
    else this.#owed = 0;
  }
}
