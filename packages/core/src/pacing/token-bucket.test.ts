// Owns: tests of the token bucket.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createTokenBucket } from "./token-bucket.ts";

describe("token bucket", () => {
  test("a new bucket is full and lets its burst through at once, and no more", () => {
    const bucket = createTokenBucket({ ratePerSecond: 10, burst: 3 }, 0);
    expect([bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  test("tokens come back at the rate and gather up to the burst", () => {
    const bucket = createTokenBucket({ ratePerSecond: 10, burst: 3 }, 0);
    bucket.take(0, 3);
    expect(bucket.take(99)).toBe(false);
    expect(bucket.take(100)).toBe(true);
    expect(bucket.take(100_000, 3)).toBe(true);
    expect(bucket.take(100_000)).toBe(false);
  });

  test("taking more than there is takes nothing", () => {
    const bucket = createTokenBucket({ ratePerSecond: 1, burst: 3 }, 0);
    expect(bucket.take(0, 4)).toBe(false);
    expect(bucket.take(0, 3)).toBe(true);
  });

  test("a bucket that never refills says so instead of naming a time", () => {
    const bucket = createTokenBucket({ ratePerSecond: 0, burst: 1 }, 0);
    expect(bucket.waitMs(0)).toBe(0);
    bucket.take(0);
    expect(bucket.waitMs(1e12)).toBe(Number.POSITIVE_INFINITY);
    const small = createTokenBucket({ ratePerSecond: 10, burst: 0.5 }, 0);
    expect(small.waitMs(1e12)).toBe(Number.POSITIVE_INFINITY);
  });

  test("a new rate holds from its moment on, and tokens above its burst are lost", () => {
    const bucket = createTokenBucket({ ratePerSecond: 1, burst: 100 }, 0);
    bucket.setRate({ ratePerSecond: 1000, burst: 2 }, 0);
    expect(bucket.take(0, 3)).toBe(false);
    expect(bucket.take(0, 2)).toBe(true);
    expect(bucket.take(2, 2)).toBe(true);
  });

  test("what came back before a new rate came back at the old one, and time that has passed shortens the wait", () => {
    const bucket = createTokenBucket({ ratePerSecond: 1, burst: 100 }, 0);
    bucket.take(0, 100);
    expect(bucket.waitMs(400)).toBeCloseTo(600, 6);
    bucket.setRate({ ratePerSecond: 1000, burst: 100 }, 10_000);
    expect(bucket.take(10_000, 11)).toBe(false);
    expect(bucket.take(10_000, 10)).toBe(true);
    expect([bucket.charge(10_100, 99), bucket.charge(10_100, 1)]).toEqual([false, true]);
  });

  test("over any stretch of time at most burst + rate x time is let through", () => {
    const steps = fc.array(
      fc.record({
        passedMs: fc.integer({ min: 0, max: 2000 }),
        count: fc.integer({ min: 1, max: 5 }),
      }),
      {
        maxLength: 200,
      },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 50 }),
        steps,
        (ratePerSecond, burst, all) => {
          const bucket = createTokenBucket({ ratePerSecond, burst }, 0);
          const taken: { atMs: number; count: number }[] = [];
          let nowMs = 0;
          for (const { passedMs, count } of all) {
            nowMs += passedMs;
            if (bucket.take(nowMs, count)) taken.push({ atMs: nowMs, count });
          }
          for (let first = 0; first < taken.length; first++) {
            const sinceMs = taken[first]?.atMs ?? 0;
            let sum = 0;
            for (const { atMs, count } of taken.slice(first)) {
              sum += count;
              expect(sum).toBeLessThanOrEqual(
                burst + ((atMs - sinceMs) * ratePerSecond) / 1000 + 1e-6,
              );
            }
          }
        },
      ),
    );
  });

  test("who waits as long as the bucket says gets a token, whatever happened before", () => {
    const moves = fc.array(
      fc.record({
        moveMs: fc.double({ min: -5000, max: 5000, noNaN: true }),
        count: fc.integer({ min: 1, max: 9 }),
      }),
    );
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 5000, noNaN: true }),
        fc.integer({ min: 1, max: 9 }),
        moves,
        (ratePerSecond, burst, all) => {
          const bucket = createTokenBucket({ ratePerSecond, burst }, 0);
          let nowMs = 0;
          for (const { moveMs, count } of all) {
            nowMs += moveMs;
            bucket.take(nowMs, count);
          }
          const waitMs = bucket.waitMs(nowMs);
          expect(waitMs).toBeLessThanOrEqual(1000 / ratePerSecond + 1e-6);
          expect(bucket.take(nowMs + waitMs)).toBe(true);
        },
      ),
    );
  });
});
