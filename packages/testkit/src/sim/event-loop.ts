// Owns: simulated time for many processes: one queue of events, and a clock for each process that
// can jump, stall and die.
import type { Clock } from "@holdfast/core";

export interface EventLoopOptions {
  /**
   * Runs every microtask that waits (on Bun: `drainMicrotasks` of bun:jsc). Called after each
   * event, so promises inside engines settle before time goes on.
   */
  readonly settle: () => void;
  /** Wall time at the start, in ms since the Unix epoch. Default 2026-01-01T00:00:00Z. */
  readonly wallStartMs?: number;
}

/** One simulated operating system process: what it scheduled happens to it alone. */
export interface SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly alive: boolean;
  /** Runs `task` in this process after `delayMs`, unless it died meanwhile. */
  at(delayMs: number, task: () => void): void;
  /** Nothing that it scheduled happens any more. */
  kill(): void;
  /**
   * Nothing happens in it for `ms`; then everything that came due does, in order (a garbage
   * collection, a CPU limit).
   */
  stall(ms: number): void;
  /** Moves its wall clock alone. */
  jumpWall(ms: number): void;
  /** Timers that wait. */
  waiting(): number;
}

interface SimEvent {
  atMs: number;
  readonly sequence: number;
  readonly process: ProcessState;
  task: (() => void) | undefined;
}

interface ProcessState {
  alive: boolean;
  stalledUntilMs: number;
  wallOffsetMs: number;
  waiting: number;
}

/**
 * A deterministic event loop. Events run by due time, equal ones in the order in which they were
 * scheduled; after each, microtasks and deferred tasks run until none is left, and only then does
 * time go on.
 */
export class EventLoop {
  readonly #heap: SimEvent[] = [];
  readonly #settle: () => void;
  readonly #wallStartMs: number;
  #deferred: { readonly process: ProcessState; readonly task: () => void }[] = [];
  #sequence = 0;
  #nowMs = 0;
  #events = 0;
  #turns = 0;

  constructor(options: EventLoopOptions) {
    this.#settle = options.settle;
    this.#wallStartMs = options.wallStartMs ?? Date.UTC(2026, 0, 1);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events that ran so far. */
  get events(): number {
    return this.#events;
  }

  /** As many as events, and one more for each time that deferred tasks ran. */
  get turns(): number {
    return this.#turns;
  }

  /** True time of day: what a process's wall clock shows that never jumped. */
  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  process(name: string): SimProcess {
    const state: ProcessState = { alive: true, stalledUntilMs: 0, wallOffsetMs: 0, waiting: 0 };
    const clock: Clock = {
      wallMs: () => this.wallMs() + state.wallOffsetMs,
      nowMs: () => this.#nowMs,
      after: (delayMs, task) => {
        const event = this.#push(state, delayMs, task);
        return () => {
          if (event.task === undefined) return;
          event.task = undefined;
          state.waiting -= 1;
        };
      },
      defer: (task) => {
        this.#deferred.push({ process: state, task });
      },
    };
    return {
      name,
      clock,
      get alive() {
        return state.alive;
      },
      at: (delayMs, task) => void this.#push(state, delayMs, task),
      kill: () => {
        state.alive = false;
      },
      stall: (ms) => {
        state.stalledUntilMs = Math.max(state.stalledUntilMs, this.#nowMs + ms);
      },
      jumpWall: (ms) => {
        state.wallOffsetMs += ms;
      },
      waiting: () => state.waiting,
    };
  }

  /**
   * Runs events up to and including `untilMs`, then stands there. `after` is called after each
   * event with everything settled; when it answers false, the run stops.
   * At most `eventsMax` events: a task that schedules itself at once for ever is a bug and throws.
   */
  run(
    untilMs: number,
    options: { readonly after?: () => boolean; readonly eventsMax?: number } = {},
  ): void {
    const eventsMax = this.#events + (options.eventsMax ?? 1_000_000);
    this.#settleAll();
    for (let event = this.#pop(untilMs); event !== undefined; event = this.#pop(untilMs)) {
      const { task } = event;
      event.task = undefined;
      if (task === undefined) continue;
      event.process.waiting -= 1;
      if (!event.process.alive) continue;
      this.#events += 1;
      this.#turns += 1;
      if (this.#events > eventsMax)
        throw new Error(
          `more than ${options.eventsMax ?? 1_000_000} events: something schedules itself for ever`,
        );
      task();
      this.#settleAll();
      if (options.after?.() === false) return;
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #settleAll(): void {
    this.#settle();
    for (let rounds = 0; this.#deferred.length > 0; rounds++) {
      if (rounds > 10_000) throw new Error("tasks defer one another for ever");
      this.#turns += 1;
      const batch = this.#deferred;
      this.#deferred = [];
      for (const { process, task } of batch) if (process.alive) task();
      this.#settle();
    }
  }

  #push(process: ProcessState, delayMs: number, task: () => void): SimEvent {
    if (Number.isNaN(delayMs)) throw new Error("a timer without a time");
    this.#sequence += 1;
    process.waiting += 1;
    const event: SimEvent = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      sequence: this.#sequence,
      process,
      task,
    };
    this.#insert(event);
    return event;
  }

  /**
   * The next event that is due, with time moved to it. Events of a stalled process wait for its end
   * and keep their order.
   */
  #pop(untilMs: number): SimEvent | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) return undefined;
      this.#removeFirst();
      if (
        first.atMs < first.process.stalledUntilMs &&
        first.process.alive &&
        first.task !== undefined
      ) {
        first.atMs = first.process.stalledUntilMs;
        this.#insert(first);
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      return first;
    }
  }

  #insert(event: SimEvent): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as SimEvent;
      if (!before(event, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as SimEvent;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as SimEvent, heap[child] as SimEvent))
        child += 1;
      if (!before(heap[child] as SimEvent, last)) break;
      heap[index] = heap[child] as SimEvent;
      index = child;
    }
    heap[index] = last;
  }
}

const before = (one: SimEvent, other: SimEvent): boolean =>
  one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence);
