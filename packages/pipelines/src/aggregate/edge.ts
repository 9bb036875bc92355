// Owns: aggregates first and last: the value of the event with the earliest or latest event time.
import type { Accumulator, Saved } from "./accumulator.ts";

export class Edge implements Accumulator {
  readonly #last: boolean;
  #timeMs: number | null = null;
  #value: Saved = null;
  bytes = 32;

  constructor(last: boolean, saved?: Saved) {
    this.#last = last;
    if (saved !== undefined) this.#keep(...(saved as [number | null, Saved]));
  }

  /** Of two events with one time, `first` keeps the one that came first, `last` the other. */
  add(input: Saved, timeMs: number): void {
    if (this.#timeMs === null || (this.#last ? timeMs >= this.#timeMs : timeMs < this.#timeMs))
      this.#keep(timeMs, input);
  }

  merge(other: Edge): void {
    if (other.#timeMs !== null) this.add(other.#value, other.#timeMs);
  }

  value(): Saved {
    return this.#value;
  }

  save(): Saved {
    return [this.#timeMs, this.#value];
  }

  #keep(timeMs: number | null, value: Saved): void {
    this.#timeMs = timeMs;
    this.#value = value;
    this.bytes =
      32 +
      (typeof value === "string"
        ? value.length
        : typeof value === "object"
          ? JSON.stringify(value).length
          : 0);
  }
}
