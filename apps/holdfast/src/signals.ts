// Owns: what signals mean. One press of Ctrl-C may come several times: a terminal signals the whole group, and programs between pass it on.
import type { Host, StopSignal } from "./host.ts";

/** Signals within this time are one. */
const SAME_MS = 250;

/** Tells the first signal and each later one that is not an echo of the one before. With `onHangUp`, SIGHUP is that and no wish to stop. */
export function onStopSignal(host: Host, listener: (signal: StopSignal, count: number) => void, onHangUp?: () => void): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  host.onSignal((signal) => {
    if (signal === "SIGHUP" && onHangUp !== undefined) return onHangUp();
    const nowMs = performance.now();
    const echo = nowMs - lastMs < SAME_MS;
    lastMs = nowMs;
    if (!echo) listener(signal, ++count);
  });
}
