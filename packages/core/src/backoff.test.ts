import { expect, test } from "bun:test";
import { backoffMs } from "./backoff.ts";

test("waits double from the first to the longest, however often it failed", () => {
  const waits = (next: number) =>
    [0, 1, 5, 6, 5000].map((failures) => backoffMs(failures, { next: () => next }));
  expect(waits(1)).toEqual([100, 200, 3200, 5000, 5000]);
  expect(waits(0)).toEqual([50, 100, 1600, 2500, 2500]);
  const bounds = { firstMs: 500, mostMs: 900 };
  expect([0, 1].map((failures) => backoffMs(failures, { next: () => 1 }, bounds))).toEqual([
    500, 900,
  ]);
});
