// Owns: turning the engine's callbacks into promises that an AbortSignal can end.
import { HoldfastError } from "./engine/errors.ts";

/** Calls `task` when the signal fires, at once if it has fired. The result stops listening. */
export function onAbort(
  signal: AbortSignal | undefined,
  task: (error: HoldfastError) => void,
): () => void {
  if (!signal) return () => {};
  const fire = () =>
    task(new HoldfastError("aborted", "The AbortSignal fired", { cause: signal.reason }));
  if (signal.aborted) fire();
  else signal.addEventListener("abort", fire, { once: true });
  return () => signal.removeEventListener("abort", fire);
}

/**
 * Runs `start`, which settles once and returns what gives the work up with an error. Nothing is
 * started when the signal has fired already.
 */
export function pending<T>(
  signal: AbortSignal | undefined,
  start: (done: (result: T | HoldfastError) => void) => (error: HoldfastError) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    let giveUp: (error: HoldfastError) => void = reject;
    if (!signal?.aborted)
      giveUp = start((result) => {
        stop();
        if (result instanceof HoldfastError) reject(result);
        else resolve(result);
      });
    stop = onAbort(signal, giveUp);
  });
}
