// Owns: how much ingest takes at once and in a second, and who gets how much of it.
import { FairShare } from "@holdfast/core";

export interface IngestLimits {
  readonly bytesPerSecondMax: number;
  readonly eventsPerSecondMax: number;
  readonly bytesInFlightMax: number;
}

/** Who asks: the name of its API key, or its user; and its address. */
export interface IngestParty {
  readonly party: string;
  readonly address: string;
}

export interface Reservation {
  /** So many bytes in all are kept for the request; false: there is no room for them. */
  grow(bytes: number): boolean;
  release(): void;
}

/**
 * Each second's bytes and events are shared max-min fairly, once among keys and users and once
 * among addresses: whoever asks for less than its share gets all of it. In memory a party may have
 * as many bytes as are still free.
 */
export class IngestShares {
  readonly #limits: IngestLimits;
  readonly #nowMs: () => number;
  readonly #rates: Readonly<Record<"bytes" | "events", readonly [FairShare, FairShare]>>;
  readonly #held = new Map<string, number>();
  #heldBytes = 0;

  constructor(limits: IngestLimits, nowMs: () => number) {
    this.#limits = limits;
    this.#nowMs = nowMs;
    const two = (perSecond: number) =>
      [new FairShare(perSecond, nowMs()), new FairShare(perSecond, nowMs())] as const;
    this.#rates = { bytes: two(limits.bytesPerSecondMax), events: two(limits.eventsPerSecondMax) };
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** 0, or the ms after which to come again. */
  waitMs({ party, address }: IngestParty): number {
    const nowMs = this.#nowMs();
    const { bytes, events } = this.#rates;
    return Math.max(
      ...[bytes, events].flatMap(([ofParty, ofAddress]) => [
        ofParty.waitMs(party, nowMs),
        ofAddress.waitMs(address, nowMs),
      ]),
    );
  }

  /** What a request took, once it is known. */
  charge({ party, address }: IngestParty, what: "bytes" | "events", amount: number): void {
    const nowMs = this.#nowMs();
    const [ofParty, ofAddress] = this.#rates[what];
    ofParty.charge(party, amount, nowMs);
    ofAddress.charge(address, amount, nowMs);
  }

  reserve({ party }: IngestParty): Reservation {
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
        const free = this.#limits.bytesInFlightMax - this.#heldBytes;
        if (by > 0 && (by > free || (this.#held.get(party) ?? 0) + by > free)) return false;
        change(by);
        return true;
      },
      release: () => change(-mine),
    };
  }
}
