import { expect, test } from "bun:test";
import { WaitingLine } from "./waiting-line.ts";

const TERMS = { ratePerSecond: 10, leastMs: 1000, chance: 0 };

test("each gets a slot of its own, behind the ones before it, and not before the least wait", () => {
  const line = new WaitingLine();
  expect(["a", "b", "c"].map((party) => line.ask(party, 0, TERMS))).toEqual([1100, 1200, 1300]);
  expect(line.ask("d", 1250, TERMS)).toBe(1100);
  expect(line.ask("e", 1250, { ...TERMS, chance: 0.5 })).toBe(1150);
  expect(line.ask("a", 5000, { ...TERMS, leastMs: 3000 })).toBe(3100);
});

test("whoever finds the line too long asks again, spread over the later half of two minutes", () => {
  const line = new WaitingLine();
  const waits = Array.from({ length: 3000 }, (_, i) =>
    line.ask("one", 0, { ...TERMS, chance: (i % 10) / 10 }),
  );
  expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
  const asked = waits.slice(1500);
  expect(Math.min(...asked)).toBe(60_000);
  expect(new Set(asked).size).toBe(10);
});

test("a line lasts for as long as somebody comes within 15 s of the last slot", () => {
  const line = new WaitingLine();
  expect(line.lastsMs(7)).toBe(0);
  line.ask("one", 1000, TERMS);
  line.ask("one", 15_000, TERMS);
  expect(line.lastsMs(31_100)).toBe(30_100);
  expect(line.lastsMs(31_101)).toBe(0);
  line.ask("one", 40_000, TERMS);
  expect(line.lastsMs(40_500)).toBe(500);
});

test("whoever asks again and again waits for itself, and makes nobody else wait", () => {
  const line = new WaitingLine();
  const greedy = Array.from({ length: 500 }, () => line.ask("greedy", 0, TERMS));
  // Alone, it has all the slots, one after the other.
  expect(greedy.slice(0, 3)).toEqual([1100, 1200, 1300]);
  expect(greedy.at(-1)).toBe(51_000);
  expect(line.ask("other", 0, TERMS)).toBe(1200);
  // Two wait: each gets every second slot.
  expect(line.ask("other", 0, TERMS)).toBe(1400);
  expect(line.ask("greedy", 0, TERMS)).toBe(51_200);
});

test("parties are forgotten when their slots are over, and at most 10,000 are known", () => {
  const line = new WaitingLine();
  const fast = { ...TERMS, ratePerSecond: 1000 };
  for (let i = 0; i < 11_000; i++) line.ask(`party ${i}`, 0, fast);
  expect(line.parties).toBe(10_000);
  line.ask("late", 20_000, fast);
  expect(line.parties).toBe(1);
});
