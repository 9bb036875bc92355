// Owns: how a fight for a session is slowed down, on a clock moved by hand.
import { expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { TakeOvers } from "./take-overs.ts";

test("a fight for a session slows down to one take-over in two seconds; others do not wait", async () => {
  const clock = createManualClock();
  let delayed = 0;
  const takeOvers = new TakeOvers(clock, () => {
    delayed += 1;
  });
  let taken = 0;
  const fight = async (): Promise<void> => {
    for (;;) {
      if (!(await takeOvers.turn("device"))) continue;
      taken += 1;
      takeOvers.taken("device");
      await new Promise<void>((resolve) => clock.after(10, resolve));
    }
  };
  void fight();
  for (let ms = 0; ms < 60_000; ms += 10) {
    clock.advance(10);
    await Promise.resolve();
    await Promise.resolve();
  }
  expect(taken).toBeGreaterThan(20);
  expect(taken).toBeLessThan(40);
  expect(delayed).toBeGreaterThan(10);
  expect(takeOvers.turn("other")).toBe(true);
});

test("one connection waits for a session; the one before it is turned away", async () => {
  const clock = createManualClock();
  const takeOvers = new TakeOvers(clock, () => {});
  for (let n = 0; n < 8; n++) takeOvers.taken("device");
  const first = takeOvers.turn("device");
  const second = takeOvers.turn("device");
  expect(await first).toBe(false);
  clock.advance(10_000);
  expect(await second).toBe(true);
});

test("what is remembered is bounded, and is forgotten when it is over", () => {
  const clock = createManualClock();
  const takeOvers = new TakeOvers(clock, () => {});
  for (let n = 0; n < 20_000; n++) takeOvers.taken(`device ${n}`);
  expect(takeOvers.size).toBeLessThanOrEqual(10_001);
  clock.advance(60_000);
  takeOvers.taken("another");
  expect(takeOvers.size).toBe(1);
});
