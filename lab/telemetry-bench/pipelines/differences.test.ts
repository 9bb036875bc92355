import { expect, test } from "bun:test";
import { resultOf } from "./engines.ts";
import { differences } from "./flow.ts";

const wanted = { device: "d1", fromMs: 10_000, n: 2, sum: 3.5, max: 2 };
const ours = { key: "d1", fromMs: 10_000, toMs: 20_000, n: 2, sum: 3.5, max: 2 };
const theirs = { device: "d1", to: "1970-01-01T00:00:20Z", n: 2, sum: 3.5, max: 2 };

test("both engines' results say the same", () => {
  expect(resultOf(ours)).toEqual(wanted);
  expect(resultOf(theirs)).toEqual(wanted);
  expect(resultOf({ n: 1 })).toBeUndefined();
});

test.each([
  ["nothing", [ours], 0],
  ["a missing window", [], 1],
  ["a doubled window", [ours, ours], 1],
  ["another sum", [{ ...ours, sum: 4 }], 1],
  ["a window of nobody", [ours, { ...ours, key: "d2" }], 1],
  ["something else", [ours, "x"], 1],
])("%s is told", (_what, records, wrong) => {
  expect(differences([wanted], records as unknown[])).toBe(wrong as number);
});
