// Owns: what this window knows of the numbered heartbeats: which came, when, through which node,
// and what is missing or double. Pure.

/** One heartbeat as it arrived. `atMs` is the window's monotonic clock. */
export interface Beat {
  readonly n: number;
  readonly atMs: number;
  readonly node: string;
}

/**
 * Beats kept: 60 s at ten a second. Older ones are forgotten, and with them the means to call a
 * late copy a duplicate.
 */
export const BEATS_MAX = 600;

/**
 * `pauseMs`: the longest interval between two arrivals (or until the span's end) less the normal
 * one, never below 0; the others are its ends.
 */
interface Pause {
  readonly pauseMs: number;
  readonly pauseFromMs: number;
  readonly pauseToMs: number;
}

/**
 * A stretch of the window's time, both ends included; `intervalMs` is how often heartbeats are
 * published.
 */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly intervalMs: number;
}

/** What a span of heartbeats shows. */
export interface Tally extends Pause {
  readonly received: number;
  readonly missing: number;
  readonly duplicated: number;
}

/** The last `BEATS_MAX` heartbeats of one run of the device; a new run starts afresh. */
export class Heartbeats {
  #run = "";
  #beats: Beat[] = [];
  #seen = new Set<number>();
  #duplicates: Beat[] = [];

  /** Arrivals, oldest first. */
  get beats(): readonly Beat[] {
    return this.#beats;
  }

  observe(run: string, beat: Beat): void {
    if (run !== this.#run) this.#restart(run);
    if (this.#seen.has(beat.n)) {
      this.#duplicates.push(beat);
      if (this.#duplicates.length > BEATS_MAX) this.#duplicates.shift();
      return;
    }
    this.#beats.push(beat);
    this.#seen.add(beat.n);
    if (this.#beats.length > BEATS_MAX) this.#forget();
  }

  /**
   * What arrived from `fromMs` to `toMs`, both included. Missing are the numbers between the
   * smallest and the largest that did not come.
   */
  tally(span: Span): Tally {
    const inSpan = (beat: Beat) => beat.atMs >= span.fromMs && beat.atMs <= span.toMs;
    const beats = this.#beats.filter(inSpan);
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const beat of beats) {
      low = Math.min(low, beat.n);
      high = Math.max(high, beat.n);
    }
    const expected = beats.length === 0 ? 0 : high - low + 1;
    const duplicated = this.#duplicates.filter(inSpan).length;
    return {
      received: beats.length,
      missing: expected - beats.length,
      duplicated,
      ...longestPause(this.#beats, span),
    };
  }

  #restart(run: string): void {
    this.#run = run;
    this.#beats = [];
    this.#seen.clear();
    this.#duplicates = [];
  }

  #forget(): void {
    const oldest = this.#beats.shift();
    if (oldest) this.#seen.delete(oldest.n);
  }
}

/**
 * The longest interval of which a part lies in the span, the end cut off at the span's end: so an
 * interval that began before counts as a whole, and silence that has not ended yet counts as far as
 * it got.
 */
function longestPause(beats: readonly Beat[], span: Span): Pause {
  let longest: Pause = { pauseMs: 0, pauseFromMs: span.fromMs, pauseToMs: span.fromMs };
  for (const [index, { atMs }] of beats.entries()) {
    const endMs = Math.min(beats[index + 1]?.atMs ?? Number.POSITIVE_INFINITY, span.toMs);
    const pauseMs = endMs - atMs - span.intervalMs;
    if (endMs >= span.fromMs && pauseMs > longest.pauseMs)
      longest = { pauseMs, pauseFromMs: atMs, pauseToMs: endMs };
  }
  return longest;
}
