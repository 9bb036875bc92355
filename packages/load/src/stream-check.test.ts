// Owns: checks of the checker: it must find what is wrong.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StreamCheck } from "./stream-check.ts";

const NOTHING: ReadonlySet<number> = new Set();

function judge(arrivals: readonly number[], sent: number, excused: ReadonlySet<number> = NOTHING) {
  const check = new StreamCheck(0);
  const counts = { "in order": 0, "out of order": 0, duplicate: 0 };
  for (const n of arrivals) counts[check.take(n)]++;
  return {
    late: counts["out of order"],
    twice: counts.duplicate,
    lost: check.missing({ sent, excused }),
  };
}

describe("what came is judged", () => {
  const cases: [string, readonly number[], number, ReturnType<typeof judge>][] = [
    ["all in order", [0, 1, 2], 3, { late: 0, twice: 0, lost: 0 }],
    ["nothing at all", [], 4, { late: 0, twice: 0, lost: 4 }],
    ["the first is missing", [1, 2], 3, { late: 0, twice: 0, lost: 1 }],
    ["the last is missing", [0, 1], 3, { late: 0, twice: 0, lost: 1 }],
    ["a hole", [0, 3], 4, { late: 0, twice: 0, lost: 2 }],
    ["a hole filled late, from its middle", [0, 4, 2, 1, 3], 5, { late: 3, twice: 0, lost: 0 }],
    ["twice", [0, 1, 1, 0, 2], 3, { late: 0, twice: 2, lost: 0 }],
    ["late and then again", [1, 0, 0], 2, { late: 1, twice: 1, lost: 0 }],
  ];
  for (const [name, arrivals, sent, expected] of cases)
    test(name, () => expect(judge(arrivals, sent)).toEqual(expected));
});

test("what was refused is not missed", () => {
  expect(judge([0, 3], 6, new Set([1, 2, 5]))).toEqual({ late: 0, twice: 0, lost: 1 });
});

test("a subscriber that came in the middle misses nothing of what was before", () => {
  const check = new StreamCheck();
  expect(check.missing({ sent: 100, excused: NOTHING })).toBe(0);
  check.take(40);
  expect(check.missing({ sent: 42, excused: NOTHING })).toBe(1);
});

test("whatever comes in whatever order, lost is exactly what did not come, and memory stays bounded", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60), { maxLength: 60 }), (arrivals) => {
      const found = judge(arrivals, 61);
      expect(found.lost).toBe(61 - arrivals.length);
      expect(found.twice).toBe(0);
    }),
  );
  const everyOther = Array.from({ length: 1000 }, (_, place) => place * 2);
  expect(judge(everyOther, 2000).lost).toBe(1000);
});
