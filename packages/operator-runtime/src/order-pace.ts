// Owns: which data planes took no order lately, so that they keep nobody else waiting.

/** After so many orders in a row that nobody took, the next one comes so much later, in ms. */
const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 8000;
/** Orders of one look to pods that are silent: they leave turns to the others. */
const SILENT_MAX = 16;

/** Of one set. Memory is what is there: call `keep` with each look. */
export class OrderPace {
  readonly #nowMs: () => number;
  readonly #missed = new Map<string, { readonly times: number; readonly atMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Of pods that are to get an order in this look, those whose turn it is: all that speak, and of
   * the silent ones those that have waited longest.
   */
  turns(uids: readonly string[]): ReadonlySet<string> {
    const silent = uids
      .filter((uid) => this.#missed.has(uid) && this.#isDue(uid))
      .sort((a, b) => (this.#missed.get(a)?.atMs ?? 0) - (this.#missed.get(b)?.atMs ?? 0));
    const others = uids.filter((uid) => !this.#missed.has(uid));
    return new Set([...others, ...silent.slice(0, SILENT_MAX)]);
  }

  #isDue(uid: string): boolean {
    const missed = this.#missed.get(uid);
    if (missed === undefined) return true;
    const afterMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** missed.times);
    return this.#nowMs() - missed.atMs >= afterMs;
  }

  missed(uid: string): void {
    const times = (this.#missed.get(uid)?.times ?? 0) + 1;
    this.#missed.set(uid, { times, atMs: this.#nowMs() });
  }

  /** It took an order, refused it, or answered a question: it speaks. */
  answered(uid: string): void {
    this.#missed.delete(uid);
  }

  /** Forgets pods that are gone. */
  keep(uids: Iterable<string>): void {
    const there = new Set(uids);
    for (const uid of this.#missed.keys()) if (!there.has(uid)) this.#missed.delete(uid);
  }
}
