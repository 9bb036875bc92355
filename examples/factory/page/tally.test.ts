// Owns: checks of the page's own bookkeeping: what counts as missing, twice and different.
import { expect, test } from "bun:test";
import { GRACE_MS, Tally, type Way, type Window } from "./tally.ts";

const WIDTH_MS = 10_000;
const window = (machine: string, fromMs: number, n = 10): Window => ({
  ...{ line: "north", machine, fromMs },
  ...{ mean: 70, most: 80, n },
});
const NOTHING = { windows: 0, missing: 0, twice: 0, different: 0 };

function started(sinceMs = 0): Tally {
  const tally = new Tally(WIDTH_MS);
  tally.begin(sinceMs);
  return tally;
}

test("windows that come by every way are neither missing nor twice, also if the table is read again", () => {
  const tally = started();
  for (const way of ["socket", "events", "table", "table"] as const)
    tally.saw(way, window("m1", 0), 15_000);
  for (const way of ["socket", "events", "table"] as const)
    expect(tally.counts(way, 60_000)).toEqual({ ...NOTHING, windows: 1 });
});

test("a window that came by one way alone is missing by the others, after a grace", () => {
  const tally = started();
  tally.saw("socket", window("m1", 0), 15_000);
  expect(tally.counts("events", 15_000 + GRACE_MS)).toEqual(NOTHING);
  expect(tally.counts("events", 15_001 + GRACE_MS)).toEqual({ ...NOTHING, missing: 1 });
  tally.saw("events", window("m1", 0), 30_000);
  expect(tally.counts("events", 30_000)).toEqual({ ...NOTHING, windows: 1 });
});

test("a window that came again counts as twice, and one with other figures as different", () => {
  const tally = started();
  tally.saw("socket", window("m1", 0), 15_000);
  tally.saw("socket", window("m1", 0), 15_100);
  tally.saw("events", window("m1", 0, 9), 15_200);
  expect(tally.counts("socket", 15_200)).toEqual({ ...NOTHING, windows: 1, twice: 1 });
  expect(tally.counts("events", 15_200)).toEqual({ ...NOTHING, windows: 1, different: 1 });
});

test("nothing counts before all listen, nor a window that may have closed before", () => {
  const tally = new Tally(WIDTH_MS);
  tally.saw("socket", window("m1", 0), 1);
  tally.begin(20_000);
  tally.saw("socket", window("m1", 10_000), 20_001);
  tally.saw("socket", window("m1", 10_001), 20_002);
  expect(tally.counts("socket", 20_002)).toEqual({ ...NOTHING, windows: 1 });
});

test("what is forgotten stays counted, and does not come back as new", () => {
  const tally = new Tally(WIDTH_MS, 2);
  tally.begin(0);
  const see = (way: Way, fromMs: number) => tally.saw(way, window("m1", fromMs), 1);
  for (const fromMs of [0, 10_000, 20_000]) see("socket", fromMs);
  for (const fromMs of [10_000, 20_000]) see("events", fromMs);
  expect(tally.counts("socket", 1)).toEqual({ ...NOTHING, windows: 3 });
  expect(tally.counts("events", 1)).toEqual({ ...NOTHING, windows: 2, missing: 1 });
});
