// Owns: the watermark of a window: up to which event time everything has come that is waited for.
import type { Saved } from "../aggregate/accumulator.ts";
import { RESULT, type Run } from "./run.ts";

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * The smallest of the newest event times of all channels that are not idle, less the lateness. It
 * never goes back. A channel from which nothing has come holds it until the channel is idle. If
 * every channel is idle, event time runs on with the clock from where the newest one stood.
 */
export class Watermark {
  valueMs = NEVER;
  readonly #run: Run;
  readonly #latenessMs: number;
  readonly #idleMs: number;
  /** Newest event time of each source. */
  readonly #newest: number[] = [];
  readonly #idle: boolean[] = [];
  /** The source that holds the watermark. */
  #holder = -1;

  constructor(run: Run, rules: { readonly latenessMs: number; readonly idleMs: number }) {
    this.#run = run;
    this.#latenessMs = rules.latenessMs;
    this.#idleMs = rules.idleMs;
  }

  /** True if the watermark rose. */
  observe(timeMs: number): boolean {
    const { source, channels } = this.#run;
    if (source === RESULT || channels.length === 1) {
      if (source !== RESULT) {
        this.#idle[source] = false;
        if (timeMs > (this.#newest[source] ?? NEVER)) this.#newest[source] = timeMs;
      }
      return this.#raise(timeMs - this.#latenessMs);
    }
    const wasIdle = this.#idle[source] === true;
    this.#idle[source] = false;
    const before = this.#newest[source] ?? NEVER;
    if (timeMs > before) this.#newest[source] = timeMs;
    else if (!wasIdle) return false;
    return source === this.#holder || this.#holder === -1 || before === NEVER || wasIdle
      ? this.#recompute()
      : false;
  }

  /** Windows before this step have closed up to here. True if the watermark rose. */
  raise(watermarkMs: number): boolean {
    return this.#raise(watermarkMs - this.#latenessMs);
  }

  /** True if the watermark rose. */
  tick(idleMs: readonly number[]): boolean {
    let runOnMs = NEVER;
    let everyIdle = true;
    for (const [source, ms] of idleMs.entries()) {
      const idle = ms >= this.#idleMs;
      this.#idle[source] = idle;
      everyIdle &&= idle;
      const newest = this.#newest[source];
      if (newest !== undefined && Number.isFinite(ms)) runOnMs = Math.max(runOnMs, newest + ms);
    }
    if (!everyIdle) return this.#recompute();
    return runOnMs === NEVER ? false : this.#raise(runOnMs - this.#latenessMs);
  }

  save(): Saved {
    const newest = this.#newest.flatMap((timeMs, source) =>
      timeMs === undefined ? [] : [[this.#run.channels[source] ?? "", timeMs]],
    );
    return [this.valueMs === NEVER ? null : this.valueMs, newest];
  }

  load(saved: Saved): void {
    const [valueMs, newest] = saved as [number | null, [string, number][]];
    this.valueMs = valueMs ?? NEVER;
    for (const [channel, timeMs] of newest) {
      let source = this.#run.channels.indexOf(channel);
      if (source === -1) source = this.#run.channels.push(channel) - 1;
      this.#newest[source] = timeMs;
    }
  }

  #recompute(): boolean {
    let lowest = Number.POSITIVE_INFINITY;
    this.#holder = -1;
    for (let source = 0; source < this.#run.channels.length; source++) {
      if (this.#idle[source] === true) continue;
      const newest = this.#newest[source];
      // Nothing has come from it yet: nobody knows what will.
      if (newest === undefined) return false;
      if (newest < lowest) {
        lowest = newest;
        this.#holder = source;
      }
    }
    return this.#holder === -1 ? false : this.#raise(lowest - this.#latenessMs);
  }

  #raise(valueMs: number): boolean {
    if (!(valueMs > this.valueMs)) return false;
    this.valueMs = valueMs;
    return true;
  }
}
