import { expect, test } from "bun:test";
import { withValidation } from "./document.ts";
import { figure, mergedFigures, type ValidationResult } from "./result.ts";

const costs = {
  nodeBytes: 76e6,
  nodeIdleUs: 10_000,
  socketBytes: 3712,
  upgradeUs: 150,
  connectUs: 60,
  subscribeUs: 45,
  refuseUs: 90,
};
const result: ValidationResult = {
  measuredAt: "2026-11-28T02:00:00.000Z",
  machine: { processor: "P", cores: 2, memoryGiB: 24, kernel: "K" },
  versions: { bun: "1" },
  rounds: 3,
  loadBefore: 0.5,
  costs,
  figures: [
    {
      run: "storm",
      name: "everyone back",
      unit: "s",
      predicted: [12, 11, 14],
      measured: [10, 9, 30],
    },
    { run: "roll", name: "sessions cut", unit: "", predicted: [0], measured: [0, 0, 0] },
    { run: "roll", name: "moves", unit: "", predicted: [1], measured: [2, 2, 2] },
  ],
};
const page =
  "before\n<!-- validation: generated from benchmarks/plan-validation.json -->\nold\n<!-- end of validation -->\nafter\n";

test("a page has the figures between its marks, with how far off the prediction is", () => {
  const text = withValidation(page, result);
  expect(text).toContain(
    "| storm | everyone back, s | 12.0 (11.0–14.0) | 10.0 (9.00–30.0) | +20 % |",
  );
  expect(text).toContain("| roll | sessions cut | 0 | 0 | 0 % |");
  expect(text).toContain("| roll | moves | 1.00 | 2.00 | −50 % |");
  expect(text).toStartWith("before\n");
  expect(text).toEndWith("<!-- end of validation -->\nafter\n");
  expect(text).not.toContain("old");
  expect(withValidation(text, result)).toBe(text);
});

test("a page without marks stays as it is", () =>
  expect(withValidation("text", result)).toBe("text"));

test("rounds are put together figure by figure", () => {
  const round = (measured: number) => [figure("r", "n", "s", { predicted: 1, measured })];
  expect(mergedFigures([round(3), round(1), round(2)])[0]).toEqual({
    run: "r",
    name: "n",
    unit: "s",
    predicted: [1, 1, 1],
    measured: [3, 1, 2],
  });
});
