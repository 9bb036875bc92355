// Owns: tests of the drain's pace, in simulated time.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createDrainPacer, type DrainPacer, type DrainPacerOptions } from "./drain-pacer.ts";

/**
 * Drives a pacer as a node does (wait `nextInMs`, whole ms, at least 1; then take what is due) and
 * notes when each session was asked.
 */
function drive(
  pacer: DrainPacer,
  total: number,
  options: { lateMs?: (step: number) => number; each?: (nowMs: number) => void } = {},
): number[] {
  const asked: number[] = [];
  let nowMs = 0;
  for (let step = 0; asked.length < total && step < 2_000_000; step++) {
    options.each?.(nowMs);
    for (let due = pacer.due(nowMs, total - asked.length); due > 0; due--) asked.push(nowMs);
    const waitMs = pacer.nextInMs(nowMs, total - asked.length);
    if (waitMs !== Number.POSITIVE_INFINITY)
      nowMs += Math.max(1, Math.ceil(waitMs)) + (options.lateMs?.(step) ?? 0);
  }
  return asked;
}

const countIn = (asked: readonly number[], fromMs: number, toMs: number): number =>
  asked.filter((atMs) => atMs >= fromMs && atMs < toMs).length;

const roomy: DrainPacerOptions = {
  total: 1000,
  windowMs: 60_000,
  handshakesPerSecond: 100,
  perSecondMax: 1000,
};

