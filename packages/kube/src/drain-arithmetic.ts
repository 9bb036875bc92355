// Owns: the arithmetic of a drain on Kubernetes. From one number, the time from SIGTERM to the end
// of the process, follow the node's window, the pod's grace period and the drains of the proxies in
// front of it. The Helm chart computes the same in its templates; a test compares them.

/** Closing handshakes (1.5 s), their last bytes (0.5 s) and stragglers, after the window. */
export const TAIL_SECONDS = 5;
/** The share of the handshake rate (A) that a drain uses; newcomers need the rest. */
export const SHARE_OF_A = 0.7;
/**
 * Between the planned end and SIGKILL: 5 s until the node itself cuts the sessions that are left,
 * and 5 s of margin.
 */
export const GRACE_MARGIN_SECONDS = 10;
/**
 * A proxy in front of a pod outlives it by this much, so that the goodbye of the pod still passes.
 */
export const PROXY_MARGIN_SECONDS = 5;
/** Defaults of the node and the chart. */
export const DRAIN_DEFAULTS = {
  maxSeconds: 75,
  preDelaySeconds: 15,
  preStopSeconds: 0,
  handshakesPerSecond: 500,
} as const;

const LAST_PART_SHARE = 0.25;
const LAST_PART_SECONDS_MAX = 5;

export interface DrainInput {
  /** M: from SIGTERM to the end of the process. */
  readonly maxSeconds: number;
  /** P: between "not ready" and the first goodbye, until balancers know. */
  readonly preDelaySeconds: number;
  /** S: a preStop hook, before SIGTERM and inside the grace period. Default 0. */
  readonly preStopSeconds?: number;
  /** N: connections of the pod. */
  readonly connections: number;
  /** Handshakes a second that one pod takes (A). */
  readonly handshakesPerSecond: number;
  /**
   * Pods that receive them. Default 1, the worst case: with a surge of one, only the new pod does.
   */
  readonly takers?: number;
}

/**
 * Whether the connections (N) can move in the window. `paced`: at 0.7 of the handshake rate (A), as
 * they should. `hurried`: faster, because the deadline demands it. `impossible`: not even at A, so
 * that some are cut at the deadline.
 */
export type DrainPace = "paced" | "hurried" | "impossible";

export interface DrainPlan {
  /** W = M - P - T; negative when not even the delay fits. */
  readonly windowSeconds: number;
  /** L = min(5, W/4): the end of the window, in which no further session is told to leave. */
  readonly lastPartSeconds: number;
  /** W - L: the time in which notices go out. */
  readonly movingSeconds: number;
  /** N / (0.7 A takers). */
  readonly pacedSeconds: number;
  /** N / (A takers). */
  readonly fastestSeconds: number;
  readonly pace: DrainPace;
  /** The least M with which N would move at 0.7 A. */
  readonly pacedMaxSeconds: number;
  /** The least M with which N could move at all. */
  readonly possibleMaxSeconds: number;
  /** G = S + M + 10: terminationGracePeriodSeconds. */
  readonly graceSeconds: number;
  /**
   * S + M + 5: how long a sidecar must live after the pod was told to end. Its clock begins with
   * the preStop hook.
   */
  readonly sidecarDrainSeconds: number;
  /** M + 5: the least drain of a gateway in front of it. */
  readonly gatewayDrainSeconds: number;
}

/**
 * Plans one drain. Times in seconds; every input finite, `handshakesPerSecond` and `takers` above
 * 0.
 */
export function planDrain(input: DrainInput): DrainPlan {
  const { maxSeconds, preDelaySeconds, connections } = input;
  const preStopSeconds = input.preStopSeconds ?? 0;
  const taken = input.handshakesPerSecond * (input.takers ?? 1);
  const windowSeconds = maxSeconds - preDelaySeconds - TAIL_SECONDS;
  const lastPartSeconds = lastPartOf(windowSeconds);
  const movingSeconds = windowSeconds - lastPartSeconds;
  const pacedSeconds = connections / (SHARE_OF_A * taken);
  const fastestSeconds = connections / taken;
  return {
    windowSeconds,
    lastPartSeconds,
    movingSeconds,
    pacedSeconds,
    fastestSeconds,
    pace:
      windowSeconds < 0 || fastestSeconds > movingSeconds
        ? "impossible"
        : pacedSeconds > movingSeconds
          ? "hurried"
          : "paced",
    pacedMaxSeconds: preDelaySeconds + TAIL_SECONDS + windowFor(pacedSeconds),
    possibleMaxSeconds: preDelaySeconds + TAIL_SECONDS + windowFor(fastestSeconds),
    graceSeconds: preStopSeconds + maxSeconds + GRACE_MARGIN_SECONDS,
    sidecarDrainSeconds: preStopSeconds + maxSeconds + PROXY_MARGIN_SECONDS,
    gatewayDrainSeconds: maxSeconds + PROXY_MARGIN_SECONDS,
  };
}

/** L of a window W. A window below 0 has none. */
export function lastPartOf(windowSeconds: number): number {
  return Math.max(0, Math.min(LAST_PART_SECONDS_MAX, windowSeconds * LAST_PART_SHARE));
}

/** The least W whose W - L is `movingSeconds`. */
export function windowFor(movingSeconds: number): number {
  const withoutCap = movingSeconds / (1 - LAST_PART_SHARE);
  return Math.min(withoutCap, movingSeconds + LAST_PART_SECONDS_MAX);
}

/** A number of seconds as messages show it: `12.5 s`, `75 s`. */
export function seconds(value: number): string {
  return `${Math.round(value * 10) / 10} s`;
}

/**
 * The sum behind a plan as one line for people: `N / (0.7 x A x takers) = 28.6 s, W - L = 55 - 5 =
 * 50 s`.
 */
export function explainPace(input: DrainInput, plan: DrainPlan): string {
  const takers = input.takers ?? 1;
  const perSecond = `${input.handshakesPerSecond}/s x ${takers}`;
  return [
    `W = M - P - T = ${seconds(input.maxSeconds)} - ${seconds(input.preDelaySeconds)} - ${seconds(TAIL_SECONDS)} = ${seconds(plan.windowSeconds)}`,
    `W - L = ${seconds(plan.windowSeconds)} - ${seconds(plan.lastPartSeconds)} = ${seconds(plan.movingSeconds)}`,
    `N / (${SHARE_OF_A} x A x takers) = ${input.connections} / (${SHARE_OF_A} x ${perSecond}) = ${seconds(plan.pacedSeconds)}`,
    `N / (A x takers) = ${seconds(plan.fastestSeconds)}`,
  ].join("; ");
}
