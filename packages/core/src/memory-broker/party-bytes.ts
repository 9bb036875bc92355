// Owns: how much of the memory broker's room the publications of each user or address take.

/** Below, a party is forgotten. Less than any publication takes: nobody is forgotten at once. */
const FORGOTTEN_BYTES = 128;
/** Parties that are looked for what they gave back, each time that one is added. */
const LOOKED_AT = 4;

interface Account {
  bytes: number;
  /** When `bytes` was right. */
  atMs: number;
  /** How long the channels of the last publications keep what they get. */
  ttlMs: number;
}

/**
 * An estimate: what a publication adds is charged to its party and fades over the retention of its
 * channel. So a party that publishes at a steady rate is charged what its publications take. A
 * party that has as much as is still free gets no more. So one party fills half of the room, two
 * fill two thirds, and others always find some.
 */
export class PartyBytes {
  readonly #accounts = new Map<string, Account>();

  /** Parties that are remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  of(party: string, nowMs: number): number {
    const account = this.#accounts.get(party);
    return account === undefined ? 0 : bytesOf(account, nowMs);
  }

  /** Charges what was added. Less than nothing, if a publication displaced a larger one. */
  charge(party: string, bytes: number, { nowMs, ttlMs }: { nowMs: number; ttlMs: number }): void {
    const account = this.#accounts.get(party);
    if (account === undefined) {
      this.#forget(nowMs);
      if (bytes > 0) this.#accounts.set(party, { bytes, atMs: nowMs, ttlMs });
      return;
    }
    account.bytes = Math.max(0, bytesOf(account, nowMs) + bytes);
    account.atMs = nowMs;
    // A short retention MUST NOT make what stands in other channels fade sooner.
    account.ttlMs = Math.max(ttlMs, account.bytes <= bytes ? 0 : account.ttlMs);
  }

  clear(): void {
    this.#accounts.clear();
  }

  /** Looks at the oldest few; those that stay go to the end of the round. */
  #forget(nowMs: number): void {
    let looked = 0;
    for (const [party, account] of this.#accounts) {
      if (looked++ === LOOKED_AT) return;
      this.#accounts.delete(party);
      if (bytesOf(account, nowMs) >= FORGOTTEN_BYTES) this.#accounts.set(party, account);
    }
  }
}

const bytesOf = ({ bytes, atMs, ttlMs }: Account, nowMs: number): number =>
  bytes * Math.exp(-Math.max(0, nowMs - atMs) / Math.max(1, ttlMs));
