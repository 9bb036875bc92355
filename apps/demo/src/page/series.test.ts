// Owns: checks of the chart's data.
import { expect, test } from "bun:test";
import { emptySeries, extend, POINTS_MAX, SPAN_S } from "./series.ts";

test("a series keeps the span and never more than its limit of points", () => {
  let series = emptySeries;
  for (let index = 0; index < 2000; index++) series = extend(series, index / 100, index);
  expect(series.timesS.length).toBe(POINTS_MAX);
  series = extend(series, 1000, 1);
  expect(series.timesS).toEqual([1000]);
  expect(extend(series, 1000 + SPAN_S, 2).timesS).toEqual([1000, 1000 + SPAN_S]);
});

test("a point that is not newer than the last is ignored", () => {
  const series = extend(emptySeries, 10, 1);
  expect(extend(series, 10, 2)).toBe(series);
  expect(extend(series, 9, 2)).toBe(series);
});
