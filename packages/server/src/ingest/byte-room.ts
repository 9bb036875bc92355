// Owns: bytes of bodies in memory: how many there may be, and how many of one sender.

export interface Reservation {
  /** So many bytes in all are kept for the request; false: there is no room for them. */
  grow(bytes: number): boolean;
  release(): void;
}

/** A party may have as many bytes as are still free, so that nobody can take all of them. */
export class ByteRoom {
  readonly #bytesMax: number;
  readonly #held = new Map<string, number>();
  #heldBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  reserve(party: string): Reservation {
    let mine = 0;
    const change = (by: number): void => {
      mine += by;
      this.#heldBytes += by;
      const left = (this.#held.get(party) ?? 0) + by;
      if (left > 0) this.#held.set(party, left);
      else this.#held.delete(party);
    };
    return {
      grow: (bytes) => {
        const by = bytes - mine;
        const free = this.#bytesMax - this.#heldBytes;
        if (by > 0 && (by > free || (this.#held.get(party) ?? 0) + by > free)) return false;
        change(by);
        return true;
      },
      release: () => change(-mine),
    };
  }
}
