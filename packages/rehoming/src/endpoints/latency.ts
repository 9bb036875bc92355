// Owns: whether an endpoint's handshakes take much longer than those of the others.

export interface LatencyLimits {
  /**
   * An endpoint whose handshakes take so many times the median of the others is taken out for a
   * while. 0: never.
   */
  readonly slowFactor: number;
  /** Handshakes that are faster, on average, are never slow. */
  readonly slowMsMin: number;
  /** How long it is taken out. Doubled each time, up to `illMsMax`. */
  readonly illMs: number;
  readonly illMsMax: number;
}

export interface Latency {
  /** A moving average of its handshakes. */
  readonly ms: number;
  /** Handshakes since it was taken out last. */
  readonly count: number;
  /** How often it was too slow since it was last as fast as the others. */
  readonly times: number;
  /** It is taken out until then. */
  readonly slowUntilMs: number;
}

const NO_LATENCY: Latency = {
  ...{ ms: 0, count: 0, times: 0 },
  slowUntilMs: Number.NEGATIVE_INFINITY,
};
/** Fewer say nothing about an endpoint. */
const COUNT_MIN = 10;
/** With fewer others nobody knows which of them is the strange one. */
const OTHERS_MIN = 2;
const NEWEST_SHARE = 0.1;
/** One handshake counts for no more than that many times the limit: it says little alone. */
const LIMITS_MAX = 2;

export interface Handshake {
  readonly tookMs: number;
  readonly nowMs: number;
  /** Of endpoints that take clients. */
  readonly others: readonly Latency[];
  /** Nobody else may be taken out. */
  readonly isFloor: boolean;
}

/** What is known of an endpoint after a handshake. */
export function afterHandshake(
  before: Latency = NO_LATENCY,
  { tookMs, nowMs, others, isFloor }: Handshake,
  limits: LatencyLimits,
): Latency {
  // What was under way when it was taken out says nothing new.
  if (nowMs < before.slowUntilMs) return before;
  const limitMs = limitOf(others, limits);
  const sample = Math.min(tookMs, LIMITS_MAX * (limitMs ?? Number.POSITIVE_INFINITY));
  const ms = before.count === 0 ? sample : before.ms + NEWEST_SHARE * (sample - before.ms);
  const next = { ...before, ms, count: before.count + 1 };
  if (limitMs === undefined || next.count < COUNT_MIN) return next;
  if (ms <= limitMs) return { ...next, times: 0 };
  if (isFloor) return next;
  const illMs = Math.min(limits.illMsMax, limits.illMs * 2 ** next.times);
  // Afterwards it is judged by what it does then.
  return { ...NO_LATENCY, times: next.times + 1, slowUntilMs: nowMs + illMs };
}

/** Undefined: nobody knows what is slow. */
function limitOf(
  others: readonly Latency[],
  { slowFactor, slowMsMin }: LatencyLimits,
): number | undefined {
  if (slowFactor === 0) return undefined;
  const known = others.filter(({ count }) => count >= COUNT_MIN).map(({ ms }) => ms);
  if (known.length < OTHERS_MIN) return undefined;
  const sorted = known.sort((a, b) => a - b);
  return Math.max(slowMsMin, slowFactor * (sorted[Math.floor(sorted.length / 2)] ?? 0));
}
