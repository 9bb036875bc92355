// Owns: checks of the simulated winch.
import { describe, expect, test } from "bun:test";
import { METRICS } from "./names.ts";
import { readings, restingWinch, stepWinch } from "./winch.ts";

function run(seconds: number, pull: number) {
  let winch = restingWinch;
  for (let step = 0; step < seconds * 10; step++)
    winch = stepWinch(winch, 100, { pull, chance: () => 0.5 });
  return winch;
}

describe("the winch", () => {
  test("stays within what the chart shows when nobody pulls", () => {
    const values = readings(run(120, 0));
    for (const metric of METRICS) {
      const value = values.get(metric.key) ?? Number.NaN;
      expect(value >= metric.min && value <= metric.max).toBe(true);
    }
  });

  test("has more tension and turns more slowly when people pull the rope", () => {
    expect(run(20, 0.6).tension).toBeGreaterThan(run(20, 0).tension + 2);
    expect(run(20, 0.6).speed).toBeLessThan(run(20, 0).speed);
  });
});
