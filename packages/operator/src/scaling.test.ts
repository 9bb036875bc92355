import { describe, expect, test } from "bun:test";
import type { AutoscalingState, Observed } from "./model/observed.ts";
import type { ObservedPod } from "./model/pod.ts";
import { demandOf } from "./scaling.ts";
import {
  desired,
  draining,
  MACHINES,
  moves,
  NOW_MS,
  observed,
  plan,
  pod,
  STATUS,
  statusAfter,
} from "./testing/builders.ts";

const wish = desired({
  autoscaling: { replicasMin: 1, replicasMax: 10, downAfterMs: 300_000 },
});
const DAY_MS = 86_400_000;

const loaded = (count: number, sessions: number) =>
  Array.from({ length: count }, (_, i) =>
    pod(`p${i + 1}`, { machine: `m${i + 1}`, report: { sessions } }),
  );

const remembered = (autoscaling: AutoscalingState) => ({ status: { ...STATUS, autoscaling } });

test("demand is what is connected and what is announced, with headroom and one pod more", () => {
  const seen = observed(loaded(2, 80), {
    ...remembered({ replicas: 2 }),
    announcedConnections: 200,
  });
  // 360 / (100 x 0.8) = 4.5, so 5 carry it, and one may die.
  expect(plan(seen, wish)).toEqual(["scale a 6"]);
});

test("capacity is what pods say, not what was configured", () => {
  const pods = loaded(2, 80).map((one) => ({
    ...one,
    ...(one.report === undefined ? {} : { report: { ...one.report, connectionsMax: 50 } }),
  }));
  expect(plan(observed(pods, remembered({ replicas: 2 })), wish)).toEqual(["scale a 5"]);
});

test("people on draining pods count: they need a place, too", () => {
  const pods = [...loaded(2, 80), draining("p9", 160, { machine: "m5" })];
  const seen = observed(pods, remembered({ replicas: 2 }));
  expect(statusAfter(seen, wish)?.autoscaling?.replicas).toBe(5);
});

test.each([
  ["at least", 0, { replicasMin: 3, replicasMax: 10 }, 3],
  ["at most", 900, { replicasMin: 1, replicasMax: 4 }, 4],
])("there are %s as many as wished", (_, announcedConnections, range, replicas) => {
  const seen = observed(loaded(1, 0), { ...remembered({ replicas: 1 }), announcedConnections });
  const limited = desired({ autoscaling: { ...range, downAfterMs: 0 } });
  expect(statusAfter(seen, limited)?.autoscaling?.replicas).toBe(replicas);
});

test("fewer pods must do for a while before one goes, and a jump of the clock back begins anew", () => {
  const seen = (lowSinceMs?: number) =>
    observed(
      loaded(3, 10),
      remembered({ replicas: 3, ...(lowSinceMs === undefined ? {} : { lowSinceMs }) }),
    );
  expect(statusAfter(seen(), wish)?.autoscaling).toEqual({ replicas: 3, lowSinceMs: NOW_MS });
  expect(plan(seen(NOW_MS - 299_000), wish)).toEqual([]);
  expect(plan(seen(NOW_MS - 300_000), wish)).toEqual(["drain p1 scale-down"]);
  expect(statusAfter(seen(NOW_MS + DAY_MS), wish)?.autoscaling?.lowSinceMs).toBe(NOW_MS);
});

test("it never scales down while a drain, a release or a machine's end is unsettled", () => {
  const low = remembered({ replicas: 3, lowSinceMs: NOW_MS - DAY_MS });
  const [first, second, third] = loaded(3, 10);
  if (first === undefined || second === undefined || third === undefined) throw new RangeError();
  const stays = (seen: ReturnType<typeof observed>, revision = "a") =>
    expect(statusAfter(seen, { ...wish, revision })?.autoscaling?.replicas).toBe(3);
  stays(observed([first, second, third, draining("p4", 10)], low));
  stays(observed([first, second, { ...third, isReady: false }], low));
  const machines = [{ name: "m1", zone: "z1", going: { watchedMs: 0 } }];
  stays(observed([first, second, third], { ...low, machines }));
  const release = { to: "b", from: "a", phase: "advancing", step: 0, progress: "" } as const;
  stays(observed([first, second, third], { status: { ...low.status, release } }), "b");
});

test("it goes down one by one and up at once", () => {
  const low = observed(loaded(6, 10), remembered({ replicas: 6, lowSinceMs: NOW_MS - DAY_MS }));
  expect(statusAfter(low, wish)?.autoscaling?.replicas).toBe(5);
  const high = observed(loaded(2, 10), {
    ...remembered({ replicas: 2 }),
    announcedConnections: 700,
  });
  expect(plan(high, wish)).toEqual(["scale a 10"]);
});

test("a spike of ten times has its pods ordered with the first decision that sees it", () => {
  const before = { ...remembered({ replicas: 2 }) };
  const wide = desired({ autoscaling: { replicasMin: 1, replicasMax: 30, downAfterMs: 300_000 } });
  expect(plan(observed(loaded(2, 40), before), wide)).toEqual([]);
  // 800 instead of 80: two pods hold 200, and 600 were turned away.
  const full = loaded(2, 100).map((one) => ({
    ...one,
    ...(one.report === undefined ? {} : { report: { ...one.report, waiting: 300 } }),
  }));
  expect(plan(observed(full, before), wide)).toEqual(["scale a 11"]);
  const old = full.map((one) => ({
    ...one,
    ...(one.report === undefined ? {} : { report: { ...one.report, ageMs: 10_001 } }),
  }));
  expect(statusAfter(observed(old, before), wide)?.autoscaling?.replicas).toBe(4);
  // In a release, too.
  const release = { to: "b", from: "a", phase: "advancing", step: 0, progress: "" } as const;
  const under = observed(full, { status: { ...before.status, release } });
  expect(statusAfter(under, { ...wide, revision: "b" })?.autoscaling?.replicas).toBe(11);
});

