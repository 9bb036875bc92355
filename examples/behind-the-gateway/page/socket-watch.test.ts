// The figures that the page shows.
import { expect, test } from "bun:test";
import { SocketWatch } from "./socket-watch.ts";

function watch(...atMs: readonly number[]): SocketWatch {
  const one = new SocketWatch("Ada");
  one.opened();
  for (const at of atMs) one.frame(at);
  return one;
}

test("the longest gap is that between two frames, or that since the last one", () => {
  const one = watch(0, 50, 100, 300, 350);
  expect(one.longestGapMs(0, 360)).toBe(200);
  expect(one.longestGapMs(0, 900)).toBe(550);
  expect(watch().longestGapMs(0, 900)).toBe(0);
});

test("a gap counts if it ends in the time that is looked at, whenever it began", () => {
  const one = watch(0, 200, 250, 300, 340);
  expect(one.longestGapMs(100, 300)).toBe(200);
  expect(one.longestGapMs(201, 300)).toBe(50);
  expect(one.longestGapMs(301, 345)).toBe(40);
});

test("closes of sockets that were open count, attempts that failed do not", () => {
  const one = watch(0);
  one.closed(10, 1006);
  one.closed(20, 1006);
  one.opened();
  one.closed(30, 1012);
  expect([one.closeCount, one.closesSince(20), one.isOpen]).toEqual([2, 1, false]);
});

test("a minute of frames is kept, not all of them", () => {
  const one = watch(...Array.from({ length: 100_000 }, (_, i) => i));
  expect(one.ticks.length).toBeLessThanOrEqual(3000);
  expect(one.ticks.at(-1)?.atMs).toBe(99_999);
});
