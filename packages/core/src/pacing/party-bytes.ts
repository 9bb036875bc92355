// Owns: how much of a broker's room the publications of each user or address take.

/** Below, a party is forgotten. Less than any publication takes: nobody is forgotten at once. */
const FORGOTTEN_BYTES = 128;
/** Parties that are looked for what they gave back, each time that one is added. */
const LOOKED_AT = 4;
/** Parties that have accounts of their own. Later ones share one account until others fade. */
const PARTIES_MAX = 100_000;
const OTHERS = "";

/** What a party has in channels of one retention. */
interface Part {
  readonly ttlMs: number;
  bytes: number;
  /** When `bytes` was right. */
  atMs: number;
}

/** What a publication changed in its channel. */
export interface Charge {
  readonly bytes: number;
  /** What it displaced, and how long that had been kept. */
  readonly displaced?: { readonly bytes: number; readonly ageMs: number } | undefined;
  /** How long the channel keeps publications. */
  readonly ttlMs: number;
  readonly nowMs: number;
}

/**
 * An estimate: what a publication adds is charged to its party and fades over the retention of its
 * channel. So a party that publishes at a steady rate is charged what its publications take. What
 * is displaced has faded as well, and gives back what is left: who publishes the same again and
 * again is charged for it, at least a third.
 */
export class PartyBytes {
  /** A contract has few retentions, so the parts of an account are few. */
  readonly #accounts = new Map<string, Part[]>();
  readonly #partiesMax: number;

  constructor(partiesMax = PARTIES_MAX) {
    this.#partiesMax = partiesMax;
  }

  /** Parties that are remembered. */
  get size(): number {
    return this.#accounts.size;
  }

  of(party: string, nowMs: number): number {
    return sumOf(this.#accounts.get(this.#accountOf(party)) ?? [], nowMs);
  }

  charge(party: string, { bytes, displaced, ttlMs, nowMs }: Charge): void {
    const name = this.#accountOf(party);
    const parts = this.#accounts.get(name);
    const part = parts?.find((one) => one.ttlMs === ttlMs);
    const freed = displaced === undefined ? 0 : faded(displaced.bytes, displaced.ageMs, ttlMs);
    const more = bytes - freed;
    if (part !== undefined) {
      part.bytes = Math.max(0, bytesOf(part, nowMs) + more);
      part.atMs = nowMs;
    } else if (more > 0) {
      const added = { ttlMs, bytes: more, atMs: nowMs };
      if (parts === undefined) {
        this.#forget(nowMs);
        this.#accounts.set(name, [added]);
      } else parts.push(added);
    }
  }

  clear(): void {
    this.#accounts.clear();
  }

  #accountOf(party: string): string {
    return this.#accounts.size < this.#partiesMax || this.#accounts.has(party) ? party : OTHERS;
  }

  /** Looks at the oldest few; those that stay go to the end of the round. */
  #forget(nowMs: number): void {
    let looked = 0;
    for (const [party, parts] of this.#accounts) {
      if (looked++ === LOOKED_AT) return;
      this.#accounts.delete(party);
      const left = parts.filter((part) => bytesOf(part, nowMs) >= FORGOTTEN_BYTES);
      if (left.length > 0) this.#accounts.set(party, left);
    }
  }
}

const faded = (bytes: number, ageMs: number, ttlMs: number): number =>
  bytes * Math.exp(-Math.max(0, ageMs) / Math.max(1, ttlMs));

const bytesOf = ({ bytes, atMs, ttlMs }: Part, nowMs: number): number =>
  faded(bytes, nowMs - atMs, ttlMs);

const sumOf = (parts: readonly Part[], nowMs: number): number =>
  parts.reduce((sum, part) => sum + bytesOf(part, nowMs), 0);
