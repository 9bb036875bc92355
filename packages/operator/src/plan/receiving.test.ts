import { expect, test } from "bun:test";
import { decide } from "../decide.ts";
import type { Desired, Strategy } from "../model/desired.ts";
import type { Observed, ReleaseState } from "../model/observed.ts";
import type { ObservedPod } from "../model/pod.ts";
import {
  desired,
  draining,
  MACHINES,
  NOW_MS,
  observed,
  type PodSpec,
  plan,
  pod,
  STATUS,
} from "../testing/builders.ts";

const labels = (seen: Observed, wish: Desired): readonly string[] =>
  plan(seen, wish).filter((text) => /^(un)?select /.test(text));

const some = (name: string, count: number, sessions: number, spec: PodSpec = {}): ObservedPod[] =>
  Array.from({ length: count }, (_, i) =>
    pod(`${name}${i + 1}`, {
      revision: name,
      machine: `m${name === "a" ? i + 1 : 6 - i}`,
      ...spec,
      report: { sessions, ...spec.report },
    }),
  );

const under = (release: Partial<ReleaseState> = {}): Partial<Observed> => ({
  status: {
    ...STATUS,
    release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "", ...release },
  },
});

const canary: Strategy = {
  kind: "Canary",
  steps: [{ sharePercent: 10, connectionMinutesMin: 500, pause: 60_000 }],
  analysis: { connectionMinutesMin: 100, connectionMinutesMax: 50_000, waitMsMax: 3_600_000 },
};

const to = (strategy: Strategy = { kind: "Rolling" }, isPaused = false): Desired =>
  desired({
    revision: "b",
    replicas: 3,
    release: { strategy, isPaused, progressMsMax: 600_000 },
  });

const MARK = {
  wants: "drain",
  token: 9,
  cause: "release",
  windowMs: 60_000,
  preDelayMs: 3000,
  orderedAtMs: NOW_MS,
  toRevision: "b",
} as const;

test("while a release drains into pods, no other pod receives: labels go before the order", () => {
  const seen = observed([...some("a", 3, 50), ...some("b", 1, 0)], under());
  const actions = decide(seen, to(), NOW_MS).actions.filter(({ kind }) => kind !== "event");
  expect(actions.map(({ kind }) => kind)).toEqual([
    "set-status",
    "set-receiving",
    "set-receiving",
    "order-drain",
  ]);
  expect(actions.at(-1)).toMatchObject({ mark: { preDelayMs: 3000 } });
});

test("labels are given before others are taken: somebody receives in between", () => {
  const pods = [...some("a", 3, 50), ...some("b", 1, 0, { receives: false })];
  expect(labels(observed(pods, under()), to())).toEqual([
    "select b1",
    "unselect a2",
    "unselect a3",
  ]);
});

const alone = (free: number): ObservedPod[] => [
  draining("a1", 40, { mark: MARK, machine: "m1" }),
  ...some("a", 3, 50, { receives: false }).slice(1),
  ...some("b", 1, 60 - free),
];

test("if newcomers took the places of those who move, old pods receive again", () => {
  expect(labels(observed(alone(0), under()), to())).toEqual([]);
  expect(labels(observed(alone(-1), under()), to())).toEqual(["select a2", "select a3"]);
});

test("between two drains labels stay as they are, if the next drain has its places", () => {
  const old = some("a", 2, 50, { receives: false });
  const seen = (sessions: number) => observed([...old, ...some("b", 2, sessions)], under());
  const cold = { ...to(), warmMs: 1e9 };
  expect(labels(seen(75), cold)).toEqual([]);
  expect(labels(seen(76), cold)).toEqual(["select a1", "select a2"]);
});

test("a paused release in which nothing drains has newcomers everywhere", () => {
  const seen = observed([...some("a", 2, 50, { receives: false }), ...some("b", 2, 9)], under());
  expect(labels(seen, to({ kind: "Rolling" }, true))).toEqual(["select a1", "select a2"]);
});

