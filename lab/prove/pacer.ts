// Owns: publishing at a steady pace: intended times are fixed beforehand, and a late turn does not
// shift them.

const TICK_MS = 5;
/**
 * Most publishes without an outcome. At the limit further ones are not made, and `skipped` counts
 * them.
 */
const UNDER_WAY_MAX = 20_000;

export interface PacerOptions {
  readonly perSecond: number;
  /** Publishes once, intended for `atMs` since 1970. Never rejects. */
  readonly publish: (atMs: number) => Promise<void>;
}

export class Pacer {
  readonly #options: PacerOptions;
  readonly #underWay = new Set<Promise<void>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  skipped = 0;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  start(): void {
    const startMs = Date.now();
    const everyMs = 1000 / this.#options.perSecond;
    let count = 0;
    this.#timer = setInterval(() => {
      for (const nowMs = Date.now(); startMs + (count + 1) * everyMs <= nowMs; ) {
        count += 1;
        if (this.#underWay.size >= UNDER_WAY_MAX) this.skipped += 1;
        else this.#begin(startMs + count * everyMs);
      }
    }, TICK_MS);
  }

  /** Resolves when every publish has its outcome. */
  async pause(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  #begin(atMs: number): void {
    const publish = this.#options.publish(atMs).finally(() => this.#underWay.delete(publish));
    this.#underWay.add(publish);
  }
}
