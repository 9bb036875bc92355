// Owns: when a node gives sessions away to even out load, and how fast.
import { createTokenBucket, type TokenBucket } from "../pacing/token-bucket.ts";

export interface RebalanceSettings {
  readonly enabled: boolean;
  readonly perSecond: number;
  /**
   * Pause between the end of one shedding and the beginning of the next, so that figures settle.
   */
  readonly cooldownMs: number;
}

/**
 * How long a difference must last before sessions move. Nodes that just started or died are not a
 * trend, and figures must have settled.
 */
const SETTLE_MS = 3000;

/**
 * Sheds the excess that was there when it began, a few sessions at a time, and then rests for the
 * cooldown. It does not follow the figures while it sheds: those of the other nodes are a second
 * old, so it would give away too much. It stops early when there is no excess any more.
 */
export class Rebalancer {
  #settings: RebalanceSettings;
  #sinceMs: number | undefined;
  #cooldownUntilMs = 0;
  #shedding: { bucket: TokenBucket; left: number } | undefined;

  constructor(settings: RebalanceSettings) {
    this.#settings = settings;
  }

  configure(settings: RebalanceSettings): void {
    this.#settings = settings;
  }

  get active(): boolean {
    return this.#shedding !== undefined;
  }

  /**
   * How many sessions to ask to move now. Called a few times a second with how many sessions this
   * node has above its share.
   */
  due(nowMs: number, excess: number): number {
    if (!this.#settings.enabled || nowMs < this.#cooldownUntilMs) return this.#rest();
    if (excess <= 0) return this.active ? this.#finish(nowMs) : this.#rest();
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < SETTLE_MS) return 0;
    const shedding = this.#shedding ?? this.#begin(nowMs, excess);
    let count = 0;
    while (shedding.left > 0 && shedding.bucket.take(nowMs)) {
      shedding.left -= 1;
      count += 1;
    }
    if (shedding.left === 0) this.#finish(nowMs);
    return count;
  }

  #begin(nowMs: number, excess: number): { bucket: TokenBucket; left: number } {
    const { perSecond } = this.#settings;
    const bucket = createTokenBucket(
      { ratePerSecond: perSecond, burst: Math.max(1, perSecond / 4) },
      nowMs,
    );
    this.#shedding = { bucket, left: excess };
    return this.#shedding;
  }

  #finish(nowMs: number): 0 {
    this.#cooldownUntilMs = nowMs + this.#settings.cooldownMs;
    return this.#rest();
  }

  #rest(): 0 {
    this.#sinceMs = undefined;
    this.#shedding = undefined;
    return 0;
  }
}