test("a canary that has its share receives nobody until it has less", () => {
  const seen = (sessions: number, receives: boolean) =>
    observed([...some("a", 3, 45), ...some("b", 1, sessions, { receives })], {
      ...under({ reachedAtMs: NOW_MS }),
    });
  expect(labels(seen(14, true), to(canary))).toEqual([]);
  expect(labels(seen(15, true), to(canary))).toEqual(["unselect b1"]);
  expect(labels(seen(15, false), to(canary))).toEqual([]);
  expect(labels(seen(14, false), to(canary))).toEqual(["select b1"]);
});

test("it receives nobody even if all the others are new or few, but never if nobody else does", () => {
  const [old, fresh] = [some("a", 1, 9), some("b", 1, 9)];
  expect(labels(observed([...old, ...fresh], under({ reachedAtMs: 1 })), to(canary))).toEqual([
    "unselect b1",
  ]);
  const dead = old.map((one) => ({ ...one, isReady: false }));
  expect(labels(observed([...dead, ...fresh], under({ reachedAtMs: 1 })), to(canary))).toEqual([]);
});

test("old pods give sessions away when balancers had time to follow, and not before", () => {
  const seen = (receivesWatchedMs: number) =>
    observed(
      [...some("a", 3, 50, { receives: false, receivesWatchedMs }), ...some("b", 1, 0)],
      under(),
    );
  expect(plan(seen(2999), to(canary))).toEqual([]);
  expect(plan(seen(3000), to(canary))).toEqual(["shed a1 to 45", "shed a2 to 45", "shed a3 to 45"]);
});

test.each<[what: string, wish: Desired, more: Partial<Observed>, canaryHas: number]>([
  ["is paused", to(canary, true), under(), 3],
  ["is filled by newcomers", to(canary), under(), 15],
  ["goes back", to(canary), under({ phase: "rolling-back" }), 3],
])(
  "sessions that old pods still give away stay where they are if a release %s",
  (_, wish, more, has) => {
    const shed = { keep: 30, remaining: 15, toRevision: "b" };
    const pods = [...some("a", 3, 45, { receives: false, report: { shed } }), ...some("b", 1, has)];
    expect(plan(observed(pods, more), wish)).toContain("shed a1 to 45");
  },
);

test("what a canary misses of its share is left to newcomers if it is little", () => {
  const seen = (sessions: number) =>
    observed(
      [...some("a", 3, 45, { receives: false }), ...some("b", 1, sessions)],
      under({ reachedAtMs: NOW_MS }),
    );
  expect(plan(seen(14), to(canary))).toEqual(["select a1", "select a2", "select a3"]);
  expect(plan(seen(13), to(canary))).toContain("shed a3 to 44");
});

test("nobody new comes to a revision that is rolled back", () => {
  const back = under({ phase: "rolling-back" });
  const seen = (sessions: number) =>
    observed([...some("a", 3, sessions), ...some("b", 1, 3)], back);
  expect(labels(seen(50), to())).toEqual([]);
  expect(plan(seen(50), to())).toEqual(["drain b1 rollback"]);
  const cold = observed(
    [...some("a", 3, 50), ...some("b", 1, 3, { isReady: false }), ...some("b", 2, 3).slice(1)],
    back,
  );
  expect(plan(cold, { ...to(), replicas: 4 })).toContain("unselect b2");
});

test("a pod whose machine is about to go receives nobody if others have places", () => {
  const machines = MACHINES.map((one) =>
    one.name === "m1" ? { ...one, going: { watchedMs: 1 } } : one,
  );
  const seen = (sessions: number) => observed(some("a", 2, sessions), { machines });
  expect(labels(seen(10), desired())).toEqual(["unselect a1"]);
  expect(labels(seen(50), desired())).toEqual([]);
});

