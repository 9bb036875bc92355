// Owns: what happens next in a simulated plan: a heap of times and numbers that allocates only when
// it grows.

const CAPACITY = 1024;

/**
 * Events in the order of their times. An event is a whole number that its owner understands; of two
 * at the same time either may come first.
 */
export class EventQueue {
  #times = new Float64Array(CAPACITY);
  #events = new Float64Array(CAPACITY);
  #size = 0;
  /** Time and number of the event that `next` found last. */
  nowMs = 0;
  event = 0;

  get size(): number {
    return this.#size;
  }

  push(timeMs: number, event: number): void {
    if (this.#size === this.#times.length) this.#grow();
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentMs = this.#times[parent] ?? 0;
      if (parentMs <= timeMs) break;
      this.#set(at, parentMs, this.#events[parent] ?? 0);
      at = parent;
    }
    this.#set(at, timeMs, event);
  }

  /** Takes the earliest event; false: nothing is left. */
  next(): boolean {
    if (this.#size === 0) return false;
    this.nowMs = this.#times[0] ?? 0;
    this.event = this.#events[0] ?? 0;
    const last = --this.#size;
    if (last > 0) this.#sink(this.#times[last] ?? 0, this.#events[last] ?? 0);
    return true;
  }

  #sink(timeMs: number, event: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#times[child + 1] ?? 0) < (this.#times[child] ?? 0))
        child += 1;
      const childMs = this.#times[child] ?? 0;
      if (childMs >= timeMs) break;
      this.#set(at, childMs, this.#events[child] ?? 0);
      at = child;
    }
    this.#set(at, timeMs, event);
  }

  #set(at: number, timeMs: number, event: number): void {
    this.#times[at] = timeMs;
    this.#events[at] = event;
  }

  #grow(): void {
    const [times, events] = [new Float64Array(this.#size * 2), new Float64Array(this.#size * 2)];
    times.set(this.#times);
    events.set(this.#events);
    this.#times = times;
    this.#events = events;
  }
}
