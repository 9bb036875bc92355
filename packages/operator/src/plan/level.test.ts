import { expect, test } from "bun:test";
import { desired, NOW_MS, observed, pod } from "../testing/builders.ts";
import { emptiest } from "./level.ts";
import { survey } from "./survey.ts";

const chosen = (
  loads: readonly number[],
  arriving: number,
  receives: readonly boolean[] = loads.map(() => true),
): readonly string[] => {
  const pods = loads.map((sessions, i) =>
    pod(`p${i + 1}`, { receives: receives[i] ?? true, report: { sessions } }),
  );
  const views = survey(observed(pods), desired(), NOW_MS);
  return [...emptiest(views, arriving)].map(({ pod: { name } }) => name).sort();
};

test.each<[what: string, loads: readonly number[], arriving: number, names: readonly string[]]>([
  ["the empty one beside one that has its part", [40, 0], 40, ["p2"]],
  ["two that end up level", [35, 48, 33], 14, ["p1", "p3"]],
  ["all that are alike", [0, 0, 0], 60, ["p1", "p2", "p3"]],
  ["the least full one if all have their part", [60, 50, 40], 5, ["p3"]],
])("those receive who end lowest: %s", (_, loads, arriving, names) => {
  expect(chosen(loads, arriving)).toEqual([...names]);
});

test("labels stay if another choice is hardly better, and if nobody is on the way", () => {
  expect(chosen([20, 24, 22], 60, [true, true, true])).toEqual(["p1", "p2", "p3"]);
  expect(chosen([40, 10], 0, [true, false])).toEqual(["p1"]);
  expect(chosen([40, 10], 0, [false, false])).toEqual(["p1", "p2"]);
});
