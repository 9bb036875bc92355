import { expect, test } from "bun:test";
import { WaitingLine } from "./waiting-line.ts";

const TERMS = { ratePerSecond: 10, leastMs: 1000, chance: 0 };

test("each gets a slot of its own, behind the ones before it, and not before the least wait", () => {
  const line = new WaitingLine();
  expect([0, 0, 0].map((nowMs) => line.ask(nowMs, TERMS))).toEqual([1100, 1200, 1300]);
  expect(line.ask(1250, TERMS)).toBe(1100);
  expect(line.ask(1250, { ...TERMS, chance: 0.5 })).toBe(1150);
  expect(line.ask(5000, { ...TERMS, leastMs: 3000 })).toBe(3100);
});

test("whoever finds the line too long asks again, spread over the later half of two minutes", () => {
  const line = new WaitingLine();
  const waits = Array.from({ length: 3000 }, (_, i) =>
    line.ask(0, { ...TERMS, chance: (i % 10) / 10 }),
  );
  expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
  const asked = waits.slice(1500);
  expect(Math.min(...asked)).toBe(60_000);
  expect(new Set(asked).size).toBe(10);
});

test("a line lasts for as long as somebody comes within 15 s of the last slot", () => {
  const line = new WaitingLine();
  expect(line.lastsMs(7)).toBe(0);
  line.ask(1000, TERMS);
  line.ask(15_000, TERMS);
  expect(line.lastsMs(31_100)).toBe(30_100);
  expect(line.lastsMs(31_101)).toBe(0);
  line.ask(40_000, TERMS);
  expect(line.lastsMs(40_500)).toBe(500);
});
