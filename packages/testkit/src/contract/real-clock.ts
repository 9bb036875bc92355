// Owns: the clock of suites that run against real targets.
import type { Clock } from "@holdfast/core";

export const realClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (task) => void setImmediate(task),
};
