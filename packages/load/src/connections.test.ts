// Owns: checks of schedules, with a clock and chance of the test's own. Nobody is connected: what
// is due is counted as not sent.
import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { Connections } from "./connections.ts";
import type { HoldPhase, LoadPlan, Rhythm } from "./plan.ts";
import { DEFAULT_TARGET } from "./scenarios.ts";

const HOLD: HoldPhase = {
  do: "hold",
  name: "hold",
  ms: 1_000,
  load: 1,
  churnPerSecond: 0,
  isMeasured: true,
};

function planOf(connections: number, rhythm: Rhythm): LoadPlan {
  return {
    scenario: "test",
    target: { ...DEFAULT_TARGET, driver: "ws", urls: ["ws://127.0.0.1:1"] },
    workers: 1,
    seed: 1,
    payload: { bytes: 100 },
    groups: [
      { name: "writers", connections, rooms: { name: "r{n}", size: 1, each: 1 }, writes: rhythm },
      { name: "others", connections: 1, pings: { everyMs: 100, think: "steady" } },
    ],
    phases: [HOLD],
    settleMsMax: 0,
    observe: { metricsUrls: [], pids: [] },
  };
}

function connectionsOf(plan: LoadPlan, place = { share: 0, of: 1 }) {
  let nowUs = 0;
  const random = createSeededRandom(plan.seed * 1_000 + place.share);
  const connections = new Connections({
    plan,
    run: 1,
    ...place,
    nowUs: () => nowUs,
    random: () => random.next(),
  });
  return {
    connections,
    /** Comes back at the moment, when it was armed for another one. */
    workAt(us: number, armedUs = us) {
      nowUs = us;
      connections.work(armedUs);
      return connections.recorder.records().at(-1)?.counts.unsent ?? 0;
    },
  };
}

describe("what is due in a second", () => {
  const cases: [string, HoldPhase["load"], number][] = [
    ["steady", 1, 10 * 100 + 10],
    ["at twice the load", 2, 10 * 200 + 20],
    ["one group alone", { writers: 1 }, 10 * 100],
    ["quiet", 0, 0],
  ];
  for (const [what, load, expected] of cases) {
    test(what, () => {
      const { connections, workAt } = connectionsOf(planOf(10, { everyMs: 10, think: "steady" }));
      connections.begin({ ...HOLD, load }, 0);
      expect(workAt(1_000_000)).toBe(expected);
      // The phase is over.
      expect(workAt(5_000_000)).toBe(expected);
    });
  }
  test("a Poisson process: the same on average, unevenly, and the same again with the same seed", () => {
    const counts = [1, 1, 2].map((seed) => {
      const { connections, workAt } = connectionsOf({
        ...planOf(100, { everyMs: 10, think: "random" }),
        seed,
      });
      connections.begin({ ...HOLD, load: { writers: 1 } }, 0);
      return workAt(1_000_000);
    });
    // 10,000 expected, with a standard deviation of about 100.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(600);
    expect(counts[1]).toBe(counts[0] ?? 0);
    expect(counts[2]).not.toBe(counts[0]);
  });
  test("several workers do together what one does alone", () => {
    const plan = planOf(10, { everyMs: 10, think: "steady" });
    const both = [0, 1].map((share) => {
      const { connections, workAt } = connectionsOf(plan, { share, of: 2 });
      connections.begin(HOLD, 0);
      return workAt(1_000_000);
    });
    expect(both.reduce((sum, count) => sum + count, 0)).toBe(10 * 100 + 10);
  });
});

describe("lateness", () => {
  const late = (us: number, armedUs: number) => {
    const { connections, workAt } = connectionsOf(planOf(10, { everyMs: 10, think: "steady" }));
    connections.begin({ ...HOLD, load: { writers: 1 } }, 0);
    workAt(us, armedUs);
    return connections.recorder.records().at(-1)?.times.lateness ?? [];
  };
  test("a call at the moment that it was armed for is not late, whatever became due in the timer's grain", () => {
    expect(late(500_000, 500_000).filter((_, place) => place % 2 === 0)).toEqual([0]);
  });
  test("a loop that stood still is late for everyone who was due meanwhile", () => {
    const times = late(500_000, 0);
    const us = times.filter((_, place) => place % 2 === 0);
    expect(Math.max(...us)).toBeGreaterThan(480_000);
    // Evenly from 0 to half a second: nobody's moment was moved.
    const early = times.reduce(
      (sum, count, place) =>
        sum + (place % 2 === 1 && (times[place - 1] ?? 0) < 250_000 ? count : 0),
      0,
    );
    const all = times.reduce((sum, count, place) => sum + (place % 2 === 1 ? count : 0), 0);
    expect(all).toBe(500);
    expect(Math.abs(early / all - 0.5)).toBeLessThan(0.05);
  });
});

test("churn replaces no client that waits for an answer, and goes on when the answer came", () => {
  const { connections, workAt } = connectionsOf(planOf(1, { everyMs: 10, think: "steady" }));
  // The clients without channels are connected as soon as their handshake is done.
  const [client] = connections.clients.filter(({ member }) => member.rooms.length === 0);
  client?.ready();
  client?.ping(0);
  connections.begin({ ...HOLD, load: 0, churnPerSecond: 100 }, 0);
  workAt(500_000);
  expect(client?.state).toBe("up");
  expect(connections.recorder.records().at(-1)?.errors).toEqual({});
  client?.answered(1);
  workAt(1_000_000);
  expect(client?.state).toBe("gone");
});
