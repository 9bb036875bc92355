// Owns: when a target that fails is asked again: growing pauses with jitter, and one probe for all
// partitions behind them. Pure.
import type { Random } from "@holdfast/core";
import type { SinkErrorCode } from "../sink.ts";

export interface BreakerLimits {
  /** First pause after a failure; it doubles with each further one. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** A target that names its own pause (`SinkError.retryMs`) is obeyed up to this. */
  readonly retryMsMax: number;
  /** So many failures in a row, of any partitions, open the breaker. */
  readonly failuresMax: number;
}

export const BREAKER_LIMITS: BreakerLimits = {
  backoffMs: 100,
  backoffMsMax: 30_000,
  retryMsMax: 300_000,
  failuresMax: 5,
};

export type BreakerState = "closed" | "open" | "probing";

/**
 * One target, as one node sees it. Partitions that write to it share one: while it is open they
 * wait together, and then one of them tries, so that a target that comes back meets one batch and
 * not sixty. Pauses are between half of what is said and all of it, also at the longest.
 */
export class SinkBreaker {
  readonly #limits: BreakerLimits;
  readonly #random: Random;
  #failures = 0;
  #openUntilMs = 0;
  #probing: object | undefined;

  constructor(random: Random, limits: Partial<BreakerLimits> = {}) {
    this.#random = random;
    this.#limits = { ...BREAKER_LIMITS, ...limits };
  }

  get state(): BreakerState {
    if (this.#failures < this.#limits.failuresMax) return "closed";
    return this.#probing === undefined ? "open" : "probing";
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * 0: `who` may write now, and MUST tell how it went. Otherwise, how long to wait before it asks
   * again.
   */
  waitMs(who: object, nowMs: number): number {
    if (this.state === "closed" || this.#probing === who) return 0;
    if (nowMs < this.#openUntilMs) return this.#openUntilMs - nowMs;
    if (this.#probing !== undefined) return this.#limits.backoffMs;
    this.#probing = who;
    return 0;
  }

  succeeded(who: object): void {
    this.#failures = 0;
    this.#openUntilMs = 0;
    if (this.#probing === who) this.#probing = undefined;
  }

  /**
   * Answers how long `who` has to wait before the next attempt, its `attempt`-th from 1 having
   * failed.
   */
  failed(
    who: object,
    failure: {
      readonly code: SinkErrorCode;
      readonly retryMs?: number | undefined;
      readonly attempt: number;
      readonly nowMs: number;
    },
  ): number {
    this.#failures += 1;
    if (this.#probing === who) this.#probing = undefined;
    const pauseMs = this.#pauseMs(failure);
    if (this.#failures >= this.#limits.failuresMax)
      this.#openUntilMs = Math.max(this.#openUntilMs, failure.nowMs + pauseMs);
    return pauseMs;
  }

  /** Who goes away does not tell how it went. */
  left(who: object): void {
    if (this.#probing === who) this.#probing = undefined;
  }

  #pauseMs(failure: {
    readonly code: SinkErrorCode;
    readonly retryMs?: number | undefined;
    readonly attempt: number;
  }): number {
    const { backoffMs, backoffMsMax, retryMsMax } = this.#limits;
    const doublings = Math.min(30, Math.max(failure.attempt, this.#failures) - 1);
    // Wrong credentials do not become right by asking often.
    const longestMs =
      failure.code === "refused"
        ? backoffMsMax
        : Math.min(backoffMsMax, backoffMs * 2 ** doublings);
    const ownMs = longestMs * (0.5 + this.#random.next() / 2);
    const askedMs = failure.retryMs ?? 0;
    if (!(askedMs > 0)) return ownMs;
    // Whoever was told the same pause does not come back in the same moment.
    return Math.max(ownMs, Math.min(askedMs, retryMsMax) + ownMs / 10);
  }
}
