// Owns: closing held clients one after the other, so that they do not all come back at once.
import { createDrainPacer } from "@holdfast/core";
import type { HeldSocket } from "./held-socket.ts";

export interface GoodbyeTerms {
  /** How long it may take. */
  readonly windowMs: number;
  /** Handshakes a second that those who receive the clients can take (A). */
  readonly handshakesPerSecond: number;
  readonly perSecondMax: number;
  /**
   * How long a client that can go to another gateway may take, from its turn on. Then it is closed
   * as the others are. Absent: none is asked to.
   */
  readonly moveMsMax?: number;
  readonly code: number;
  readonly reason: string;
}

/**
 * Closes every client in pace, or asks it to move. Resolves when each was asked, or `signal` ended
 * it.
 */
export function sayGoodbye(
  clients: readonly HeldSocket[],
  terms: GoodbyeTerms,
  signal: AbortSignal,
): Promise<void> {
  const { handshakesPerSecond, perSecondMax, moveMsMax = 0, code, reason } = terms;
  const left = [...clients].reverse();
  const canSome = clients.some(({ canMove }) => canMove);
  const moveMs = canSome ? Math.min(moveMsMax, terms.windowMs / 2) : 0;
  // The last one has that time, too.
  const windowMs = terms.windowMs - moveMs;
  const pace = { total: left.length, windowMs, handshakesPerSecond, perSecondMax };
  const pacer = createDrainPacer(pace, performance.now());
  const leave = (client: HeldSocket | undefined): void => {
    if (moveMs > 0 && client?.canMove === true) client.moveAway(moveMs, { code, reason });
    else client?.dismiss(code, reason);
  };
  return new Promise((resolve) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const next = (): void => {
      for (let due = pacer.due(performance.now(), left.length); due > 0; due--) leave(left.pop());
      if (left.length === 0) return end();
      timer = setTimeout(next, Math.max(1, pacer.nextInMs(performance.now(), left.length)));
    };
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    else next();
  });
}
