import { expect, test } from "bun:test";
import { createSeededRandom } from "../random.ts";
import { Reach } from "./reach.ts";

const STEP_MS = 400;

/**
 * Sends `sessions` to a node that would send each away, through a balancer that brings it back with
 * `share`. Answers how often each was sent away.
 */
function play(
  reach: Reach,
  options: { sessions: number; nodes: number; share: number; at?: number },
) {
  const { sessions, nodes, share, at = 0 } = options;
  const random = createSeededRandom(at + nodes);
  const times: number[] = [];
  let nowMs = at;
  for (let index = 0; index < sessions; index++) {
    const session = `${at} ${index}`;
    let away = 0;
    for (;;) {
      nowMs += STEP_MS;
      reach.cameBack(session, nowMs);
      reach.settle(nowMs, nodes);
      if (!reach.sendsAway(session, { nowMs, nodes, chance: random.next() })) break;
      away += 1;
      if (random.next() >= share) break;
    }
    times.push(away);
  }
  return { times, nowMs };
}

const mean = (counts: readonly number[]): number =>
  counts.reduce((sum, count) => sum + count, 0) / counts.length;

test.each([2, 3, 5, 20])(
  "behind a balancer that binds clients, a node of %d learns to send hardly anybody away",
  (nodes) => {
    const reach = new Reach();
    expect(reach.odds).toBeUndefined();
    const { times } = play(reach, { sessions: 200, nodes, share: 1 });
    expect(mean(times.slice(0, 2))).toBeGreaterThanOrEqual(2);
    expect(mean(times.slice(20))).toBeLessThan(0.2);
    expect(reach.odds).toBeGreaterThanOrEqual(10);
  },
);

test.each([2, 3, 5, 20])(
  "behind a balancer that chooses freely among %d nodes, it goes on sending sessions away",
  (nodes) => {
    const reach = new Reach();
    const { times } = play(reach, { sessions: 400, nodes, share: 1 / nodes });
    // A few in a row may come back by chance.
    expect(times.filter((count) => count === 0).length).toBeLessThan(10);
    expect(Math.max(...times)).toBeLessThanOrEqual(6);
    expect(reach.odds).toBeLessThan(1);
  },
);

test("it learns again if the balancer changes, either way", () => {
  const reach = new Reach();
  const bound = play(reach, { sessions: 60, nodes: 3, share: 1 });
  const free = play(reach, { sessions: 300, nodes: 3, share: 1 / 3, at: bound.nowMs });
  expect(mean(free.times.slice(-100))).toBeGreaterThan(1);
  const again = play(reach, { sessions: 60, nodes: 3, share: 1, at: free.nowMs });
  expect(mean(again.times.slice(-20))).toBeLessThan(0.2);
});

test("of the nodes that know something, each goes by what it has seen itself", () => {
  const reach = new Reach();
  reach.heard(undefined);
  expect(reach.odds).toBeUndefined();
  reach.heard(1e9);
  expect(reach.odds).toBe(50);
  reach.heard(0.02);
  expect(reach.odds).toBe(50);
  reach.sendsAway("s", { nowMs: 0, nodes: 3, chance: 0 });
  reach.settle(5000, 3);
  expect(reach.odds).toBeLessThan(50);
});

test("a session that it took in stays bound for an hour; one that was long away begins anew", () => {
  const reach = new Reach();
  reach.bind("s", 0);
  expect([reach.isBound("s", 3_599_999), reach.isBound("s", 3_600_000)]).toEqual([true, false]);
  const away = (nowMs: number) => reach.sendsAway("t", { nowMs, nodes: 2, chance: 0.5 });
  expect(Array.from({ length: 7 }, () => away(0))).toEqual([...Array(6).fill(true), false]);
  expect(away(3_600_001)).toBe(true);
  expect([reach.cameBack("t", 3_600_002), reach.cameBack("t", 3_620_000)]).toEqual([true, false]);
});

test("in a cluster of one there is nothing to learn", () => {
  const reach = new Reach();
  reach.sendsAway("s", { nowMs: 0, nodes: 1, chance: 0.5 });
  reach.settle(2000, 1);
  expect(reach.odds).toBeUndefined();
});

test("it remembers ten thousand sessions, the last ones, and a thousand samples", () => {
  const reach = new Reach();
  for (let i = 0; i <= 10_000; i++) reach.bind(`s${i}`, 0);
  expect([reach.isBound("s0", 1), reach.isBound("s1", 1)]).toEqual([false, true]);
  const full = new Reach();
  for (let i = 0; i < 1001; i++) full.sendsAway(`s${i}`, { nowMs: 0, nodes: 2, chance: 0.5 });
  // The last one was not sampled: nothing changes for it.
  for (let i = 0; i < 1001; i++) expect(full.cameBack(`s${i}`, 1)).toBe(true);
  full.settle(1000, 2);
  expect(full.odds).toBe(50);
});
