// Owns: a server's usage over time, and how much of it belongs to a time span that is known only
// afterwards.
import type { Usage } from "./process-usage.ts";

export interface UsageMoment extends Usage {
  /** Unix time. */
  readonly atMs: number;
}

export interface Cpu {
  readonly userUs: number;
  readonly systemUs: number;
}

/**
 * Usage between two moments, drawn straight between the readings around them. Pure. Throws when the
 * readings do not cover the span.
 */
export function cpuBetween(moments: readonly UsageMoment[], fromMs: number, toMs: number): Cpu {
  const [from, to] = [usageAt(moments, fromMs), usageAt(moments, toMs)];
  return { userUs: to.userUs - from.userUs, systemUs: to.systemUs - from.systemUs };
}

function usageAt(moments: readonly UsageMoment[], atMs: number): Cpu {
  const place = moments.findIndex((moment) => moment.atMs >= atMs);
  const [before, after] = [moments[Math.max(0, place - 1)], moments[place]];
  if (before === undefined || after === undefined || (place === 0 && after.atMs > atMs))
    throw new RangeError(
      `Cannot tell what was used at ${atMs}: found readings from ${moments[0]?.atMs} to ${moments.at(-1)?.atMs}`,
    );
  const share = after.atMs === before.atMs ? 1 : (atMs - before.atMs) / (after.atMs - before.atMs);
  return {
    userUs: before.userUs + share * (after.userUs - before.userUs),
    systemUs: before.systemUs + share * (after.systemUs - before.systemUs),
  };
}

/** Reads usage at an interval until it is stopped, which takes a last reading. */
export class UsageRecord {
  readonly moments: UsageMoment[] = [];
  readonly #read: () => Usage;
  #isRunning = true;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(read: () => Usage, everyMs: number) {
    this.#read = read;
    this.#take();
    this.#timer = setInterval(() => this.#take(), everyMs);
  }

  stop(): readonly UsageMoment[] {
    if (this.#isRunning) this.#take();
    this.#isRunning = false;
    clearInterval(this.#timer);
    return this.moments;
  }

  #take(): void {
    this.moments.push({ atMs: Date.now(), ...this.#read() });
  }
}
