// Checks how values of manifests are read: durations, quantities, shares, selectors.
import { describe, expect, test } from "bun:test";
import { at, durationSeconds, number, quantity, selects, share } from "./reading.ts";

test.each([
  ["90", 90],
  [90, 90],
  ["90s", 90],
  ["1m30s", 90],
  ["1h", 3600],
  ["1500ms", 1.5],
  ["0s", 0],
  ["", undefined],
  ["soon", undefined],
  ["-5s", undefined],
  [-5, undefined],
  ["5 s", undefined],
  [null, undefined],
  [{}, undefined],
  [Number.NaN, undefined],
] as const)("a duration of %j is %p s", (value, expected) =>
  expect(durationSeconds(value)).toBe(expected),
);

test("a bare number counts in the unit that is named", () => {
  expect(durationSeconds("3600000", "ms")).toBe(3600);
  expect(durationSeconds("30s", "ms")).toBe(30);
});

test.each([
  ["128Mi", 134_217_728],
  ["1Gi", 1_073_741_824],
  ["500m", 0.5],
  ["1G", 1e9],
  [7, 7],
  ["1Zi", undefined],
  ["", undefined],
] as const)("a quantity of %j is %p", (value, expected) => expect(quantity(value)).toBe(expected));

test("shares are rounded as asked", () => {
  expect([
    share("25%", 5, "up"),
    share("25%", 5, "down"),
    share(2, 5, "up"),
    share("2", 5, "down"),
    share("x", 5, "up"),
  ]).toEqual([2, 1, 2, 2, undefined]);
});

describe("a selector", () => {
  const labels = { app: "a", tier: "web" };
  test.each([
    [{}, true],
    [{ matchLabels: { app: "a" } }, true],
    [{ matchLabels: { app: "b" } }, false],
    [{ matchExpressions: [{ key: "app", operator: "In", values: ["a", "b"] }] }, true],
    [{ matchExpressions: [{ key: "app", operator: "NotIn", values: ["a"] }] }, false],
    [{ matchExpressions: [{ key: "x", operator: "NotIn", values: ["a"] }] }, true],
    [{ matchExpressions: [{ key: "tier", operator: "Exists" }] }, true],
    [{ matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] }, false],
    [{ matchExpressions: [{ key: "tier", operator: "Near" }] }, false],
    [undefined, true],
  ] as const)("%j picks: %p", (selector, expected) =>
    expect(selects(selector, labels)).toBe(expected),
  );
});

test("what every object inherits is not there", () => {
  expect(at({}, "constructor", "name")).toBeUndefined();
  expect(at([1], "length")).toBe(1);
  expect(number("1e9")).toBeUndefined();
});
