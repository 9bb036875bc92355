import { expect, test } from "bun:test";
import fc from "fast-check";
import { CapacityMeter } from "./capacity.ts";
import {
  drainShare,
  excessSessions,
  receiversCapacity,
  receiversOfMoves,
  receiversPressed,
  turnAwayChance,
} from "./decisions.ts";
import { Rebalancer } from "./rebalancer.ts";
import { FleetView, NODES_MAX, type NodeFigures } from "./view.ts";

const NOW_MS = 10_000;

const node = (figures: Partial<NodeFigures> = {}): NodeFigures => ({
  node: "a",
  revision: "r1",
  state: "ready",
  startedAtMs: 1000,
  connections: 0,
  sessions: 0,
  handshakesPerSecond: 100,
  lagMs: 0,
  memoryBytes: 0,
  brokerOk: true,
  ...figures,
});

test("a node that says nothing for its lease is dead, one that says that it left is gone, and a node never counts itself", () => {
  const view = new FleetView("me");
  view.heard(node({ node: "me" }), 0);
  view.heard(node({ node: "c" }), 0);
  view.heard(node({ node: "b" }), 0);
  view.heard(node({ node: "c", sessions: 5 }), 3000);
  expect(view.others().map(({ node: id }) => id)).toEqual(["b", "c"]);
  expect(view.expire(5000, 5000)).toEqual([]);
  expect(view.expire(5001, 5000).map(({ node: id }) => id)).toEqual(["b"]);
  expect(view.others()).toMatchObject([{ node: "c", sessions: 5, heardMs: 3000 }]);
  view.left("c");
  expect(view.others()).toEqual([]);
});

test("the view is bounded", () => {
  const view = new FleetView("me");
  for (let i = 0; i < NODES_MAX + 10; i++) view.heard(node({ node: `n${i}` }), 0);
  expect(view.others()).toHaveLength(NODES_MAX);
});

test("A is that of the nodes that can take sessions; a lone node takes its own back", () => {
  const others = [
    node({ node: "b" }),
    node({ node: "c", state: "draining" }),
    node({ node: "d", brokerOk: false }),
    node({ node: "e", handshakesPerSecond: 30 }),
  ];
  expect(receiversCapacity(50, others)).toBe(130);
  expect(receiversCapacity(50, [])).toBe(50);
  expect(receiversCapacity(50, [node({ handshakesPerSecond: 0.5 })])).toBe(0.5);
});

test("what moves goes to the newest revision alone while it has ready nodes, so its A alone is what a drain may use", () => {
  const self = node({ node: "me", revision: "r2", startedAtMs: 1000, state: "draining" });
  const others = [
    node({ node: "b", revision: "r1", startedAtMs: 0 }),
    node({ node: "c", revision: "r2", startedAtMs: 1500 }),
    node({ node: "d", revision: "r3", startedAtMs: 2000, handshakesPerSecond: 40 }),
    node({ node: "e", revision: "r3", startedAtMs: 9000, handshakesPerSecond: 30 }),
    node({ node: "f", revision: "r4", startedAtMs: 9500, brokerOk: false }),
  ];
  const ids = (nodes: readonly NodeFigures[]): string => nodes.map(({ node: id }) => id).join("");
  expect(ids(receiversOfMoves(self, others, NOW_MS))).toBe("de");
  expect(receiversCapacity(100, receiversOfMoves(self, others, NOW_MS))).toBe(70);
  // A balancer that looks at connections sends newcomers to the emptier of two.
  expect(
    ids(
      receiversOfMoves(
        self,
        [
          ...others.slice(0, 3),
          node({ node: "e", revision: "r3", startedAtMs: 9000, sessions: 300 }),
        ],
        NOW_MS,
      ),
    ),
  ).toBe("d");
  // However many nodes are full: in a large fleet they are all near the mean, and the empty one
  // gets everything all the same.
  const full = Array.from({ length: 20 }, (_, i) =>
    node({ node: `f${i}`, revision: "r3", startedAtMs: 9000, sessions: 300 }),
  );
  expect(
    ids(
      receiversOfMoves(
        self,
        [...full, node({ node: "e", revision: "r3", startedAtMs: 9000 })],
        NOW_MS,
      ),
    ),
  ).toBe("e");
  // Nobody turns away when there is nothing newer.
  expect(ids(receiversOfMoves(self, others.slice(0, 2), NOW_MS))).toBe("bc");
  expect(
    ids(
      receiversOfMoves(
        node({ node: "me", revision: "r9", startedAtMs: 99_000, state: "draining" }),
        others,
        NOW_MS,
      ),
    ),
  ).toBe("bcde");
});

