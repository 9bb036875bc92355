// Owns: the bytes that may wait for upstreams, of all clients together.
import type { Room } from "@holdfast/rehoming";

/**
 * No client may have more than what is left for the others (Choudhury and Hahne, 1998). So one
 * that floods is refused before those that are not.
 */
export class WaitingRoom {
  taken = 0;
  readonly #bytesMax: () => number;

  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  get left(): number {
    return this.#bytesMax() - this.taken;
  }

  /** The part of one client. */
  one(): Room {
    return new Part(this);
  }
}

class Part implements Room {
  readonly #whole: WaitingRoom;
  #own = 0;

  constructor(whole: WaitingRoom) {
    this.#whole = whole;
  }

  take(bytes: number): boolean {
    if (this.#own + bytes > this.#whole.left) return false;
    this.give(-bytes);
    return true;
  }

  give(bytes: number): void {
    this.#own -= bytes;
    this.#whole.taken -= bytes;
  }
}
