// Owns: the schedule of actions: a binary heap of times. Nothing in it is cancelled: the called
// client checks if the action is still wanted. Pure.

const CAPACITY_FIRST = 64;

/** Times in any unit, each with a number that identifies the action. */
export class Schedule {
  #moments = new Float64Array(CAPACITY_FIRST);
  #what = new Float64Array(CAPACITY_FIRST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The earliest moment, or undefined. */
  next(): number | undefined {
    return this.#size === 0 ? undefined : this.#moments[0];
  }

  add(moment: number, what: number): void {
    if (this.#size === this.#moments.length) this.#grow();
    let place = this.#size++;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.#moments[parent] ?? 0;
      if (above <= moment) break;
      this.#put(place, above, this.#what[parent] ?? 0);
      place = parent;
    }
    this.#put(place, moment, what);
  }

  /**
   * Takes out the earliest entry and answers what it is, or undefined when it is later than
   * `until`.
   */
  take(until: number): number | undefined {
    if (this.#size === 0 || (this.#moments[0] ?? 0) > until) return undefined;
    const what = this.#what[0];
    this.#size--;
    this.#sink(this.#moments[this.#size] ?? 0, this.#what[this.#size] ?? 0);
    return what;
  }

  #sink(moment: number, what: number): void {
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#moments[child + 1] ?? 0) < (this.#moments[child] ?? 0))
        child++;
      if ((this.#moments[child] ?? 0) >= moment) break;
      this.#put(place, this.#moments[child] ?? 0, this.#what[child] ?? 0);
      place = child;
    }
    this.#put(place, moment, what);
  }

  #put(place: number, moment: number, what: number): void {
    this.#moments[place] = moment;
    this.#what[place] = what;
  }

  #grow(): void {
    const double = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const grown = new Float64Array(old.length * 2);
      grown.set(old);
      return grown;
    };
    this.#moments = double(this.#moments);
    this.#what = double(this.#what);
  }
}
