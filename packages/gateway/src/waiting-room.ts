// Owns: the bytes that may wait for upstreams, of all clients together.
import type { Room } from "@holdfast/rehoming";

/**
 * No client may have more than what is left for the others (Choudhury and Hahne, 1998). So one
 * that floods is refused before those that are not.
 */
export class WaitingRoom {
  readonly #bytesMax: () => number;
  #taken = 0;

  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  get taken(): number {
    return this.#taken;
  }

  /** The part of one client. */
  one(): Room {
    let own = 0;
    return {
      take: (bytes) => {
        if (own + bytes > this.#bytesMax() - this.#taken) return false;
        own += bytes;
        this.#taken += bytes;
        return true;
      },
      give: (bytes) => {
        own -= bytes;
        this.#taken -= bytes;
      },
    };
  }
}
