// Owns: how fast a source publishes, so that no history overtakes the pipelines that read it. Pure.
import type { SourceBehind } from "@holdfast/pipelines/source";

/** Records of one second at first, and while pipelines are behind, as a share of the history. */
const SLOW_SHARE = 1 / 8;
/**
 * Records of one second at most. Nodes tell each other each second how far pipelines are behind,
 * and a channel that is new is found within two. What comes meanwhile must fit beside `WAIT_SHARE`.
 */
const FAST_SHARE = 1 / 4;
/** From here on the source waits. */
const WAIT_SHARE = 1 / 4;
/** Below this it becomes faster. */
const CALM_SHARE = 1 / 16;
const GROWTH = 1.5;
const LOOK_MS = 100;

/** One source's pace. Without pipelines there is none: then only the broker holds it back. */
export class SourcePace {
  #perSecond = 0;
  #allowance = 0;
  #sinceMs = 0;
  #raisedMs = 0;

  /**
   * How long to wait before the next look; 0: `count` records may be published now.
   */
  waitMs(count: number, behind: SourceBehind | undefined, nowMs: number): number {
    if (behind === undefined || behind.historySize === 0) return 0;
    const { historySize, publications } = behind;
    const slow = Math.max(1, historySize * SLOW_SHARE);
    const fast = Math.max(1, historySize * FAST_SHARE);
    if (this.#perSecond === 0) {
      this.#sinceMs = nowMs;
      this.#raisedMs = nowMs;
      this.#allowance = slow;
    }
    this.#perSecond = Math.min(fast, Math.max(slow, this.#perSecond));
    const share = publications / historySize;
    if (share > WAIT_SHARE) {
      this.#perSecond = slow;
      this.#allowance = 0;
      this.#sinceMs = nowMs;
      this.#raisedMs = nowMs;
      return LOOK_MS;
    }
    if (share < CALM_SHARE && nowMs - this.#raisedMs >= 1_000) {
      this.#perSecond = Math.min(fast, this.#perSecond * GROWTH);
      this.#raisedMs = nowMs;
    }
    this.#allowance = Math.min(
      this.#perSecond,
      this.#allowance + ((nowMs - this.#sinceMs) * this.#perSecond) / 1_000,
    );
    this.#sinceMs = nowMs;
    // A batch that is larger than a second's worth goes when nothing went for a second.
    const needed = Math.min(count, this.#perSecond);
    if (this.#allowance < needed)
      return Math.max(1, Math.ceil(((needed - this.#allowance) * 1_000) / this.#perSecond));
    this.#allowance -= count;
    return 0;
  }
}
