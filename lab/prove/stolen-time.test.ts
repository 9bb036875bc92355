// Checks the share of time that a host takes from a virtual machine, with lines as Linux writes.
import { expect, test } from "bun:test";
import { StolenTime, stolenPercent, ticksOf } from "./stolen-time.ts";

test("steal is the eighth column, in percent of what was spent since", () => {
  const before = ticksOf("cpu  100 10 50 800 5 0 5 30 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  const after = ticksOf("cpu  150 10 70 880 5 0 5 80 7 7\n");
  expect(before).toEqual([100, 10, 50, 800, 5, 0, 5, 30]);
  expect(stolenPercent(before, after)).toBe(25);
});

test("where no time passed or nothing is told, nothing was stolen", () => {
  expect([stolenPercent([], []), stolenPercent([1, 2], [1, 2])]).toEqual([0, 0]);
  expect(new StolenTime().percentSince()).toBeGreaterThanOrEqual(0);
});
