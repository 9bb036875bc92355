// Owns: what stands in a Lease: its times, its holder, and the numbers of its terms.
import { at, type Json, number, record } from "../reading.ts";

/** Of a record that asks for more. */
const DURATION_MS_MAX = 300_000;
const EPOCH_ZERO_MS = Date.UTC(2026, 0, 1);

export interface Holding {
  /** Empty: released. */
  readonly holder: string;
  readonly epoch: number;
  readonly durationMs: number;
  readonly wallMs: number;
  /** Whether a term begins. */
  readonly isNew: boolean;
}

/** The spec of a Lease that is held so. What else stands in it stays. */
export function specOf(held: Json | undefined, holding: Holding): Json {
  const time = microTime(holding.wallMs);
  return {
    ...record(at(held, "spec")),
    holderIdentity: holding.holder,
    leaseDurationSeconds: holding.holder === "" ? 1 : Math.ceil(holding.durationMs / 1000),
    leaseTransitions: holding.epoch,
    ...(holding.isNew ? { acquireTime: time } : {}),
    renewTime: time,
  };
}

/** How long the record asks others to wait, within limits. */
export function recordedMs(held: Json): number {
  const seconds = number(at(held, "spec", "leaseDurationSeconds")) ?? 0;
  return Math.min(seconds * 1000, DURATION_MS_MAX);
}

/**
 * One more than the last. A Lease that is made anew begins at the seconds since 2026: above all
 * numbers of one that somebody removed, as no second has two terms.
 */
export function nextEpoch(held: Json | undefined, wallMs: number): number {
  if (held !== undefined) return (number(at(held, "spec", "leaseTransitions")) ?? 0) + 1;
  return Math.max(1, Math.floor((wallMs - EPOCH_ZERO_MS) / 1000));
}

/** MicroTime of Kubernetes has exactly six digits. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace("Z", "000Z");
}
