// Owns: a queue ordered by deadline (binary heap). Pure: it is told the time.

interface Item<T> {
  readonly dueMs: number;
  readonly sequence: number;
  readonly value: T;
}

const earlier = <T>(left: Item<T>, right: Item<T>): boolean =>
  left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.sequence < right.sequence);

/**
 * Values by deadline; equal deadlines in the order in which they were added. O(log n) for each
 * addition and removal.
 */
export class DeadlineQueue<T> {
  #heap: Item<T>[] = [];
  #sequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline, or undefined when the queue is empty. */
  get nextMs(): number | undefined {
    return this.#heap[0]?.dueMs;
  }

  add(dueMs: number, value: T): void {
    this.#sequence += 1;
    const item = { dueMs, sequence: this.#sequence, value };
    this.#heap.push(item);
    this.#rise(this.#heap.length - 1, item);
  }

  /** Removes and returns the earliest value if its deadline is at or before `nowMs`. */
  takeDue(nowMs: number): { readonly dueMs: number; readonly value: T } | undefined {
    const first = this.#heap[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) this.#sink(0, last);
    return first;
  }

  /** Forgets every value that `keep` denies. O(n log n). */
  retain(keep: (value: T, dueMs: number) => boolean): void {
    // A sorted array is a heap, and keeps the order of equal deadlines.
    this.#heap = this.#heap
      .filter((item) => keep(item.value, item.dueMs))
      .sort((left, right) => (earlier(left, right) ? -1 : 1));
  }

  #rise(from: number, item: Item<T>): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (parent === undefined || !earlier(item, parent)) break;
      this.#heap[index] = parent;
      index = parentIndex;
    }
    this.#heap[index] = item;
  }

  #sink(from: number, item: Item<T>): void {
    let index = from;
    for (;;) {
      const leftIndex = 2 * index + 1;
      const left = this.#heap[leftIndex];
      if (left === undefined) break;
      const right = this.#heap[leftIndex + 1];
      const [childIndex, child] =
        right !== undefined && earlier(right, left) ? [leftIndex + 1, right] : [leftIndex, left];
      if (!earlier(child, item)) break;
      this.#heap[index] = child;
      index = childIndex;
    }
    this.#heap[index] = item;
  }
}
