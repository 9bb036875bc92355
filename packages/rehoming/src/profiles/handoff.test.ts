import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { type HandoffCase, runHandoff } from "../testing/handoff-world.ts";

setDefaultTimeout(patience(60_000));

async function runAll(from: number, count: number, of: Omit<HandoffCase, "seed">) {
  const sum = { moves: 0, sent: 0, heard: 0 };
  for (let seed = from; seed < from + count; seed++) {
    const { wrongs, moves, sent, heard } = await runHandoff({ seed, ...of });
    expect({ seed, wrongs }).toEqual({ seed, wrongs: [] });
    sum.moves += moves;
    sum.sent += sent;
    sum.heard += heard;
  }
  return sum;
}
const STILL = { isCalm: false, isEarly: false, closes: false };

test("1,000 seeds with drains alone: each message is handled once and heard once", async () => {
  const { moves, sent, heard } = await runAll(1, 1000, { ...STILL, isCalm: true });
  expect([moves > 2000, sent > 40_000, heard > 40_000]).toEqual([true, true, true]);
});

test("1,500 seeds with deaths, hangs and refusals, and answers by chance: the same", async () => {
  const { moves, sent, heard } = await runAll(10_001, 1500, STILL);
  expect([moves > 5000, sent > 50_000, heard > 50_000]).toEqual([true, true, true]);
});

test("1,000 seeds of an application that repeats itself and sends early: the same", async () => {
  const { moves } = await runAll(20_001, 1000, { ...STILL, isEarly: true });
  expect(moves).toBeGreaterThan(3000);
});

test("500 seeds in which the client closes: the application is told once, behind its last message", async () => {
  await runAll(30_001, 500, { ...STILL, closes: true });
});