test("shares of all draining nodes add up to at most one", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
      (remaining) => {
        const nodes = remaining.map((count, i) =>
          node({
            node: `n${i}`,
            state: "draining",
            draining: { remaining: count, deadlineInMs: 1 },
          }),
        );
        const shares = remaining.map((count, i) =>
          drainShare(
            count,
            nodes.filter((_, other) => other !== i),
          ),
        );
        expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
      },
    ),
  );
});

test("a node that drains alone may move all, and one that has nothing to move has no share", () => {
  expect(drainShare(10, [node()])).toBe(1);
  expect(drainShare(0, [node()])).toBe(0);
});

test("a node that holds little more than the emptiest receives too", () => {
  const self = node({ node: "me", state: "draining" });
  const others = [10, 31, 32].map((sessions) => node({ node: `n${sessions}`, sessions }));
  expect(receiversOfMoves(self, others, NOW_MS).map(({ sessions }) => sessions)).toEqual([10, 31]);
});

test("only nodes that take sessions in press a drain", () => {
  expect(receiversPressed([node({ lagMs: 250 })], 250)).toBe(false);
  expect(receiversPressed([node({ lagMs: 300 })], 250)).toBe(true);
  expect(receiversPressed([node({ lagMs: 300, state: "draining" })], 250)).toBe(false);
});

test("the newest revision is the one whose first node started last, and counts only when it can take sessions", () => {
  const old = node({ node: "me", revision: "r1", startedAtMs: 5000 });
  const firstOld = node({ node: "b", revision: "r1", startedAtMs: 100 });
  const fresh = node({ node: "c", revision: "r2", startedAtMs: 4000 });
  expect(turnAwayChance(old, [firstOld, fresh], NOW_MS)).toBe(1);
  expect(turnAwayChance(fresh, [firstOld, old], NOW_MS)).toBe(0);
  expect(turnAwayChance(old, [firstOld, { ...fresh, state: "starting" }], NOW_MS)).toBe(0);
  expect(turnAwayChance(old, [firstOld], NOW_MS)).toBe(0);
});

test("where few nodes are newer, a balancer that chooses at random still finds a place in three attempts on average", () => {
  const self = node({ node: "me", revision: "r1" });
  for (const [old, fresh] of [
    [0, 1],
    [1, 1],
    [4, 1],
    [9, 1],
    [50, 2],
  ] as const) {
    const some = (count: number, revision: string, startedAtMs: number) =>
      Array.from({ length: count }, (_, i) =>
        node({ node: `${revision}-${i}`, revision, startedAtMs }),
      );
    const chance = turnAwayChance(
      self,
      [...some(old, "r1", 1000), ...some(fresh, "r2", 9000)],
      NOW_MS,
    );
    const share = fresh / (old + fresh + 1);
    expect(1 / (share + (1 - share) * (1 - chance))).toBeLessThanOrEqual(3.0001);
    if (share >= 1 / 3) expect(chance).toBe(1);
  }
});

test("nobody is turned away towards nodes that hold as much: a balancer that looks at connections sends them back", () => {
  const self = node({ node: "me", revision: "r1", sessions: 300 });
  const chance = (...sessions: number[]): number =>
    turnAwayChance(
      self,
      sessions.map((count, i) =>
        node({ node: `n${i}`, revision: "r2", startedAtMs: 9000, sessions: count }),
      ),
      NOW_MS,
    );
  expect(chance(0)).toBe(1);
  expect(chance(299)).toBe(1);
  expect(chance(300)).toBe(0);
  expect(chance(301, 0)).toBe(1);
});

