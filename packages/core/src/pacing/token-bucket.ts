// Owns: the token bucket that every rate limit uses.

/**
 * What a bucket allows. One object serves all buckets of a kind: a bucket keeps a reference to it.
 */
export interface BucketRate {
  /** Tokens that come back each second; 0: none. */
  readonly ratePerSecond: number;
  /** Most tokens that gather; what may be taken at once. */
  readonly burst: number;
}

/**
 * Lets through `burst` at once and `ratePerSecond` in the long run: over any `t` seconds at most
 * `burst + rate * t`, and one `charge` more. There is one for each connection and limit, so it is
 * two numbers and a reference; no call allocates. Time comes in as an argument, in ms of any one
 * clock. A clock that goes back costs at most the tokens of the time that it repeats, and never
 * locks the bucket.
 */
export class TokenBucket {
  private rate: BucketRate;
  private tokens: number;
  private lastMs: number;

  constructor(rate: BucketRate, nowMs: number) {
    this.rate = rate;
    this.tokens = rate.burst;
    this.lastMs = nowMs;
  }

  /**
   * Takes `count` tokens if all of them are there; otherwise takes none and answers false. There
   * are never more than `burst`.
   */
  take(nowMs: number, count = 1): boolean {
    this.refill(nowMs);
    if (this.tokens + ROUNDING < count) return false;
    this.tokens = Math.max(0, this.tokens - count);
    return true;
  }

  /**
   * Takes `count` tokens even if they are not there. True if the bucket is overdrawn afterwards:
   * `waitMs` says how long it takes to refill it.
   */
  charge(nowMs: number, count: number): boolean {
    this.refill(nowMs);
    this.tokens -= count;
    return this.tokens + ROUNDING < 1;
  }

  /** Ms until one token is there: 0 if it is there, Infinity if none will come. */
  waitMs(nowMs: number): number {
    this.refill(nowMs);
    if (this.tokens + ROUNDING >= 1) return 0;
    if (this.rate.burst < 1) return Number.POSITIVE_INFINITY;
    return ((1 - this.tokens) * 1000) / this.rate.ratePerSecond;
  }

  /** Uses another rate from now on; tokens above the new burst are lost. */
  setRate(rate: BucketRate, nowMs: number): void {
    this.refill(nowMs);
    this.rate = rate;
    this.tokens = Math.min(this.tokens, rate.burst);
  }

  private refill(nowMs: number): void {
    if (nowMs > this.lastMs) {
      const gained = ((nowMs - this.lastMs) * this.rate.ratePerSecond) / 1000;
      this.tokens = Math.min(this.rate.burst, this.tokens + gained);
    }
    this.lastMs = nowMs;
  }
}

/** A full bucket. */
export const createTokenBucket = (rate: BucketRate, nowMs: number): TokenBucket =>
  new TokenBucket(rate, nowMs);

/**
 * Rounding can leave the sum of many small refills just below a whole token. A caller that waited
 * `waitMs` must still get it.
 */
const ROUNDING = 1e-9;
