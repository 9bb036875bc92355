// Owns: the meaning of signals. One press of Ctrl-C may arrive several times: a terminal signals
// the whole group, and programs in between pass it on.
import type { Host, StopSignal } from "./host.ts";

/** Signals within this time are one. */
const SAME_MS = 250;

/**
 * Reports the first signal, and each later one that is not a repeat of the one before. With
 * `onHangUp`, SIGHUP calls that and does not stop the program.
 */
export function onStopSignal(
  host: Host,
  listener: (signal: StopSignal, count: number) => void,
  onHangUp?: () => void,
): void {
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

/** Signals of a process that is still starting. */
export interface HeldSignals {
  /** Resolves with the first signal to stop. */
  readonly stop: Promise<StopSignal>;
  /** Passes signals to listeners from now on, and at once those that came before. */
  handTo(listener: (signal: StopSignal, count: number) => void, onHangUp: () => void): void;
}

/**
 * From now on no signal ends the process. Until `handTo` they are kept: a signal to stop in `stop`,
 * a SIGHUP for a later listener.
 */
export function holdSignals(host: Host): HeldSignals {
  let wish: (signal: StopSignal) => void = () => {};
  const stop = new Promise<StopSignal>((resolve) => {
    wish = resolve;
  });
  let hungUp = false;
  const wishes: [signal: StopSignal, count: number][] = [];
  let onStop = (signal: StopSignal, count: number): void => {
    wishes.push([signal, count]);
    wish(signal);
  };
  let onHangUp = () => {
    hungUp = true;
  };
  onStopSignal(
    host,
    (signal, count) => onStop(signal, count),
    () => onHangUp(),
  );
  return {
    stop,
    handTo(listener, hangUpListener) {
      onStop = listener;
      onHangUp = hangUpListener;
      if (hungUp) onHangUp();
      for (const [signal, count] of wishes.splice(0)) listener(signal, count);
    },
  };
}
