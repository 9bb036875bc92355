// Owns: a clock whose timers may fire late, as on a page that sleeps or is hidden. For tests only.
import { createManualClock } from "@holdfast/testkit";

/** `sleep`: time passes and no timer fires; those that were due fire in the next `advance`. */
export function createSleepingClock() {
  const clock = createManualClock();
  let sleptMs = 0;
  return {
    ...clock,
    nowMs: () => clock.nowMs() + sleptMs,
    after: (delayMs: number, task: () => void) => clock.after(delayMs, task),
    defer: (task: () => void) => clock.defer(task),
    advance: (ms: number) => clock.advance(ms),
    flush: () => clock.flush(),
    waiting: () => clock.waiting(),
    sleep: (ms: number) => {
      sleptMs += ms;
    },
  };
}
