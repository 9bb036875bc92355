// Owns: which keys are to be looked at when the watermark has reached a time.

/**
 * Keys by the time at which something may be due. Times are kept in steps, so that a key that is
 * put off again and again costs little. Whoever asks looks again whether it is due.
 */
export class Schedule {
  readonly #stepMs: number;
  readonly #steps = new Map<number, Set<string>>();
  readonly #stepOf = new Map<string, number>();
  #earliest = Number.POSITIVE_INFINITY;

  constructor(stepMs: number) {
    this.#stepMs = Math.max(1, Math.floor(stepMs));
  }

  /** The key is looked at when `atMs` has come, or earlier if it already was to be. */
  put(key: string, atMs: number): void {
    const step = Math.floor(atMs / this.#stepMs);
    const known = this.#stepOf.get(key);
    if (known !== undefined && known <= step) return;
    if (known !== undefined) this.#steps.get(known)?.delete(key);
    this.#stepOf.set(key, step);
    const keys = this.#steps.get(step);
    if (keys === undefined) this.#steps.set(step, new Set([key]));
    else keys.add(key);
    if (step < this.#earliest) this.#earliest = step;
  }

  /** Keys that may be due; they are no longer on the schedule. */
  due(nowMs: number): string[] {
    const now = Math.floor(nowMs / this.#stepMs);
    if (now < this.#earliest) return [];
    const keys: string[] = [];
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const [step, there] of this.#steps) {
      if (step > now) {
        if (step < this.#earliest) this.#earliest = step;
        continue;
      }
      this.#steps.delete(step);
      for (const key of there) {
        this.#stepOf.delete(key);
        keys.push(key);
      }
    }
    return keys;
  }
}
