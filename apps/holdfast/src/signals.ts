// Owns: what one press of Ctrl-C is. A terminal signals the whole group, and programs between pass the signal on: it comes several times.
import type { Host, StopSignal } from "./host.ts";

/** Signals within this time are one. */
const SAME_MS = 250;

/** Tells the first signal and each later one that is not an echo of the one before. */
export function onStopSignal(host: Host, listener: (signal: StopSignal, count: number) => void): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  host.onSignal((signal) => {
    const nowMs = performance.now();
    const echo = nowMs - lastMs < SAME_MS;
    lastMs = nowMs;
    if (!echo) listener(signal, ++count);
  });
}
