// Owns: the pace at which a draining or rebalancing node asks its sessions to go.

export interface DrainPacerOptions {
  /** Sessions to move. */
  readonly total: number;
  /** From now to the deadline. At the deadline, the sessions that are left are cut. */
  readonly windowMs: number;
  /** Handshakes per second that the receiving nodes can do (A). */
  readonly handshakesPerSecond: number;
  /** r_max: most sessions per second whatever A is. */
  readonly perSecondMax: number;
}

/**
 * Says how many sessions to ask now. The rate is min(0.7 A, r_max) times this node's share of the
 * fleet. Under pressure it is halved and slowly raised again. If the deadline demands more, it is
 * raised to the remaining sessions / the time left. No session is asked in the last part of the
 * window (a quarter of it, at most 5 s), so that the session asked last still has time to move.
 *
 * Sessions are spread within each second: the caller waits `nextInMs`, then handles `due`. A caller
 * that comes late gets at most 50 ms worth at once; what it missed is spread over the rest. No call
 * allocates. Times are ms of a clock that does not go back.
 */
export interface DrainPacer {
  /**
   * How many sessions to ask now, at most `remaining` (those not yet asked). They count as asked.
   * After the last slot: all of them.
   */
  due(nowMs: number, remaining: number): number;
  /** Ms until the next session should be asked; 0: now; Infinity: nothing remains. */
  nextInMs(nowMs: number, remaining: number): number;
  /**
   * Whether a receiving node is over its limits (accept latency, event-loop lag). True halves the
   * rate, at most once a second; false raises it by a tenth of the full rate each second.
   */
  pressure(nowMs: number, high: boolean): void;
  /** The receiving nodes' handshake rate (A) as it is now. */
  setCapacity(handshakesPerSecond: number): void;
  /** This node's share (0 to 1) of what the whole fleet may move. */
  setShare(share: number): void;
  /** Moves the deadline to `windowMs` from now. */
  setWindow(nowMs: number, windowMs: number): void;
  /** The rate in force, in sessions per second; 0 when nothing remains. */
  ratePerSecond(nowMs: number, remaining: number): number;
  /** When the last part of the window begins, in which nobody is asked. */
  readonly lastSlotMs: number;
  /** When the sessions that are left are cut. */
  readonly deadlineMs: number;
}

const SHARE_OF_A = 0.7;
const TAIL_SHARE = 0.25;
const TAIL_MS_MAX = 5000;
const CATCH_UP_MS = 50;
const FACTOR_MIN = 1 / 32;
const RECOVERY_PER_SECOND = 0.1;
const HALVING_INTERVAL_MS = 1000;

export function createDrainPacer(options: DrainPacerOptions, startMs: number): DrainPacer {
  let deadlineMs = startMs + options.windowMs;
  let capacity = options.handshakesPerSecond;
  let lastSlotMs = deadlineMs - tailMs(options.windowMs);
  let share = 1;
  let factor = 1;
  let pressureMs = startMs;
  let halvedMs = Number.NEGATIVE_INFINITY;
  // Sessions that should be asked and were not handed out; the first is asked at once.
  let credit = 1;
  let lastMs = startMs;

  const rate = (nowMs: number, remaining: number): number => {
    if (remaining <= 0) return 0;
    const wanted = Math.min(SHARE_OF_A * capacity * share, options.perSecondMax) * factor;
    const leftMs = lastSlotMs - nowMs;
    return leftMs <= 0 ? Number.POSITIVE_INFINITY : Math.max(wanted, (remaining * 1000) / leftMs);
  };

  const earn = (nowMs: number, remaining: number): void => {
    const perMs = rate(lastMs, remaining) / 1000;
    const passedMs = nowMs - lastMs;
    lastMs = Math.max(lastMs, nowMs);
    if (passedMs <= 0) return;
    credit = Math.min(credit + perMs * passedMs, Math.max(1, perMs * CATCH_UP_MS));
  };

  return {
    due(nowMs, remaining) {
      earn(nowMs, remaining);
      if (nowMs >= lastSlotMs) {
        credit = 0;
        return remaining;
      }
      const count = Math.min(remaining, Math.floor(credit + ROUNDING));
      credit -= count;
      return count;
    },
    nextInMs(nowMs, remaining) {
      if (remaining <= 0) return Number.POSITIVE_INFINITY;
      earn(nowMs, remaining);
      if (nowMs >= lastSlotMs || credit + ROUNDING >= 1) return 0;
      return Math.min(lastSlotMs - nowMs, ((1 - credit) * 1000) / rate(nowMs, remaining));
    },
    pressure(nowMs, high) {
      const passedMs = Math.max(0, nowMs - pressureMs);
      pressureMs = Math.max(pressureMs, nowMs);
      if (!high) {
        factor = Math.min(1, factor + (RECOVERY_PER_SECOND * passedMs) / 1000);
      } else if (nowMs - halvedMs >= HALVING_INTERVAL_MS) {
        halvedMs = nowMs;
        factor = Math.max(FACTOR_MIN, factor / 2);
      }
    },
    setShare(next) {
      share = Math.min(1, Math.max(0, next));
    },
    setCapacity(handshakesPerSecond) {
      capacity = Math.max(0, handshakesPerSecond);
    },
    setWindow(nowMs, windowMs) {
      deadlineMs = nowMs + windowMs;
      lastSlotMs = deadlineMs - tailMs(windowMs);
    },
    ratePerSecond: rate,
    get lastSlotMs() {
      return lastSlotMs;
    },
    get deadlineMs() {
      return deadlineMs;
    },
  };
}

const tailMs = (windowMs: number): number => Math.min(TAIL_MS_MAX, windowMs * TAIL_SHARE);

/** As in the token bucket: a caller that waited `nextInMs` must get at least one session. */
const ROUNDING = 1e-9;
