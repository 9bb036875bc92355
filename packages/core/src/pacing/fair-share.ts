// Owns: how a node's capacity for each second is shared among the parties that ask for it.

interface Used {
  used: number;
  /** The party was told to wait: it would have used more. */
  wanted: boolean;
  /** How many of its requests were told to come back, so that they do not come back together. */
  refused: number;
}

/** The level is found anew after at least this part of a window. Finding it sorts all who ask. */
const LEVEL_PART = 0.1;
const LEVEL_MIN = 1e-6;

/**
 * A node's budget for each second, shared max-min fairly. If all together ask for no more than
 * there is, everybody gets what they ask for. If they ask for more, those who ask for little get
 * it, and the others get equal shares. Memory: one entry for each party that asked within the last
 * window, or is overdrawn.
 */
export class FairShare {
  /** Budget in one window. */
  #budget: number;
  readonly #lengthMs: number;
  readonly #parties = new Map<string, Used>();
  #windowMs: number;
  #levelMs = Number.NEGATIVE_INFINITY;
  #level = Number.POSITIVE_INFINITY;
  #total = 0;

  /** Budget that is not used within a window of `lengthMs` is lost. */
  constructor(perSecond: number, nowMs: number, lengthMs = 1000) {
    this.#lengthMs = lengthMs;
    this.#budget = (perSecond * lengthMs) / 1000;
    this.#windowMs = nowMs;
  }

  setRate(perSecond: number): void {
    this.#budget = (perSecond * this.#lengthMs) / 1000;
  }

  /** Parties that are remembered. */
  get size(): number {
    return this.#parties.size;
  }

  /**
   * 0: the amount was taken. Otherwise nothing was taken, and the result is the ms after which to
   * ask again. Each refused request is told a later time, at the pace of the party's share.
   */
  take(party: string, amount: number, nowMs: number): number {
    const waitMs = this.waitMs(party, nowMs);
    if (waitMs === 0) {
      this.charge(party, amount, nowMs);
      return 0;
    }
    const mine = this.#of(party);
    mine.refused += 1;
    return waitMs + (mine.refused * amount * this.#lengthMs) / this.#level;
  }

  /**
   * Takes the amount even if it is not there: for work whose cost is known only after it was done.
   */
  charge(party: string, amount: number, nowMs: number): void {
    this.#roll(nowMs);
    this.#of(party).used += amount;
    this.#total += amount;
    const isDue = nowMs - this.#levelMs >= this.#lengthMs * LEVEL_PART;
    if (this.#total > this.#budget && isDue) this.#findLevel(nowMs);
  }

  /** What the party has used and not worked off yet. */
  usedBy(party: string, nowMs: number): number {
    this.#roll(nowMs);
    return this.#parties.get(party)?.used ?? 0;
  }

  /** 0, or the ms until the party's share allows more. */
  waitMs(party: string, nowMs: number): number {
    this.#roll(nowMs);
    const mine = this.#parties.get(party);
    if (mine === undefined || mine.used < this.#level) return 0;
    mine.wanted = true;
    const windows = 1 + Math.floor((mine.used - this.#level) / this.#level);
    return Math.ceil(this.#windowMs + windows * this.#lengthMs - nowMs);
  }

  #of(party: string): Used {
    let mine = this.#parties.get(party);
    if (mine === undefined) {
      mine = { used: 0, wanted: false, refused: 0 };
      this.#parties.set(party, mine);
    }
    return mine;
  }

  #roll(nowMs: number): void {
    const windows = Math.floor((nowMs - this.#windowMs) / this.#lengthMs);
    if (windows < 1) return;
    this.#windowMs += windows * this.#lengthMs;
    this.#findLevel(nowMs);
    const back = this.#level * windows;
    for (const [party, mine] of this.#parties) {
      // What a party took beyond its share is deducted from its next windows.
      mine.used = Math.max(0, mine.used - back);
      mine.refused = Math.max(0, mine.refused - back);
      mine.wanted = false;
      if (!(mine.used > 0 || mine.refused > 0)) this.#parties.delete(party);
    }
    this.#total = 0;
  }

  /**
   * The level: if each party gets what it asks for, but at most this, all of the budget is used.
   */
  #findLevel(nowMs: number): void {
    this.#levelMs = nowMs;
    const asked = [...this.#parties.values()]
      .map(({ used, wanted }) => (wanted ? Number.POSITIVE_INFINITY : used))
      .sort((a, b) => a - b);
    let left = this.#budget;
    this.#level = Number.POSITIVE_INFINITY;
    for (const [index, amount] of asked.entries()) {
      const level = left / (asked.length - index);
      if (amount > level) {
        this.#level = Math.max(level, LEVEL_MIN);
        return;
      }
      left -= amount;
    }
  }
}
