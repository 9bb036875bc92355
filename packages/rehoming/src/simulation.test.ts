// Owns: the engine under seeds, with every profile that passes frames as they are.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../test/patience.ts";
import { stateless } from "./profiles/stateless.ts";
import { run } from "./testing/run.ts";

setDefaultTimeout(patience(30_000));

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

test("2,000 seeds with drains alone: no frame is lost, none is doubled, nobody is closed", () => {
  let moves = 0;
  for (const seed of seeds(1, 2000)) {
    const result = run(seed, stateless, true);
    expect({ seed, wrongs: result.wrongs }).toEqual({ seed, wrongs: [] });
    moves += result.moves;
  }
  expect(moves).toBeGreaterThan(5000);
});

test("3,000 seeds with deaths, silence and refusals: G1 to G5 hold at every step", () => {
  let [moves, closed] = [0, 0];
  for (const seed of seeds(10_001, 3000)) {
    const result = run(seed, stateless, false);
    expect({ seed, wrongs: result.wrongs }).toEqual({ seed, wrongs: [] });
    moves += result.moves;
    closed += result.isClosed ? 1 : 0;
  }
  expect(moves).toBeGreaterThan(5000);
  // Some meet the limits: the runs reach them.
  expect(closed).toBeGreaterThan(100);
});