describe("drain pacer", () => {
  test("goes at 0.7 A when the window is long enough", () => {
    const asked = drive(createDrainPacer(roomy, 0), 1000);
    expect(asked.at(-1)).toBeGreaterThan((999 / 70) * 1000 - 10);
    expect(asked.at(-1)).toBeLessThan((1000 / 70) * 1000 * 1.01);
  });

  test("r_max caps the rate", () => {
    const pacer = createDrainPacer({ ...roomy, perSecondMax: 20 }, 0);
    expect(pacer.ratePerSecond(0, 500)).toBe(20);
  });

  test("a short window raises the rate to what the deadline demands", () => {
    const pacer = createDrainPacer({ ...roomy, windowMs: 10_000 }, 0);
    expect(pacer.ratePerSecond(0, 1000)).toBeCloseTo(1000 / 7.5, 6);
    expect(pacer.ratePerSecond(5_000, 500)).toBeCloseTo(500 / 2.5, 6);
    const asked = drive(pacer, 1000);
    expect(asked.at(-1)).toBeLessThanOrEqual(7500);
    expect(Math.abs(countIn(asked, 5_000, 6_000) - 1000 / 7.5)).toBeLessThan(5);
  });

  test("sessions are spread inside every second: each 100 ms gets its tenth, give or take one", () => {
    const asked = drive(createDrainPacer(roomy, 0), 1000);
    for (let ms = 0; ms < 14_000; ms += 100)
      expect(Math.abs(countIn(asked, ms, ms + 100) - 7)).toBeLessThanOrEqual(1);
  });

  test("a caller that slept is not given all that it missed at once", () => {
    const pacer = createDrainPacer(roomy, 0);
    expect(pacer.due(0, 1000)).toBe(1);
    expect(pacer.nextInMs(0, 999)).toBeCloseTo(1000 / 70, 6);
    expect(pacer.nextInMs(10, 999)).toBeCloseTo(1000 / 70 - 10, 6);
    expect(pacer.nextInMs(10_000, 999)).toBe(0);
    expect(pacer.due(10_000, 999)).toBeLessThanOrEqual(4);
  });

  test("with nothing left there is no next time", () => {
    const pacer = createDrainPacer(roomy, 0);
    expect(pacer.nextInMs(0, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(pacer.due(0, 0)).toBe(0);
    expect(pacer.ratePerSecond(0, 0)).toBe(0);
  });

  test("pressure halves the rate once a second at most, and calm raises it by a tenth of the full rate each second", () => {
    const pacer = createDrainPacer({ ...roomy, windowMs: 3_600_000 }, 0);
    pacer.pressure(0, true);
    pacer.pressure(10, true);
    expect(pacer.ratePerSecond(10, 100)).toBeCloseTo(35, 6);
    pacer.pressure(1000, true);
    expect(pacer.ratePerSecond(1000, 100)).toBeCloseTo(17.5, 6);
    pacer.pressure(2000, false);
    pacer.pressure(3000, false);
    expect(pacer.ratePerSecond(3000, 100)).toBeCloseTo(70 * 0.45, 6);
    pacer.pressure(60_000, false);
    expect(pacer.ratePerSecond(60_000, 100)).toBeCloseTo(70, 6);
  });

  test("pressure never stops a drain: under it all the time, the drain still ends before its deadline", () => {
    const pacer = createDrainPacer(roomy, 0);
    const asked = drive(pacer, 1000, { each: (nowMs) => pacer.pressure(nowMs, true) });
    expect(asked.length).toBe(1000);
    expect(asked.at(-1)).toBeLessThanOrEqual(55_000);
  });

  test("a share of the fleet's rate is that share", () => {
    const pacer = createDrainPacer({ ...roomy, windowMs: 3_600_000 }, 0);
    pacer.setShare(0.25);
    expect(pacer.ratePerSecond(0, 100)).toBeCloseTo(17.5, 6);
  });

  test("the rate follows the capacity of the receiving nodes; without any, only the deadline asks", () => {
    const pacer = createDrainPacer({ ...roomy, windowMs: 105_000 }, 0);
    pacer.setCapacity(50);
    expect(pacer.ratePerSecond(0, 100)).toBeCloseTo(35, 6);
    pacer.setCapacity(0);
    expect(pacer.ratePerSecond(0, 10)).toBeCloseTo(0.1, 6);
  });

  test("a new window moves the deadline", () => {
    const pacer = createDrainPacer(roomy, 0);
    pacer.setWindow(1000, 4000);
    expect(pacer.deadlineMs).toBe(5000);
    expect(pacer.due(4000, 1000)).toBe(1000);
    expect(pacer.due(4100, 1000)).toBe(1000);
    expect(pacer.nextInMs(4100, 1000)).toBe(0);
    // What was due at once is not due again after that.
    pacer.setWindow(4100, 60_000);
    expect(pacer.due(4100, 1000)).toBeLessThanOrEqual(4);
  });

  const drains = fc.record({
    total: fc.integer({ min: 1, max: 3000 }),
    windowMs: fc.integer({ min: 0, max: 120_000 }),
    handshakesPerSecond: fc.integer({ min: 1, max: 2000 }),
    perSecondMax: fc.integer({ min: 1, max: 1000 }),
  });

  test("asks each session exactly once, and the last early enough to move before the deadline, for any size, window and rate", () => {
    fc.assert(
      fc.property(drains, fc.integer({ min: 0, max: 40 }), (options, lateMs) => {
        const pacer = createDrainPacer(options, 0);
        const asked = drive(pacer, options.total, {
          lateMs: (step) => (step % 7 === 0 ? lateMs : 0),
        });
        expect(asked.length).toBe(options.total);
        const lastSlotMs = options.windowMs - Math.min(5000, options.windowMs / 4);
        expect(asked.at(-1)).toBeLessThanOrEqual(Math.ceil(lastSlotMs) + 1 + lateMs);
      }),
      { numRuns: 60 },
    );
  });

  test("never goes faster than the rate unless the deadline demands it", () => {
    fc.assert(
      fc.property(drains, fc.integer({ min: 0, max: 200 }), (options, lateMs) => {
        const rate = Math.min(0.7 * options.handshakesPerSecond, options.perSecondMax);
        // Twice as long as needed, so that lateness cannot make the deadline demand more.
        const windowMs = ((options.total * 1000) / rate) * 2 + 20_000;
        const slack = options.total * (lateMs + 1) * 2;
        const asked = drive(
          createDrainPacer({ ...options, windowMs: windowMs + slack }, 0),
          options.total,
          {
            lateMs: (step) => (step % 5 === 0 ? lateMs : 0),
          },
        );
        const burst = Math.max(1, rate * 0.05) + 1;
        for (let last = 0; last < asked.length; last += 13) {
          for (const back of [1, 10, 100, 1000]) {
            const first = last - back;
            if (first < 0) break;
            const passedMs = (asked[last] ?? 0) - (asked[first] ?? 0);
            expect(back).toBeLessThanOrEqual((rate * passedMs) / 1000 + burst + 1e-6);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
