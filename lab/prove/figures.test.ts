// Checks the merging of what several processes measured.
import { describe, expect, test } from "bun:test";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import {
  mergeShares,
  newHistogram,
  peakIn,
  quantilesOf,
  record,
  type ShareOfStep,
} from "./figures.ts";

const histogram = (...values: readonly number[]): string => {
  const one = newHistogram();
  for (const value of values) record(one, value);
  return encodeIntoCompressedBase64(one);
};

test("quantiles are those of all processes together", () => {
  const low = histogram(...Array.from({ length: 99 }, () => 10));
  expect(quantilesOf([low, histogram(500)])).toEqual({
    count: 100,
    p50Ms: 10,
    p99Ms: 10,
    maxMs: 500,
  });
  expect(quantilesOf([histogram()])).toEqual({ count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});

test("a value beyond what is tracked counts as the greatest, a clock that jumped back as 0", () => {
  expect(quantilesOf([histogram(-5, 10_000_000)])).toMatchObject({ count: 2, p50Ms: 0 });
});

describe("the peak", () => {
  test("is the most in any second, wherever it begins", () => {
    expect(peakIn([0, 100, 900, 999, 1000, 1050, 1899], 1000)).toBe(5);
    expect(peakIn([], 1000)).toBe(0);
    expect(peakIn([0, 1000, 2000], 1000)).toBe(1);
  });
});

test("shares add up; a member that two processes saw leave left once", () => {
  const share: ShareOfStep = {
    verdict: {
      violations: { lost: 1, duplicated: 0, outOfOrder: 0, undeclared: 0, unexpected: 0 },
      samples: ["x"],
      delivered: 5,
      gaps: 1,
      declared: 2,
    },
    delays: histogram(1),
    transits: histogram(1),
    longest: histogram(1),
    longestTransit: histogram(1),
    longestOfExtras: histogram(),
    pauseOfMoved: histogram(),
    pauseOfStayed: histogram(),
    attemptsAtMs: [30, 10],
    reconnects: 1,
    moves: 2,
    movedOnce: 3,
    refusals: 2,
    movesMax: 2,
    visibleDisconnects: 1,
    extraDisconnects: 0,
    undeclaredByClients: 0,
    flickers: ["room member"],
    subscriptionsFailed: [],
    timeline: { 3: { delivered: 2, delayMaxMs: 9 } },
  };
  const merged = mergeShares([
    share,
    { ...share, movesMax: 1, timeline: { 3: { delivered: 1, delayMaxMs: 12 } } },
  ]);
  expect(merged).toMatchObject({
    verdict: { violations: { lost: 2 }, delivered: 10, gaps: 2, declared: 4 },
    attemptsAtMs: [10, 10, 30, 30],
    moves: 4,
    movesMax: 2,
    flickers: ["room member"],
    timeline: { 3: { delivered: 3, delayMaxMs: 12 } },
    delays: { count: 2 },
  });
});