test("revisions that run side by side for long are equals: what moves goes to either", () => {
  const old = node({ node: "me", revision: "r1", startedAtMs: 0, state: "draining" });
  const others = [
    node({ node: "b", revision: "r1", startedAtMs: 0 }),
    node({ node: "c", revision: "r2", startedAtMs: 60_000 }),
  ];
  const receivers = (nowMs: number): string =>
    receiversOfMoves(old, others, nowMs)
      .map(({ node: id }) => id)
      .join("");
  expect(turnAwayChance(old, others, 16 * 60_000)).toBe(1);
  expect(receivers(16 * 60_000)).toBe("c");
  expect(turnAwayChance(old, others, 16 * 60_000 + 1)).toBe(0);
  expect(receivers(16 * 60_000 + 1)).toBe("bc");
  // Another node of it starts: the rollout goes on.
  const more = [...others, node({ node: "d", revision: "r2", startedAtMs: 30 * 60_000 })];
  expect(turnAwayChance(old, more, 31 * 60_000)).toBe(1);
});

test("rebalancing: whatever the loads, giving the excess away brings nobody below the mean and ends", () => {
  const rule = { tolerance: 0.1, sessionsMin: 10 };
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 2, maxLength: 8 }),
      (loads) => {
        const mean = loads.reduce((sum, load) => sum + load, 0) / loads.length;
        for (const [i, load] of loads.entries()) {
          const others = loads
            .filter((_, other) => other !== i)
            .map((sessions, j) => node({ node: `n${j}`, sessions }));
          const excess = excessSessions(node({ node: "me", sessions: load }), others, rule);
          expect(load - excess).toBeGreaterThanOrEqual(excess > 0 ? Math.floor(mean) : 0);
          expect(
            excessSessions(
              node({ node: "me", sessions: load - excess }),
              others.map((o) => ({ ...o, sessions: mean })),
              rule,
            ),
          ).toBe(0);
        }
      },
    ),
  );
});

test("nothing is evened out while a node drains: its sessions fill the emptier nodes", () => {
  const self = node({ node: "me", sessions: 300 });
  const rule = { tolerance: 0.1, sessionsMin: 20 };
  const empty = node({ node: "b" });
  const leaving = node({
    node: "c",
    sessions: 300,
    state: "draining",
    draining: { remaining: 300, deadlineInMs: 1000 },
  });
  expect(excessSessions(self, [empty], rule)).toBe(150);
  expect(excessSessions(self, [empty, leaving], rule)).toBe(0);
});

test("a node keeps what is within the tolerance, and what is less than worth moving", () => {
  const excess = (sessions: readonly [number, number], sessionsMin: number): number =>
    excessSessions(node({ node: "me", sessions: sessions[0] }), [node({ sessions: sessions[1] })], {
      tolerance: 0.1,
      sessionsMin,
    });
  expect(excess([110, 90], 10)).toBe(0);
  expect(excess([120, 80], 20)).toBe(20);
  expect(excess([120, 80], 21)).toBe(0);
});

test("a rebalancer sheds also a single session, also slowly, once it is told to", () => {
  const settings = { enabled: true, perSecond: 2, cooldownMs: 1000 };
  const rebalancer = new Rebalancer({ ...settings, enabled: false });
  expect([rebalancer.due(0, 1), rebalancer.due(9000, 1)]).toEqual([0, 0]);
  rebalancer.configure(settings);
  expect([rebalancer.due(10_000, 1), rebalancer.due(13_000, 1)]).toEqual([0, 1]);
});

test("a difference that goes away and comes back must last again", () => {
  const rebalancer = new Rebalancer({ enabled: true, perSecond: 20, cooldownMs: 1000 });
  expect(
    [0, 2000, 2500, 3500, 5499].map((nowMs) => rebalancer.due(nowMs, nowMs === 2000 ? 0 : 5)),
  ).toEqual([0, 0, 0, 0, 0]);
  expect(rebalancer.due(5500, 5)).toBeGreaterThan(0);
});

test("a rebalancer waits for the difference to last, sheds at its rate what it began with, and rests", () => {
  const rebalancer = new Rebalancer({ enabled: true, perSecond: 20, cooldownMs: 30_000 });
  expect(rebalancer.due(0, 100)).toBe(0);
  expect(rebalancer.due(2999, 100)).toBe(0);
  let shed = 0;
  let nowMs = 3000;
  const step = (excess: number): void => {
    const due = rebalancer.due(nowMs, excess);
    shed += due;
    for (let moved = 0; moved < due; moved++) rebalancer.moved();
  };
  for (; nowMs < 6000; nowMs += 100) step(100);
  expect(shed).toBeGreaterThan(55);
  expect(shed).toBeLessThanOrEqual(66);
  // Others' figures are old: it keeps to what it began with.
  for (; nowMs < 20_000; nowMs += 100) step(80);
  expect(shed).toBe(100);
  expect(rebalancer.active).toBe(false);
  for (; nowMs < 35_000; nowMs += 100) step(0);
  expect(shed).toBe(100);
  expect(new Rebalancer({ enabled: false, perSecond: 20, cooldownMs: 1 }).due(10_000, 100)).toBe(0);
});

