// Owns: turning the engine's callbacks into promises that an AbortSignal can end.
import { HoldfastError } from "./engine/errors.ts";

/** Calls `task` when the signal fires, at once if it has fired. The result stops listening. */
export function onAbort(signal: AbortSignal | undefined, task: (error: HoldfastError) => void): () => void {
  if (!signal) return () => {};
  const fire = () => task(new HoldfastError("aborted", "Given up: the AbortSignal fired", { cause: signal.reason }));
  if (signal.aborted) fire();
  else signal.addEventListener("abort", fire, { once: true });
  return () => signal.removeEventListener("abort", fire);
}

/**
 * Runs `start`, which settles once and returns what gives the work up with an error. When the signal has fired already,
 * nothing is started.
 */
export function pending<T>(
  signal: AbortSignal | undefined,
  start: (done: (result: T | HoldfastError) => void) => (error: HoldfastError) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let refused: HoldfastError | undefined;
    if (signal?.aborted) onAbort(signal, (error) => (refused = error));
    if (refused) {
      reject(refused);
      return;
    }
    let stop = () => {};
    const giveUp = start((result) => {
      stop();
      if (result instanceof HoldfastError) reject(result);
      else resolve(result);
    });
    stop = onAbort(signal, giveUp);
  });
}
