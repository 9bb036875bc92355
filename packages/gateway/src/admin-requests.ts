// Owns: how many requests of the admin listener are under way, of all callers and of one.
import { partyOf } from "@holdfast/relay/gateway";

/** With bodies of 64 KiB they take 32 MiB at most. */
const ALL_MAX = 512;
/** An operator gives 32 orders at a time for each of its sets. */
const OF_ONE_MAX = 128;

export class AdminRequests {
  #count = 0;
  readonly #ofParty = new Map<string, number>();

  /** Call the result when it is answered. A word: which limit stands against it. */
  begin(address: string): (() => void) | "all" | "address" {
    const party = partyOf(address);
    const own = this.#ofParty.get(party) ?? 0;
    if (own >= OF_ONE_MAX) return "address";
    if (this.#count >= ALL_MAX) return "all";
    this.#count += 1;
    this.#ofParty.set(party, own + 1);
    return () => {
      const left = (this.#ofParty.get(party) ?? 1) - 1;
      this.#count -= 1;
      if (left > 0) this.#ofParty.set(party, left);
      else this.#ofParty.delete(party);
    };
  }
}
