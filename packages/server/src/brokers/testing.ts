// Owns: the real clock of this folder's tests and measurements.
import type { Clock } from "@holdfast/core";

export const realClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  defer(task) {
    setImmediate(task);
  },
};
