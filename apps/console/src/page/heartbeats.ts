// Owns: what this window knows of the numbered heartbeats: which came, when, through which node, and what is missing or double. Pure.

/** One heartbeat as it arrived. `atMs` is the window's monotonic clock. */
export interface Beat {
  readonly n: number;
  readonly atMs: number;
  readonly node: string;
}

/** Beats kept: 60 s at ten a second. Older ones are forgotten, and with them the means to call a late copy a duplicate. */
export const BEATS_MAX = 600;

/** What a span of heartbeats shows. `pauseMs`: the longest interval between two arrivals less the normal one, never below 0. */
export interface Tally {
  readonly received: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly pauseMs: number;
  /** The arrivals on both sides of the longest interval. */
  readonly pauseFromMs: number;
  readonly pauseToMs: number;
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

  /** What arrived from `fromMs` to `toMs`, both included. Missing are the numbers between the smallest and the largest that did not come. */
  tally(span: { readonly fromMs: number; readonly toMs: number; readonly intervalMs: number }): Tally {
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
    return { received: beats.length, missing: expected - beats.length, duplicated, ...longestPause(beats, span.intervalMs) };
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

function longestPause(beats: readonly Beat[], intervalMs: number): Pick<Tally, "pauseMs" | "pauseFromMs" | "pauseToMs"> {
  let longest = { pauseMs: 0, pauseFromMs: beats[0]?.atMs ?? 0, pauseToMs: beats[0]?.atMs ?? 0 };
  let previous = beats[0];
  for (const beat of beats) {
    if (previous && beat.atMs - previous.atMs - intervalMs > longest.pauseMs) {
      longest = { pauseMs: beat.atMs - previous.atMs - intervalMs, pauseFromMs: previous.atMs, pauseToMs: beat.atMs };
    }
    previous = beat;
  }
  return longest;
}
