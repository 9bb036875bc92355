// Owns: thousands of simulated bad days: whatever the seed, the promises H1 to H7 hold after each
// step and everything goes on after healing.
import { drainMicrotasks } from "bun:jsc";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { planOf, runSeed } from "@holdfast/testkit/sim";
import { patience } from "../patience.ts";
import { flagsOf } from "./flags.ts";
import { report } from "./report.ts";

const SEEDS = 2000;
const SEEDS_PER_TEST = 250;

// Generous: about 6 s each on an idle core.
setDefaultTimeout(patience(240_000));

const run = (seed: number) => runSeed(seed, { settle: drainMicrotasks });

describe("simulation", () => {
  for (let from = 1; from <= SEEDS; from += SEEDS_PER_TEST) {
    test(`seeds ${from} to ${from + SEEDS_PER_TEST - 1} break no promise`, () => {
      for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
        const result = run(seed);
        if (result.violations.length > 0) throw new Error(`\n${report(result, undefined)}`);
      }
    });
  }

  test("the same seed does the same, event by event", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [first, second] = [run(seed), run(seed)];
      expect(second.hash).toBe(first.hash);
      expect(second.events).toBe(first.events);
    }
  });

  test("different seeds do different things", () => {
    expect(new Set(Array.from({ length: 20 }, (_, index) => run(index + 1).hash)).size).toBe(20);
  });

  test("leaving out faults changes nothing before the first of them", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const firstMs = planOf(seed).plan.faults[0]?.atMs ?? 0;
      const until = (only: readonly number[] | undefined): string[] => {
        const lines: string[] = [];
        const trace = (line: string): void => {
          if (Number.parseFloat(line) * 1000 < firstMs - 1) lines.push(line);
        };
        runSeed(seed, { settle: drainMicrotasks, trace, ...(only === undefined ? {} : { only }) });
        return lines;
      };
      expect(until([])).toEqual(until(undefined));
    }
  });

  test("runs reach what they are there for: gaps, reconnects, migrations, duplicates, drains", () => {
    const sums = {
      messages: 0,
      gaps: 0,
      published: 0,
      reconnects: 0,
      migrations: 0,
      duplicates: 0,
      drains: 0,
    };
    const kinds = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const { counts, plan } = run(seed);
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
      for (const { kind } of plan.faults) kinds.add(kind);
    }
    for (const count of Object.values(sums)) expect(count).toBeGreaterThan(10);
    expect(kinds.size).toBeGreaterThan(14);
  });
});

describe("the command line", () => {
  test("reads its flags and refuses what it does not know", () => {
    expect(flagsOf(["--seeds", "5", "--from", "7", "--only", "0,2", "--trace"])).toMatchObject({
      seeds: 5,
      from: 7,
      only: [0, 2],
      trace: true,
    });
    expect(flagsOf(["--only", "none"])).toMatchObject({ only: [] });
    for (const args of [["--seed"], ["--seeds", "x"], ["--only", "a"], ["--from"]])
      expect(typeof flagsOf(args)).toBe("string");
  });
});