test("a full pod receives nobody until it has places again", () => {
  const seen = (sessions: number, receives: boolean) =>
    observed([...some("a", 1, sessions, { receives }), ...some("b", 1, 70, { revision: "a" })]);
  expect(labels(seen(98, true), desired())).toEqual([]);
  expect(labels(seen(99, true), desired())).toEqual(["unselect a1"]);
  expect(labels(seen(96, false), desired())).toEqual([]);
  expect(labels(seen(95, false), desired())).toEqual(["select a1"]);
  expect(labels(observed(some("a", 2, 100)), desired())).toEqual([]);
});

test("the only pod that takes those who move receives, also if it is full", () => {
  const seen = (more: readonly ObservedPod[]) =>
    observed(
      [
        draining("a1", 2, { mark: MARK, machine: "m1" }),
        ...some("a", 2, 50).slice(1),
        ...some("b", 1, 99),
        ...more,
      ],
      under(),
    );
  expect(labels(seen([]), to())).toEqual([]);
  const other = pod("b2", { revision: "b", machine: "m5", report: { sessions: 10 } });
  expect(labels(seen([other]), to())).toEqual(["unselect a2", "unselect b1"]);
});

test("of a scale-down only the victim loses its label, and it gets it back with its drain undone", () => {
  const pods = some("a", 3, 10);
  const { actions } = decide(observed(pods), desired(), NOW_MS);
  expect(actions.filter(({ kind }) => kind === "set-receiving")).toEqual([]);
  const undone = draining("a1", 4, { machine: "m1", mark: { wants: "serve", token: 9 } });
  expect(labels(observed([undone, ...pods.slice(1)]), desired({ replicas: 3 }))).toEqual([
    "select a1",
  ]);
});

test("labels that a dead operator or a person left are mended", () => {
  const lost = observed(some("a", 2, 10, { receives: false }));
  expect(labels(lost, desired())).toEqual(["select a1", "select a2"]);
  const kept = draining("a3", 4, { machine: "m3", receives: true });
  expect(labels(observed([...some("a", 2, 10), kept]), desired())).toEqual(["unselect a3"]);
});

test("a pod that waits for balancers is not empty: newcomers still come", () => {
  const mark = { ...MARK, cause: "scale-down" } as const;
  const seen = (drainLeftMs: number, ageMs: number) =>
    observed([
      ...some("a", 2, 10),
      draining("a3", 0, { machine: "m3", mark, report: { drainLeftMs, ageMs } }),
    ]);
  expect(plan(seen(60_001, 0), desired())).not.toContain("remove a3");
  expect(plan(seen(59_900, 200), desired())).not.toContain("remove a3");
  expect(plan(seen(59_800, 200), desired())).toContain("remove a3");
});

test("the only pods that take those who move receive, also if their machine goes", () => {
  const machines = MACHINES.map((one) =>
    one.name === "m6" ? { ...one, going: { watchedMs: 0 } } : one,
  );
  const pods = [
    draining("a1", 20, { mark: MARK, machine: "m1" }),
    ...some("a", 2, 50, { receives: false }).slice(1),
    ...some("b", 1, 20, { machine: "m6" }),
  ];
  expect(labels(observed(pods, { ...under(), machines }), to())).toEqual(["select a2"]);
});

test("a pod that was told to serve again keeps its label if the others are full", () => {
  const told = (sessions: number) => {
    const news = some("b", 2, sessions, { report: { connectionsMax: 20 } });
    const back = pod("a1", {
      machine: "m4",
      isReady: false,
      mark: { wants: "serve", token: 9 },
      report: { connectionsMax: 20, state: "draining", fence: 8 },
    });
    const movers = draining("a2", 10, { mark: MARK, machine: "m3" });
    return labels(observed([...news, back, movers], under()), to());
  };
  expect(told(20)).toEqual([]);
  expect(told(5)).toEqual(["unselect a1"]);
});
