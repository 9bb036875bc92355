// Owns: how much ingest takes at once and in a second, and who gets how much of it.
import { FairShare } from "@holdfast/core";
import { ByteRoom, type Reservation } from "./byte-room.ts";

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

/**
 * Each second's bytes and events are shared max-min fairly, once among keys and users and once
 * among addresses: whoever asks for less than its share gets all of it. In memory a party may have
 * as many bytes as are still free.
 */
export class IngestShares {
  readonly #nowMs: () => number;
  readonly #rates: Readonly<Record<"bytes" | "events", readonly [FairShare, FairShare]>>;
  readonly #room: ByteRoom;

  constructor(limits: IngestLimits, nowMs: () => number) {
    this.#room = new ByteRoom(limits.bytesInFlightMax);
    this.#nowMs = nowMs;
    const two = (perSecond: number) =>
      [new FairShare(perSecond, nowMs()), new FairShare(perSecond, nowMs())] as const;
    this.#rates = { bytes: two(limits.bytesPerSecondMax), events: two(limits.eventsPerSecondMax) };
  }

  get heldBytes(): number {
    return this.#room.heldBytes;
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
    return this.#room.reserve(party);
  }
}