/** How many are asked in each second, if `outcome` becomes of them. */
function shedding(cooldownMs: number, outcome: (rebalancer: Rebalancer) => void) {
  const rebalancer = new Rebalancer({ enabled: true, perSecond: 50, cooldownMs });
  let nowMs = 0;
  return (forMs: number): number => {
    let asked = 0;
    for (const untilMs = nowMs + forMs; nowMs < untilMs; nowMs += 250) {
      const due = rebalancer.due(nowMs, 100);
      asked += due;
      for (let i = 0; i < due; i++) outcome(rebalancer);
    }
    return asked;
  };
}

test("if all come back, a rebalancer asks eight at a time, and rests twice as long after each", () => {
  const asked = shedding(30_000, (rebalancer) => rebalancer.returned());
  // 3 s until the difference counts, 5 s until none of the eight can have moved.
  expect([asked(8250), asked(62_500)]).toEqual([8, 0]);
  expect([asked(8250), asked(119_500)]).toEqual([8, 0]);
  let later = 0;
  for (let minutes = 0; minutes < 60 * 24; minutes++) later += asked(60_000);
  expect(later).toBeGreaterThanOrEqual(8 * 24);
  expect(later).toBeLessThanOrEqual(8 * 30);
});

test("one whose cooldown is 0 rests as well if all come back", () => {
  const asked = shedding(0, (rebalancer) => rebalancer.returned());
  expect(asked(60 * 60_000)).toBeLessThanOrEqual(8 * 12);
});

test("a rebalancer goes on as soon as they move, with its own cooldown", () => {
  const what = { moves: false };
  const asked = shedding(10_000, (rebalancer) =>
    what.moves ? rebalancer.moved() : rebalancer.returned(),
  );
  expect(asked(60_000)).toBe(16);
  what.moves = true;
  expect(asked(30_000)).toBe(100);
  expect(asked(15_000)).toBe(100);
});

test("sessions of which nothing is heard hold a shedding up, and do not make the rest longer", () => {
  const asked = shedding(10_000, () => {});
  expect([asked(8250), asked(12_500), asked(5500)]).toEqual([8, 0, 8]);
});

test("measured capacity falls while handshakes make the loop late, never below a tenth, and comes back", () => {
  const meter = new CapacityMeter({ handshakesPerSecond: 1000, lagMsMax: 100 });
  meter.observe(10, 1000, 500);
  meter.observe(300, 1000, 500);
  expect(meter.handshakesPerSecond).toBe(1000);
  for (let i = 0; i < 50; i++) meter.observe(900, 1000, 500);
  expect(meter.handshakesPerSecond).toBe(100);
  for (let i = 0; i < 30; i++) meter.observe(50, 1000, 5);
  expect(meter.handshakesPerSecond).toBe(1000);
});

test("measured capacity follows the settings, and keeps the share that was measured", () => {
  const meter = new CapacityMeter({ handshakesPerSecond: 1000, lagMsMax: 100 });
  meter.observe(900, 1000, 101);
  expect(meter.handshakesPerSecond).toBe(700);
  meter.configure({ handshakesPerSecond: 100, lagMsMax: 1000 });
  expect(meter.handshakesPerSecond).toBe(70);
  meter.observe(90, 1000, 500);
  expect(meter.handshakesPerSecond).toBeCloseTo(75);
  meter.observe(90, 0, 5000);
  expect(meter.handshakesPerSecond).toBeCloseTo(75);
  // Exactly as late as allowed is not too late.
  meter.observe(90, 1000, 1000);
  expect(meter.handshakesPerSecond).toBeCloseTo(80);
  meter.observe(0, 1, 0);
  expect(meter.handshakesPerSecond).toBeCloseTo(80.005);
});
