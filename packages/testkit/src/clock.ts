// Owns: a Clock that stands still until it is told to go on.
import type { Clock } from "@holdfast/core";

/** A clock whose time passes only when a test says so. Times are in ms. */
export interface ManualClock extends Clock {
  /**
   * Runs what was deferred, then goes `ms` on, running each timer at its due time in order, with
   * what it defers right behind it.
   */
  advance(ms: number): void;
  /**
   * Runs what is deferred, and what that defers, without any time passing. The same as `advance(0)`
   * but for due timers, which it leaves.
   */
  flush(): void;
  /** Moves the wall clock alone, as a time server's correction would. May be negative. */
  jumpWall(ms: number): void;
  /** When the next timer is due, on `nowMs`'s scale; undefined without timers. */
  nextDueMs(): number | undefined;
  /** Timers and deferred tasks that still wait. */
  waiting(): number;
}

/** Where a manual clock begins, and when it stops a test that never ends. */
export interface ManualClockOptions {
  /** `nowMs` at the start; default 0. */
  readonly startMs?: number;
  /** `wallMs` at the start; default 2026-01-01T00:00:00Z. */
  readonly wallStartMs?: number;
  /**
   * Most tasks that one `advance` or `flush` may run before it throws: a task that starts itself
   * again for ever is a bug. Default 1,000,000.
   */
  readonly tasksMax?: number;
}

interface Timer {
  readonly dueMs: number;
  task: (() => void) | undefined;
}

/**
 * A deterministic clock for tests and simulations: timers run by due time, equal ones in the order
 * in which they were set. Tasks run inside `advance` and `flush` only.
 */
export function createManualClock(options: ManualClockOptions = {}): ManualClock {
  const tasksMax = options.tasksMax ?? 1_000_000;
  let nowMs = options.startMs ?? 0;
  let wallOffsetMs = (options.wallStartMs ?? Date.UTC(2026, 0, 1)) - nowMs;
  /** Sorted by due time; cancelled ones stay, without a task, until they reach the front. */
  let timers: Timer[] = [];
  let cancelled = 0;
  let deferred: (() => void)[] = [];
  let running = false;

  const dropCancelled = (): void => {
    if (cancelled < 64 || cancelled * 2 < timers.length) return;
    timers = timers.filter((timer) => timer.task !== undefined);
    cancelled = 0;
  };

  const runDeferred = (budget: { left: number }): void => {
    while (deferred.length > 0) {
      const batch = deferred;
      deferred = [];
      for (const task of batch) {
        spend(budget, tasksMax);
        task();
      }
    }
  };

  const takeDue = (untilMs: number): Timer | undefined => {
    while (timers[0] !== undefined && timers[0].task === undefined) {
      timers.shift();
      cancelled -= 1;
    }
    const first = timers[0];
    return first !== undefined && first.dueMs <= untilMs ? timers.shift() : undefined;
  };

  const exclusively = (work: () => void): void => {
    if (running) throw new Error("the clock's tasks must not advance the clock");
    running = true;
    try {
      work();
    } finally {
      running = false;
    }
  };

  return {
    nowMs: () => nowMs,
    wallMs: () => nowMs + wallOffsetMs,
    after(delayMs, task) {
      const timer: Timer = { dueMs: nowMs + Math.max(0, delayMs), task };
      timers.splice(indexBehind(timers, timer.dueMs), 0, timer);
      return () => {
        if (timer.task === undefined) return;
        timer.task = undefined;
        cancelled += 1;
        dropCancelled();
      };
    },
    defer(task) {
      deferred.push(task);
    },
    flush: () => exclusively(() => runDeferred({ left: tasksMax })),
    advance(ms) {
      exclusively(() => {
        const budget = { left: tasksMax };
        const untilMs = nowMs + Math.max(0, ms);
        runDeferred(budget);
        for (let timer = takeDue(untilMs); timer !== undefined; timer = takeDue(untilMs)) {
          nowMs = Math.max(nowMs, timer.dueMs);
          spend(budget, tasksMax);
          const task = timer.task;
          timer.task = undefined;
          task?.();
          runDeferred(budget);
        }
        nowMs = untilMs;
      });
    },
    jumpWall(ms) {
      wallOffsetMs += ms;
    },
    nextDueMs: () => timers.find((timer) => timer.task !== undefined)?.dueMs,
    waiting: () => timers.length - cancelled + deferred.length,
  };
}

function spend(budget: { left: number }, tasksMax: number): void {
  budget.left -= 1;
  if (budget.left < 0)
    throw new Error(
      `more than ${tasksMax} tasks in one go: some task starts itself again for ever`,
    );
}

/** First index whose timer is due later than `dueMs`. */
function indexBehind(timers: readonly Timer[], dueMs: number): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const timer = timers[middle];
    if (timer !== undefined && timer.dueMs <= dueMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