test("after the spike the cheapest pods go, one by one", () => {
  let pods = loaded(5, 0).map((one, i) => ({
    ...one,
    ...(one.report === undefined ? {} : { report: { ...one.report, sessions: 9 - i } }),
  }));
  let autoscaling: AutoscalingState = { replicas: 5, lowSinceMs: NOW_MS - DAY_MS };
  const gone: string[] = [];
  for (let i = 0; i < 3; i++) {
    const seen = observed(pods, remembered(autoscaling));
    expect(plan(seen, wish)).toEqual([`drain p${5 - i} scale-down`]);
    autoscaling = statusAfter(seen, wish)?.autoscaling ?? autoscaling;
    expect(autoscaling.replicas).toBe(4 - i);
    // While it drains, no other one goes.
    const victim = pods.find(({ name }) => name === `p${5 - i}`);
    pods = pods.filter((one) => one !== victim);
    const busy = draining(`p${5 - i}`, 3, { machine: victim?.machine ?? "" });
    const during = observed([...pods, busy], remembered(autoscaling));
    expect(plan(during, wish)).toEqual([]);
    gone.push(busy.name);
  }
  expect(gone).toEqual(["p5", "p4", "p3"]);
  expect(plan(observed(pods, remembered(autoscaling)), wish)).toEqual([]);
});

describe("an autoscaler elsewhere", () => {
  const plain = (replicas: number) => desired({ replicas });
  const told = (pods: readonly ObservedPod[], replicas: number, more: Partial<Observed> = {}) =>
    demandOf(observed(pods, more), plain(replicas), NOW_MS);

  test.each([
    [1, 0],
    [2, 10],
    [2, 40],
    [3, 40],
    [3, 80],
    [5, 79],
  ])("is told the number of the set's own autoscaling: %d pods with %d each", (count, each) => {
    const own = statusAfter(observed(loaded(count, each), remembered({ replicas: 1 })), wish);
    expect(told(loaded(count, each), count)).toEqual({
      pods: own?.autoscaling?.replicas ?? 0,
      isHeld: false,
    });
  });

  test("is told fewer at once if nothing is under way: its patience is its own", () => {
    expect(told(loaded(5, 10), 5)).toEqual({ pods: 2, isHeld: false });
  });

  test.each<[string, readonly ObservedPod[], Partial<Observed>]>([
    ["a pod drains", [...loaded(4, 10), draining("p5", 10, { machine: "m5" })], {}],
    ["a pod is missing", loaded(4, 10), {}],
    ["a pod was not heard of", [...loaded(4, 10), silent("p5")], {}],
    [
      "a release is under way",
      loaded(5, 10),
      {
        status: {
          ...STATUS,
          release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "" },
        },
      },
    ],
    [
      "a machine is about to go",
      loaded(5, 10),
      { machines: MACHINES.map((one) => ({ ...one, going: { watchedMs: 1 } })) },
    ],
  ])("is told the wished number, and no less, while %s", (_, pods, more) => {
    expect(told(pods, 5, more)).toEqual({ pods: 5, isHeld: true });
  });

  test("is told more at any time", () => {
    const pods = [...loaded(4, 90), draining("p5", 90, { machine: "m5" })];
    expect(told(pods, 5)).toEqual({ pods: 7, isHeld: false });
  });

  test("is told nothing if pods run and none has said who is on it", () => {
    expect(told([silent("p1"), silent("p2")], 2)).toBeUndefined();
    expect(told([silent("p1"), ...loaded(1, 10)], 2)).toEqual({ pods: 2, isHeld: false });
  });

  test("is told one pod of a set that has none: somebody must be there for the first", () => {
    expect(told([], 0)).toEqual({ pods: 1, isHeld: false });
  });
});

describe("fewer pods that somebody else wishes", () => {
  const fewer = (revision = "a") => desired({ replicas: 2, revision });

  test("go one by one, with the people on them moved first", () => {
    expect(moves(observed(loaded(4, 10)), fewer())).toEqual(["drain p1 scale-down"]);
    const one = draining("p1", 10, { machine: "m1" });
    expect(moves(observed([one, ...loaded(4, 10).slice(1)]), fewer())).toEqual([]);
  });

  test("stay until a release is over, and the wish is kept", () => {
    const fresh = loaded(4, 10).map((one) => ({ ...one, revision: "b" }));
    const old = pod("p5", { machine: "m5", report: { sessions: 10 } });
    const release = {
      ...{ to: "b", from: "a", phase: "advancing" as const, step: 0, progress: "" },
    };
    const during = observed([...fresh, old], { status: { ...STATUS, release } });
    expect(moves(during, fewer("b"))).toEqual(["drain p5 release"]);
    const after = observed(fresh, { status: { ...STATUS, stable: "b" } });
    expect(moves(after, fewer("b"))).toEqual(["drain p1 scale-down"]);
  });
});

/** It runs, and was never heard of. */
function silent(name: string): ObservedPod {
  const { report: _, ...rest } = pod(name, { machine: "m5" });
  return rest;
}
