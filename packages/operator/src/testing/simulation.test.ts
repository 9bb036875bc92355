import { expect, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { runSeed } from "./run.ts";

/** More by hand: `npx bun packages/operator/scripts/simulate.ts --from 1 --seeds 5000`. */
const SEEDS = 200;
/** Of each tick of 2 s: people stay for eleven minutes. */
const QUIET_CHURN = 0.003;
/** What `rebalance.tolerancePercent` is by default. */
const TOLERANCE = 0.1;

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
  "pods behind a gateway, which stay ready while they drain, keep the same promises",
  () => {
    let releases = 0;
    for (let seed = 1; seed <= SEEDS / 2; seed++) {
      const result = runSeed(seed, { staysReady: true });
      releases += result.releases;
      expect(result).toMatchObject({ seed, violations: [] });
    }
    expect(releases).toBeGreaterThan(SEEDS / 2);
  },
  patience(60_000),
);

test(
  "a canary that clients feel as bad never gets all connections",
  () => {
    let rollbacks = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const only = ["a bad release"];
      const result = runSeed(seed, { calm: true, only, strategy: "Canary", people: 16 });
      rollbacks += result.rollbacks;
      expect(result).toMatchObject({ seed, violations: [], isBadStable: false });
    }
    expect(rollbacks).toBeGreaterThan(40);
  },
  patience(60_000),
);

test(
  "on a quiet day every good release ends, and sessions move once, at their first attempt",
  () => {
    let [moves, attempts, sessions, twice] = [0, 0, 0, 0];
    for (let seed = 1; seed <= 60; seed++) {
      const only = ["a release", "more or fewer people", "other replicas"];
      const { violations, rollbacks, counted } = runSeed(seed, {
        calm: true,
        only,
        churn: QUIET_CHURN,
      });
      expect({ seed, violations, rollbacks }).toEqual({ seed, violations: [], rollbacks: 0 });
      moves += counted.moves;
      attempts += counted.attempts;
      sessions += counted.sessions;
      twice += counted.twice;
    }
    expect(moves).toBeGreaterThan(2000);
    expect(attempts / moves).toBeLessThan(1.05);
    expect(twice / sessions).toBeLessThan(0.003);
  },
  patience(60_000),
);

test(
  "a canary has its step's share of the people though newcomers come all the time",
  () => {
    const sum = { ticks: 0, carried: 0, wished: 0 };
    for (let seed = 1; seed <= 30; seed++) {
      const { shares, violations } = runSeed(seed, {
        calm: true,
        only: ["a release"],
        strategy: "Canary",
        people: 60,
        replicas: 5,
        churn: QUIET_CHURN,
      });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      expect(shares.most).toBeLessThan(0.2);
      sum.ticks += shares.ticks;
      sum.carried += shares.carried;
      sum.wished += shares.wished;
    }
    expect(sum.ticks).toBeGreaterThan(1000);
    expect(Math.abs(sum.carried / sum.wished - 1)).toBeLessThan(0.1);
  },
  patience(60_000),
);

test(
  "after a release no pod is above the mean by more than the tolerance, without another move",
  () => {
    let [releases, uneven, moved, twice] = [0, 0, 0, 0];
    for (let seed = 1; seed <= 24; seed++) {
      const { ends, counted, violations } = runSeed(seed, {
        calm: true,
        only: ["a release"],
        incidentsMax: 1,
        places: 200,
        people: 480,
        replicas: 4,
        churn: QUIET_CHURN,
      });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      releases += ends.length;
      // Balancers choose by chance.
      for (const { most, mean } of ends) {
        if (most > mean * (1 + TOLERANCE) + Math.sqrt(mean)) uneven += 1;
        expect(most).toBeLessThan(mean * 1.25);
      }
      moved += counted.sessions;
      twice += counted.twice;
    }
    expect(releases).toBeGreaterThan(20);
    expect(uneven / releases).toBeLessThan(0.05);
    expect(twice / moved).toBeLessThan(0.003);
  },
  patience(60_000),
);

test(
  "data planes that report nonsense keep nothing from settling, and hurt nobody else",
  () => {
    for (let seed = 1; seed <= 30; seed++)
      expect(runSeed(seed, { poisoned: true })).toMatchObject({ seed, violations: [] });
  },
  patience(60_000),
);

/**
 * Found among thousands: a pod whose drain was undone lost its label before it said that it
 * serves; people whose only receiver came at the very end of the window counted as moved.
 */
const FOUND = [903_132, 904_006];

test("seeds that once broke a promise keep it", () => {
  for (const seed of FOUND) expect(runSeed(seed)).toMatchObject({ seed, violations: [] });
});
