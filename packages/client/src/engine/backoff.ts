// Owns: how long a client waits before it tries again (spec/protocol.md section 7). Full jitter
// everywhere, also at the cap.
import type { EngineContext } from "./engine-context.ts";

const ATTEMPT_CAP_MS = 30_000;
const ATTEMPT_BASE_MS = 500;
const REQUEST_CAP_MS = 2_000;
const REQUEST_BASE_MS = 100;

/**
 * Delay before a connection attempt. `failures` counts the attempts that failed since a connection
 * was lost: 0 before the first one.
 */
export function attemptDelayMs(input: {
  readonly failures: number;
  readonly retryMs: number;
  readonly windowMs: number;
  readonly random: number;
}): number {
  const { failures, retryMs, windowMs, random } = input;
  const spreadMs =
    failures === 0
      ? windowMs
      : Math.min(ATTEMPT_CAP_MS, Math.max(windowMs, ATTEMPT_BASE_MS * 2 ** failures));
  return retryMs + random * spreadMs;
}

/**
 * Delay before a request that was refused for the moment is repeated: the node's hint, then a
 * spread that doubles up to 2 s. Refusals are cheap for a node, and a broker that is back should
 * not wait for its publishers.
 */
export function requestDelayMs(tries: number, retryMs: number | undefined, random: number): number {
  return (retryMs ?? 0) + random * Math.min(REQUEST_CAP_MS, REQUEST_BASE_MS * 2 ** tries);
}

/** Repeats a request that the node refused for the moment: `task` runs after the delay above. */
export function repeatLater(
  engine: EngineContext,
  refused: { readonly tries: number; readonly retryAfterMs: number | undefined },
  task: () => void,
): void {
  engine.after(requestDelayMs(refused.tries, refused.retryAfterMs, engine.chance()), task);
}
