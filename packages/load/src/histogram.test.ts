// Owns: checks of histograms that travel between processes.
import { expect, test } from "bun:test";
import { TIME_US_MAX, Times } from "./histogram.ts";

test("two histograms merged say what one that recorded everything says", () => {
  const [whole, left, right] = [new Times(), new Times(), new Times()];
  for (let place = 0; place < 20_000; place++) {
    const us = Math.round(1.0007 ** place) % 90_000_000;
    whole.record(us);
    (place % 3 === 0 ? left : right).record(us);
  }
  const merged = new Times();
  merged.merge(left.packed());
  merged.merge(right.packed());
  const [expected, found] = [whole.summary(), merged.summary()];
  expect(found.count).toBe(20_000);
  expect({ ...found, meanUs: 0 }).toEqual({ ...expected, meanUs: 0 });
  expect(merged.packed()).toEqual(whole.packed());
});

test("a percentile of the whole is not the mean of the parts' percentiles", () => {
  const [quick, slow, merged] = [new Times(), new Times(), new Times()];
  for (let place = 0; place < 990; place++) quick.record(100);
  for (let place = 0; place < 10; place++) slow.record(1_000_000);
  merged.merge(quick.packed());
  merged.merge(slow.packed());
  expect(merged.percentileUs(50)).toBe(100);
  expect(merged.percentileUs(98.9)).toBe(100);
  expect(merged.percentileUs(99.5)).toBeGreaterThanOrEqual(1_000_000);
});

test("times outside the range are recorded at its ends, and nothing recorded is all zeros", () => {
  const times = new Times();
  expect(times.summary()).toMatchObject({ count: 0, p99Us: 0, maxUs: 0, curve: [] });
  times.record(-5);
  times.record(TIME_US_MAX * 3);
  expect(times.count).toBe(2);
  expect(times.percentileUs(0)).toBe(0);
  expect(times.percentileUs(100)).toBeGreaterThanOrEqual(TIME_US_MAX);
  times.reset();
  expect(times.packed()).toEqual([]);
});
