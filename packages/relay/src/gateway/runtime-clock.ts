// Owns: the clock of held clients: the runtime's.
import type { HeldClock } from "@holdfast/rehoming";

export const CLOCK: HeldClock = {
  nowMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
};
