// Owns: what an endpoint's failures say about it.
import type { LatencyLimits } from "./latency.ts";

/** `illMs`: how long it gets none, in both cases; after failures, one client tries it then. */
export interface HealthLimits extends LatencyLimits {
  /** Failures in a row after which an endpoint gets no clients for a while. */
  readonly failuresMax: number;
  /** At least this part of the endpoints that take clients is never taken out. */
  readonly wellShareMin: number;
}

export const HEALTH_LIMITS: HealthLimits = {
  failuresMax: 3,
  illMs: 1000,
  illMsMax: 60_000,
  wellShareMin: 0.5,
  slowFactor: 0,
  slowMsMin: 100,
};

export interface Health {
  /** Sockets in a row that did not open, or broke. */
  readonly failures: number;
  /** How often it was taken out since it was last well. */
  readonly times: number;
  readonly illUntilMs: number | undefined;
  /** A client is trying it. */
  readonly isTried: boolean;
}

export const healthy: Health = { failures: 0, times: 0, illUntilMs: undefined, isTried: false };

/** It is taken out, for longer each time. */
export function illAfter(before: number, limits: HealthLimits, nowMs: number): Health {
  const illMs = Math.min(limits.illMsMax, limits.illMs * 2 ** before);
  return { failures: 0, times: before + 1, illUntilMs: nowMs + illMs, isTried: false };
}

/** `trial`: its time is over, and one client may find out whether it is well again. */
export function seen(health: Health, nowMs: number): "well" | "ill" | "trial" {
  if (health.illUntilMs === undefined) return "well";
  if (nowMs < health.illUntilMs || health.isTried) return "ill";
  return "trial";
}
