// Owns: how room that is given back in the end is shared by users and addresses. In it are the
// bytes of what clients sent and that wait in the node, and the presence of the memory broker.

/** Bytes that wait at most, of all connections together, as they are counted. */
export const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** What a decoded frame takes besides its text. */
export const HELD_FRAME_BYTES = 128;
/** What a request takes besides its data while it waits behind others on its channel. */
export const HELD_REQUEST_BYTES = 1024;

/** Whose bytes they are. */
export interface Holder {
  party: string;
  /** What is charged for it. */
  heldBytes: number;
}

/**
 * Whoever has as much as is still free gets no more: one party fills half of the room, two fill two
 * thirds, and others always find some. Memory: one entry for each party that holds something.
 */
export class HeldBytes {
  readonly #max: number;
  readonly #parties = new Map<string, number>();
  #total = 0;

  constructor(max = HELD_BYTES_MAX) {
    this.#max = max;
  }

  /** Bytes that are held now. */
  get total(): number {
    return this.#total;
  }

  /** Parties that hold something. */
  get parties(): number {
    return this.#parties.size;
  }

  /** What the party has. */
  of(party: string): number {
    return this.#parties.get(party) ?? 0;
  }

  /** Whether the party may have so much more: not if it has as much as is still free. */
  fits(party: string, bytes: number): boolean {
    return this.of(party) + bytes <= this.#max - this.#total;
  }

  /** False: nothing is charged, for the holder's party has as much as is still free. */
  charge(holder: Holder, bytes: number): boolean {
    if (!this.fits(holder.party, bytes)) return false;
    this.add(holder, bytes);
    return true;
  }

  /** Charges what was taken in any case. */
  add(holder: Holder, bytes: number): void {
    holder.heldBytes += bytes;
    this.#add(holder.party, bytes);
  }

  /** Gives back what was charged. An ended connection gave everything back when it ended. */
  release(holder: Holder, bytes: number): void {
    const back = Math.min(bytes, holder.heldBytes);
    if (back === 0) return;
    holder.heldBytes -= back;
    this.#add(holder.party, -back);
  }

  /** The connection belongs to `party` from now on, with what it holds. */
  move(holder: Holder, party: string): void {
    this.#add(holder.party, -holder.heldBytes);
    holder.party = party;
    this.#add(party, holder.heldBytes);
  }

  #add(party: string, bytes: number): void {
    if (bytes === 0) return;
    this.#total += bytes;
    const now = (this.#parties.get(party) ?? 0) + bytes;
    if (now > 0) this.#parties.set(party, now);
    else this.#parties.delete(party);
  }
}
