import { expect, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { runSeed } from "./run.ts";

/** More by hand: `npx bun packages/operator/scripts/simulate.ts --from 1 --seeds 5000`. */
const SEEDS = 200;

test(
  "in a cluster with late watches, two leaders, kills and deaths every decision keeps its promises",
  () => {
    let releases = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = runSeed(seed);
      releases += result.releases;
      expect(result).toMatchObject({ seed, violations: [] });
    }
    expect(releases).toBeGreaterThan(SEEDS);
  },
  patience(60_000),
);

test(
  "a canary that clients feel as bad never gets all connections",
  () => {
    let rollbacks = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const only = ["a bad release"];
      const result = runSeed(seed, { calm: true, only, strategy: "Canary", people: 16 });
      rollbacks += result.rollbacks;
      expect(result).toMatchObject({ seed, violations: [], isBadStable: false });
    }
    expect(rollbacks).toBeGreaterThan(40);
  },
  patience(20_000),
);

test(
  "on a quiet day no good release is rolled back, and every one ends",
  () => {
    for (let seed = 1; seed <= 40; seed++) {
      const only = ["a release", "more or fewer people", "other replicas"];
      const { violations, rollbacks } = runSeed(seed, { calm: true, only });
      expect({ seed, violations, rollbacks }).toEqual({ seed, violations: [], rollbacks: 0 });
    }
  },
  patience(20_000),
);
