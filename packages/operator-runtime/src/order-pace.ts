// Owns: which data planes took no order lately, so that they keep nobody else waiting.

/** After so many orders in a row that nobody took, the next one comes so much later, in ms. */
const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 8000;

/** Of one set. Memory is what is there: call `keep` with each look. */
export class OrderPace {
  readonly #nowMs: () => number;
  readonly #missed = new Map<string, { readonly times: number; readonly atMs: number }>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Its last order was taken by nobody. */
  isSilent(uid: string): boolean {
    return this.#missed.has(uid);
  }

  isDue(uid: string): boolean {
    const missed = this.#missed.get(uid);
    if (missed === undefined) return true;
    const afterMs = Math.min(AGAIN_MAX_MS, AGAIN_MS * 2 ** missed.times);
    return this.#nowMs() - missed.atMs >= afterMs;
  }

  missed(uid: string): void {
    const times = (this.#missed.get(uid)?.times ?? 0) + 1;
    this.#missed.set(uid, { times, atMs: this.#nowMs() });
  }

  /** It took an order, or refused it: it speaks. */
  answered(uid: string): void {
    this.#missed.delete(uid);
  }

  /** Forgets pods that are gone. */
  keep(uids: Iterable<string>): void {
    const there = new Set(uids);
    for (const uid of this.#missed.keys()) if (!there.has(uid)) this.#missed.delete(uid);
  }
}
