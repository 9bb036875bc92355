// Owns: when a node gives sessions away to even out load, how fast, and when it stops because they
// come back.
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
/** Sessions that are asked before any has arrived elsewhere, and for each that has. */
const ASKED_AT_FIRST = 8;
const ASKED_FOR_EACH = 4;
/** A shedding whose sessions do not arrive elsewhere ends after this. */
const OUTCOME_MS = 5000;
/** The pause after sheddings that came back doubles from the cooldown up to this. */
const REST_MS_MAX = 60 * 60_000;
const REST_MS_MIN = 1000;

interface Shedding {
  readonly bucket: TokenBucket;
  left: number;
  askedMs: number;
}

/** What became of the sessions of one shedding. */
interface Outcome {
  asked: number;
  moved: number;
  returned: number;
}

/**
 * Sheds the excess that was there when it began, a few sessions at a time, and then rests for the
 * cooldown. It does not follow the figures while it sheds: those of the other nodes are a second
 * old, so it would give away too much. It stops early when there is no excess any more.
 *
 * Clients may reach no other node: their balancer binds them to this one. So only 8 sessions are
 * asked at first, and 4 more for each that has arrived elsewhere. If more came back than arrived
 * elsewhere, the next rest is twice as long as the last one, up to an hour.
 */
export class Rebalancer {
  #settings: RebalanceSettings;
  #sinceMs: number | undefined;
  #restedFromMs = Number.NEGATIVE_INFINITY;
  #shedding: Shedding | undefined;
  #outcome: Outcome = { asked: 0, moved: 0, returned: 0 };
  /** How many sheddings in a row came back, the last one left out. */
  #inVain = 0;

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
    const isResting = !this.active && nowMs - this.#restedFromMs < this.#restMs();
    if (!this.#settings.enabled || isResting) return this.#rest();
    if (excess <= 0) return this.active ? this.#finish(nowMs) : this.#rest();
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs < SETTLE_MS) return 0;
    const shedding = this.#shedding ?? this.#begin(nowMs, excess);
    const { asked, moved } = this.#outcome;
    const allowed = ASKED_AT_FIRST + ASKED_FOR_EACH * moved - asked;
    let count = 0;
    while (shedding.left > 0 && count < allowed && shedding.bucket.take(nowMs)) {
      shedding.left -= 1;
      count += 1;
    }
    this.#outcome.asked += count;
    if (count > 0) shedding.askedMs = nowMs;
    if (shedding.left === 0 || nowMs - shedding.askedMs >= OUTCOME_MS) this.#finish(nowMs);
    return count;
  }

  /** A session that was asked arrived elsewhere. */
  moved(): void {
    this.#outcome.moved += 1;
  }

  /** A session that was asked came back. */
  returned(): void {
    this.#outcome.returned += 1;
  }

  #begin(nowMs: number, excess: number): Shedding {
    const { perSecond } = this.#settings;
    const bucket = createTokenBucket(
      { ratePerSecond: perSecond, burst: Math.max(1, perSecond / 4) },
      nowMs,
    );
    this.#inVain = this.#timesInVain();
    this.#outcome = { asked: 0, moved: 0, returned: 0 };
    this.#shedding = { bucket, left: excess, askedMs: nowMs };
    return this.#shedding;
  }

  /** Outcomes of the last shedding may still come in while it rests. */
  #timesInVain(): number {
    const { returned, moved } = this.#outcome;
    if (returned > moved) return this.#inVain + 1;
    return moved > 0 ? 0 : this.#inVain;
  }

  #restMs(): number {
    const { cooldownMs } = this.#settings;
    const times = this.#timesInVain();
    return times === 0
      ? cooldownMs
      : Math.max(cooldownMs, Math.min(REST_MS_MAX, Math.max(REST_MS_MIN, cooldownMs) * 2 ** times));
  }

  #finish(nowMs: number): 0 {
    this.#restedFromMs = nowMs;
    return this.#rest();
  }

  #rest(): 0 {
    this.#sinceMs = undefined;
    this.#shedding = undefined;
    return 0;
  }
}
