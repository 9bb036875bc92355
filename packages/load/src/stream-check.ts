// Owns: checking what one subscription got of one stream: in order, late, twice, or not at all.
// Pure.

/**
 * Most holes that are kept. If there are more, the oldest counts as lost; a number of it that still
 * came would count as duplicated.
 */
const HOLES_MAX = 64;

export type Arrival = "in order" | "out of order" | "duplicate";

/**
 * Numbers of a stream that do not count as lost: their publish was refused, or ended without an
 * answer.
 */
export interface StreamTruth {
  /** Numbers handed out: 0 to sent - 1. */
  readonly sent: number;
  readonly excused: ReadonlySet<number>;
}

/** Takes numbers as they come. */
export class StreamCheck {
  /** The next number that is in order; undefined: whatever comes first. */
  #next: number | undefined;
  /** Ranges [from, to) that were jumped over, in order. */
  #holes: [from: number, to: number][] = [];
  #givenUp = 0;

  /**
   * `first` is the number that must come first; without one, what came before the first arrival
   * does not count.
   */
  constructor(first?: number) {
    this.#next = first;
  }

  take(n: number): Arrival {
    const next = this.#next;
    if (next === undefined || n === next) {
      this.#next = n + 1;
      return "in order";
    }
    if (n > next) {
      this.#holes.push([next, n]);
      if (this.#holes.length > HOLES_MAX) {
        const [from, to] = this.#holes.shift() ?? [0, 0];
        this.#givenUp += to - from;
      }
      this.#next = n + 1;
      return "in order";
    }
    return this.#fill(n) ? "out of order" : "duplicate";
  }

  /** Numbers of the stream that did not come, given what was sent. */
  missing({ sent, excused }: StreamTruth): number {
    if (this.#next === undefined) return 0;
    let missing = this.#givenUp;
    for (const [from, to] of [...this.#holes, [this.#next, Math.max(this.#next, sent)] as const]) {
      missing += to - from;
      if (excused.size > 0) for (let n = from; n < to; n++) if (excused.has(n)) missing--;
    }
    return missing;
  }

  /** Removes `n` from its hole. */
  #fill(n: number): boolean {
    const place = this.#holes.findIndex(([from, to]) => n >= from && n < to);
    const hole = this.#holes[place];
    if (hole === undefined) return false;
    const parts: [number, number][] = [
      [hole[0], n],
      [n + 1, hole[1]],
    ];
    this.#holes.splice(place, 1, ...parts.filter(([from, to]) => to > from));
    return true;
  }
}
