// Owns: clients whose balancer binds them to nodes: they are not asked to move for ever, and drains
// do not make them try for ever. And clients that find all nodes full: each gets a time to come
// back, and a place as soon as there is room.
import { drainMicrotasks } from "bun:jsc";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Balancer, type ReachOptions, runReach } from "@holdfast/testkit/sim";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(120_000));

const CLIENTS = 120;
const SLOTS = 3;
const SEEDS = [1, 2, 3, 4, 5];

const run = (balancer: Balancer, seed: number, more: Partial<ReachOptions> = {}) =>
  runReach({
    settle: drainMicrotasks,
    seed,
    balancer,
    clients: CLIENTS,
    slots: SLOTS,
    calmMs: 75_000,
    ...more,
  });

const each = (count: number): number => count / CLIENTS;

describe("clients that a balancer binds by their address", () => {
  test("are asked to move a few times, and then no more", () => {
    for (const seed of SEEDS) {
      const { calm, violations, disturbed } = run("address", seed);
      expect(calm.asked).toBeGreaterThan(0);
      expect(calm.asked).toBeLessThanOrEqual(30);
      // Each that was asked tried once; while the fleet still learned, a few times.
      expect(calm.attempts).toBeLessThanOrEqual(calm.asked + 15);
      const longer = run("address", seed, { calmMs: 15 * 60_000 });
      expect(longer.calm.asked).toBeLessThanOrEqual(80);
      expect({ violations, disturbed }).toEqual({ violations: [], disturbed: 0 });
    }
  });

  test("try once for each time that a rollout asks them", () => {
    for (const seed of SEEDS) {
      const { rollout, violations, disturbed } = run("address", seed, { rollout: true });
      expect(each(rollout.asked)).toBeGreaterThan(1);
      expect(rollout.attempts / rollout.asked).toBeLessThan(1.1);
      expect({ violations, disturbed }).toEqual({ violations: [], disturbed: 0 });
    }
  });

  test("try little more often if the fleet learns of it in the rollout", () => {
    for (const seed of SEEDS) {
      const fleet = { rebalance: false };
      const { rollout, disturbed } = run("address", seed, { calmMs: 1000, rollout: true, fleet });
      expect(rollout.attempts / rollout.asked).toBeLessThan(1.6);
      expect(disturbed).toBe(0);
    }
  });
});

test("clients that reach one machine alone try a few times, and come back when the node is gone", () => {
  for (const seed of SEEDS) {
    const { rollout, violations } = run("machine", seed, { calmMs: 1000, rollout: true });
    expect(each(rollout.attempts)).toBeLessThan(4);
    expect(violations).toEqual([]);
  }
});

test("behind a balancer that chooses freely, load is evened out as fast as before", () => {
  for (const seed of SEEDS) {
    const fleet = { rebalanceSessionsMin: 2, rebalanceTolerance: 0.02 };
    const { calm, sessions, disturbed } = run("random", seed, { fleet });
    const mean = sessions.reduce((sum, count) => sum + count, 0) / SLOTS;
    expect(Math.max(...sessions) - mean).toBeLessThanOrEqual(Math.max(2, mean * 0.02) + 1);
    expect(calm.asked).toBeLessThan(CLIENTS);
    expect(disturbed).toBe(0);
  }
});

test("if the nodes that are left are full, the others wait at a cost that is small, and come back when there is room", () => {
  for (const seed of SEEDS) {
    const { dead, backMs, violations } = run("random", seed, {
      calmMs: 1000,
      deadForMs: 40_000,
      limits: { connectionsMax: 50 },
      fleet: { rebalance: false },
    });
    // Two nodes with 50 places each.
    expect(dead.waiting).toBeGreaterThanOrEqual(20);
    expect(dead.waiting).toBeLessThan(40);
    expect(dead.attempts / CLIENTS).toBeLessThan(3);
    expect(backMs).toBeLessThan(35_000);
    expect(violations).toEqual([]);
  }
});
