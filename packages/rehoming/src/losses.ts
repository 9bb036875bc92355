// Owns: how many upstreams a client lost one soon after the other.
import type { HeldLimits } from "./ports.ts";

/** A frame that crashes a server must not crash all of them. */
export class Losses {
  readonly #limits: HeldLimits;
  #sinceMs = 0;
  #shortLives = 0;

  constructor(limits: HeldLimits) {
    this.#limits = limits;
  }

  /** The client has another upstream. */
  began(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** It lost that one. False: and too many before. */
  mayGoOn(nowMs: number): boolean {
    const isShort = nowMs - this.#sinceMs < this.#limits.stableMs;
    this.#shortLives = isShort ? this.#shortLives + 1 : 1;
    return this.#shortLives <= this.#limits.lostMax;
  }
}
