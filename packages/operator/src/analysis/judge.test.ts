import { expect, test } from "bun:test";
import { judge } from "./judge.ts";
import { evidenceOfNoWorse, evidenceOfWorse } from "./sequential.ts";
import { SIGNALS, type Signal, type Tally } from "./tally.ts";

const RULES = { connectionMinutesMin: 200, connectionMinutesMax: 50_000, waitMsMax: 1 };

const tally = (
  connectionMinutes: number,
  bad: Partial<Record<Signal, number>> = {},
  resumes = connectionMinutes / 20,
): Tally => ({
  connectionMinutes,
  resumes,
  bad: { crashes: 0, lost: 0, slow: 0, resumesFailed: 0, closedAbnormally: 0, ...bad },
});

test("nothing is said before the least connection-minutes, unless the canary is surely bad", () => {
  expect(judge(tally(199), tally(2000), RULES)).toEqual({
    outcome: "undecided",
    text: "A verdict needs 200 connection-minutes.",
  });
  expect(judge(tally(50, { crashes: 40 }), tally(450), RULES).outcome).toBe("bad");
});

test("a verdict is a sentence with its figures", () => {
  expect(judge(tally(400, { lost: 30 }), tally(3600, { lost: 2 }), RULES)).toEqual({
    outcome: "bad",
    text:
      "7.5 % of its connection-minutes lost a publication (30 of 400), " +
      "and 0.1 % of the old revision's (2 of 3600).",
  });
  expect(judge(tally(20_000), tally(180_000), RULES)).toEqual({
    outcome: "good",
    text: "In 20000 connection-minutes nothing was worse than on the old revision.",
  });
  expect(judge(tally(3000), tally(27_000), RULES).text).toBe(
    "It is not clear yet from its connection-minutes: crashes, resumesFailed.",
  );
});

test.each(SIGNALS.map((signal) => [signal] as const))("%s alone makes a canary bad", (signal) => {
  const canary = tally(2000, { [signal]: 60 });
  expect(judge(canary, tally(18_000, { [signal]: 10 }), RULES).outcome).toBe("bad");
});

test("what both suffer alike is no proof, however much it is", () => {
  const canary = tally(20_000, { slow: 6000, closedAbnormally: 2000 });
  const stable = tally(180_000, { slow: 54_000, closedAbnormally: 18_000 });
  expect(judge(canary, stable, RULES).outcome).not.toBe("bad");
});

test("a canary that is better is not bad", () => {
  const stable = tally(18_000, { slow: 900 });
  expect(judge(tally(2000), stable, RULES).outcome).not.toBe("bad");
});

test("a signal that never had a chance is not waited for", () => {
  expect(judge(tally(12_000, {}, 0), tally(108_000, {}, 0), RULES).outcome).toBe("good");
});

test("after the most connection-minutes, what is not proved bad is good", () => {
  const slowed = (minutes: number, rate: number) => tally(minutes, { slow: minutes * rate });
  const at = (minutes: number) => judge(slowed(minutes, 0.1), slowed(minutes, 0.07), RULES).outcome;
  expect(at(700)).toBe("undecided");
  expect(judge(slowed(50_000, 0.0118), slowed(450_000, 0.01), RULES).outcome).toBe("good");
});

test("without figures of stable there is no evidence against the canary", () => {
  expect(evidenceOfWorse({ bad: 50, of: 100 }, { bad: 0, of: 0 })).toBe(0);
  expect(evidenceOfWorse({ bad: 0, of: 0 }, { bad: 3, of: 100 })).toBe(0);
});

test("evidence grows with what speaks for it, and shrinks with what speaks against it", () => {
  const stable = { bad: 20, of: 9000 };
  const worse = [0, 10, 20, 40].map((bad) => evidenceOfWorse({ bad, of: 1000 }, stable));
  expect(worse).toEqual([...worse].sort((a, b) => a - b));
  const fine = [0, 10, 20, 40].map((bad) => evidenceOfNoWorse({ bad, of: 1000 }, stable, 0.01));
  expect(fine).toEqual([...fine].sort((a, b) => b - a));
});

test("a canary that accepts no session is bad, though nobody resumes on stable", () => {
  const canary = (failed: number): Tally => ({
    ...tally(0, { resumesFailed: failed }, 24),
  });
  expect(judge(canary(24), tally(200, {}, 0), RULES)).toEqual({
    outcome: "bad",
    text: "100 % of its resumes failed (24 of 24), and none of the old revision's (0 of 0).",
  });
  expect(judge(canary(4), tally(200, {}, 0), RULES).outcome).toBe("undecided");
});

test("a sentence counts whole minutes", () => {
  const canary = { ...tally(40.96, { lost: 60 }, 0) };
  expect(judge(canary, tally(100, {}, 0), RULES).text).toContain("(40 of 40)");
});
