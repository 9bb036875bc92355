// Owns: when clients come back that a node has no place for, before it knows who they are.

/**
 * Longest wait that a client is told. If the line is longer, clients come back to ask again, spread
 * over the later half of this time.
 */
const WAIT_MS_MAX = 120_000;
/** A line in which nobody has come for this long begins anew. */
const OVER_MS = 15_000;

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
 * Gives each client a slot of its own. So those that wait cost little, however many they are.
 * Nobody is remembered: whoever comes when there is a place gets it, and slots of clients that
 * never come back cost nothing.
 */
export class WaitingLine {
  #beganMs = 0;
  #endsMs = Number.NEGATIVE_INFINITY;

  /** For how long somebody has waited without a break. */
  lastsMs(nowMs: number): number {
    return nowMs - this.#endsMs > OVER_MS ? 0 : nowMs - this.#beganMs;
  }

  /** Ms after which to come back, at most 120,000. */
  ask(nowMs: number, { ratePerSecond, leastMs, chance }: WaitingTerms): number {
    // Whoever waits comes a little after its slot.
    if (nowMs - this.#endsMs > OVER_MS) this.#beganMs = nowMs;
    const slotMs = 1000 / ratePerSecond;
    const endsMs = Math.max(this.#endsMs, nowMs + leastMs) + slotMs;
    if (endsMs - nowMs > WAIT_MS_MAX) return Math.ceil((WAIT_MS_MAX * (1 + chance)) / 2);
    this.#endsMs = endsMs;
    return Math.ceil(endsMs - nowMs - chance * slotMs);
  }
}
