// Owns: a move that is under way, and when it is tried again.
import type { HeldLimits, MoveCause } from "./ports.ts";

export interface Move {
  readonly cause: MoveCause;
  /** No new attempt begins after it, if the client has an upstream. */
  readonly untilMs: number;
  /** That failed. */
  readonly attempts: number;
  /** Upstreams that refused this very client. */
  readonly refusals: number;
}

/** One upstream may be wrong about a client. */
const REFUSALS_MAX = 2;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2000;
/** A client's last attempt begins when so much of the time that it had left is over. */
const LAST_ATTEMPT = 0.75;
/** Less than that is no time for another attempt. */
const LAST_ATTEMPT_MS_MIN = 200;
/** Part of the time without an upstream by which clients of a lost one differ, at most. */
const SPREAD = 0.2;

/** Of a client whose upstream is gone: the time without one is its limit. */
export const lost = (): Move => ({
  ...{ cause: "lost", untilMs: Number.POSITIVE_INFINITY, attempts: 0, refusals: 0 },
});

/** Ms until the next attempt: doubled each time, half to one and a half of it by chance. */
export function retryMs({ attempts }: Move, chance: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** attempts) * (0.5 + chance);
}

/**
 * Ms until the next attempt of a client that is given up in `leftMs`: the last attempt must not be
 * long before. A server may be back since.
 */
export const inTimeMs = (waitMs: number, leftMs: number): number =>
  waitMs < leftMs || leftMs < LAST_ATTEMPT_MS_MIN ? waitMs : leftMs * LAST_ATTEMPT;

/** Ms that a client may be without an upstream. */
export const homelessMs = ({ homelessMsMax }: HeldLimits, chance: number): number =>
  homelessMsMax * (1 - SPREAD * chance);

export const refused = (move: Move): Move => ({ ...move, refusals: move.refusals + 1 });

/** Whoever is asked next would refuse it as well. */
export const isUnwanted = ({ refusals }: Move): boolean => refusals >= REFUSALS_MAX;
