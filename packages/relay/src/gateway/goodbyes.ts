// Owns: closing held clients one after the other, so that they do not all come back at once.
import { createDrainPacer } from "@holdfast/core";
import type { HeldSocket } from "./held-socket.ts";

export interface GoodbyeTerms {
  /** How long it may take. */
  readonly windowMs: number;
  /** Handshakes a second that those who receive the clients can take (A). */
  readonly handshakesPerSecond: number;
  readonly perSecondMax: number;
  readonly code: number;
  readonly reason: string;
}

/** Closes every client in pace. Resolves when each was asked to go, or `signal` ended it. */
export function sayGoodbye(
  clients: readonly HeldSocket[],
  terms: GoodbyeTerms,
  signal: AbortSignal,
): Promise<void> {
  const { windowMs, handshakesPerSecond, perSecondMax, code, reason } = terms;
  const left = [...clients].reverse();
  const pace = { total: left.length, windowMs, handshakesPerSecond, perSecondMax };
  const pacer = createDrainPacer(pace, performance.now());
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const next = (): void => {
      for (let due = pacer.due(performance.now(), left.length); due > 0; due--)
        left.pop()?.dismiss(code, reason);
      if (left.length === 0) return end();
      timer = setTimeout(next, Math.max(1, pacer.nextInMs(performance.now(), left.length)));
    };
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    else next();
  });
}
