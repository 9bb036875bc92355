// Owns: when clients come back that a node has no place for, before it knows who they are.

/**
 * Longest wait that a client is told. If the line is longer, clients come back to ask again, spread
 * over the later half of this time.
 */
const WAIT_MS_MAX = 120_000;
/** A line in which nobody has come for this long begins anew. */
const OVER_MS = 15_000;
const PARTIES_MAX = 10_000;
/** How often parties are forgotten whose slots are over. */
const SWEEP_MS = 1000;

/** What a client is told that comes now. */
export interface WaitingTerms {
  /** So many clients a second come back. */
  readonly ratePerSecond: number;
  /** Least wait. */
  readonly leastMs: number;
  /** Uniform in [0, 1). */
  readonly chance: number;
}

/**
 * Gives each client a slot of its own. So those that wait cost little, however many they are. The
 * first client of a party (an address) takes the line's next slot. Further ones come behind the
 * party's own last slot, at the pace of one party among all that wait: whoever asks a thousand
 * times makes nobody else wait. No client is remembered: whoever comes when there is a place gets
 * it, and slots of clients that never come back cost nothing.
 *
 * Bounded: 10,000 parties, each until its last slot is over. More of them share the line's slots.
 */
export class WaitingLine {
  #beganMs = 0;
  /** Of the newest slot of the line. */
  #endsMs = Number.NEGATIVE_INFINITY;
  /** When somebody who was told a time is back at the latest. */
  #waitedForMs = Number.NEGATIVE_INFINITY;
  /** Of the newest slot of each party that waits. */
  readonly #parties = new Map<string, number>();
  #sweptMs = 0;

  /** For how long somebody has waited without a break. */
  lastsMs(nowMs: number): number {
    return nowMs - this.#waitedForMs > OVER_MS ? 0 : nowMs - this.#beganMs;
  }

  /** Parties that wait, as far as they are known. */
  get parties(): number {
    return this.#parties.size;
  }

  /** Ms after which a client of the party is to come back, at most 120,000. */
  ask(party: string, nowMs: number, { ratePerSecond, leastMs, chance }: WaitingTerms): number {
    // Whoever waits comes a little after its slot.
    if (nowMs - this.#waitedForMs > OVER_MS) this.#beganMs = nowMs;
    this.#sweep(nowMs);
    const slotMs = 1000 / ratePerSecond;
    const own = this.#parties.get(party);
    const isFirst = own === undefined || own <= nowMs;
    const paceMs = isFirst ? slotMs : slotMs * Math.max(1, this.#parties.size);
    const endsMs = Math.max(isFirst ? this.#endsMs : own, nowMs + leastMs) + paceMs;
    if (endsMs - nowMs > WAIT_MS_MAX) return Math.ceil((WAIT_MS_MAX * (1 + chance)) / 2);
    if (isFirst) this.#endsMs = endsMs;
    this.#waitedForMs = Math.max(this.#waitedForMs, endsMs);
    if (own !== undefined || this.#parties.size < PARTIES_MAX) this.#parties.set(party, endsMs);
    return Math.ceil(endsMs - nowMs - chance * slotMs);
  }

  #sweep(nowMs: number): void {
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    for (const [party, endsMs] of this.#parties) if (endsMs <= nowMs) this.#parties.delete(party);
  }
}
