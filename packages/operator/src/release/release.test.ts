import { expect, test } from "bun:test";
import type { Tally } from "../analysis/tally.ts";
import { decide } from "../decide.ts";
import type { Desired, ReleaseWish, Strategy } from "../model/desired.ts";
import type { Observed, ReleaseState, Status } from "../model/observed.ts";
import type { ObservedPod } from "../model/pod.ts";
import { DRAINING_COST, GOING_COST } from "../plan/orders.ts";
import { REST_MS } from "../plan/rebalance.ts";
import {
  plan as all,
  desired,
  draining,
  NOW_MS,
  observed,
  moves as plan,
  pod,
  STATUS,
  statusAfter,
} from "../testing/builders.ts";

const ANALYSIS = { connectionMinutesMin: 100, connectionMinutesMax: 50_000, waitMsMax: 3_600_000 };
const CANARY: Strategy = {
  kind: "Canary",
  steps: [
    { sharePercent: 10, connectionMinutesMin: 500, pause: 60_000 },
    { sharePercent: 50, connectionMinutesMin: 0, pause: "until-promoted" },
  ],
  analysis: ANALYSIS,
};

const old = (count: number, sessions = 50, receives = true): ObservedPod[] =>
  Array.from({ length: count }, (_, i) =>
    pod(`a${i + 1}`, { machine: `m${i + 1}`, receives, report: { sessions } }),
  );
const fresh = (count: number, sessions = 0): ObservedPod[] =>
  Array.from({ length: count }, (_, i) =>
    pod(`b${i + 1}`, { revision: "b", machine: `m${6 - i}`, report: { sessions } }),
  );

const wish = (
  strategy: Strategy,
  more: Omit<Partial<Desired>, "release"> & { release?: Partial<ReleaseWish> } = {},
) =>
  desired({
    revision: "b",
    replicas: 3,
    ...more,
    release: { strategy, isPaused: false, progressMsMax: 600_000, ...more.release },
  });

const under = (release: Partial<ReleaseState> = {}): { status: Status } => ({
  status: {
    ...STATUS,
    release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "", ...release },
  },
});

const tally = (connectionMinutes: number, lost = 0): Tally => ({
  connectionMinutes,
  resumes: 0,
  bad: { crashes: 0, lost, slow: 0, resumesFailed: 0, closedAbnormally: 0 },
});

const ROLLING: Strategy = { kind: "Rolling" };
const MARK = {
  wants: "drain",
  token: 9,
  cause: "release",
  windowMs: 60_000,
  orderedAtMs: NOW_MS,
  toRevision: "b",
} as const;

test("a new revision begins with one pod beside the wish", () => {
  const seen = observed(old(3));
  expect(plan(seen, wish(ROLLING))).toEqual(["scale b 1"]);
  expect(statusAfter(seen, wish(ROLLING))).toMatchObject({
    stable: "a",
    release: { to: "b", from: "a", phase: "advancing", step: 0 },
  });
});

test("an old pod drains into it when it is warm, one at a time, and nothing else is made meanwhile", () => {
  const cold = fresh(1).map((one) => ({ ...one, readySinceMs: NOW_MS - 9000 }));
  expect(plan(observed([...old(3), ...cold], under()), wish(ROLLING))).toEqual([]);
  const seen = observed([...old(3), ...fresh(1)], under());
  const { actions } = decide(seen, wish(ROLLING), NOW_MS);
  expect(actions.filter(({ kind }) => kind === "order-drain")).toMatchObject([
    { pod: { name: "a1" }, mark: { cause: "release", toRevision: "b" } },
  ]);
  const during = observed([draining("a1", 4, { mark: MARK }), ...old(3).slice(1), ...fresh(1, 40)]);
  expect(plan({ ...during, ...under() }, wish(ROLLING))).toEqual([]);
});

test("the emptied pod is removed, and then the next new one is made", () => {
  const [first, ...rest] = old(3);
  expect(first).toBeDefined();
  const empty = observed([draining("a1", 0, { mark: MARK }), ...rest, ...fresh(1, 50)], under());
  expect(plan(empty, wish(ROLLING))).toEqual(["scale a 2", "remove a1"]);
  expect(plan(observed([...rest, ...fresh(1, 50)], under()), wish(ROLLING))).toEqual(["scale b 2"]);
});

test("a release ends when all pods are new and ready, and is the stable one from then on", () => {
  const status = statusAfter(observed(fresh(3, 50), under()), wish(ROLLING));
  expect(status).toMatchObject({ stable: "b", condition: "Settled" });
  expect(status?.release).toBeUndefined();
});

test("whoever a release moved is not moved again at once to even pods out", () => {
  const pods = fresh(3).map((one, i) => ({
    ...one,
    report: { ...one.report, sessions: i === 0 ? 90 : 50 },
  })) as readonly ObservedPod[];
  const ended = statusAfter(observed(pods, under()), wish(ROLLING));
  expect(ended?.rebalancing).toEqual({ givers: [], sinceMs: NOW_MS });
  expect(plan(observed(pods, { status: ended as Status }), wish(ROLLING))).toEqual([]);
  const later = { ...(ended as Status), rebalancing: { givers: [], sinceMs: NOW_MS - REST_MS } };
  const rested = statusAfter(observed(pods, { status: later }), wish(ROLLING));
  expect(rested?.rebalancing?.givers).toEqual(["b1"]);
});

test("if newcomers filled the new pods, one more is made instead of waiting for ever", () => {
  const seen = observed([...old(1, 95), ...fresh(1, 30)], under());
  expect(plan(seen, wish(ROLLING, { replicas: 1 }))).toEqual(["scale b 2"]);
});

test("a drain whose receivers died is undone: its people would move twice", () => {
  const dead = fresh(1).map((one) => ({ ...one, isReady: false }));
  const seen = observed([draining("a1", 9, { mark: MARK }), ...old(3).slice(1), ...dead], under());
  expect(plan(seen, wish(ROLLING))).toEqual(["serve a1"]);
});

test("a drain into a revision that is not wanted any more is undone", () => {
  const pods = [draining("a1", 9, { mark: MARK }), ...old(3).slice(1), ...fresh(1)];
  expect(plan(observed(pods, under()), wish(ROLLING, { revision: "c" }))).toContain("serve a1");
});

test("if it is paused, nothing new begins", () => {
  const paused = wish(ROLLING, { release: { isPaused: true } });
  expect(plan(observed(old(3)), paused)).toEqual([]);
  expect(plan(observed([...old(3), ...fresh(1)], under()), paused)).toEqual([]);
});

test("a canary gets a share of the live connections, not a pod's worth", () => {
  const seen = observed([...old(3, 50, false), ...fresh(1)], under());
  expect(plan(seen, wish(CANARY))).toEqual(["shed a1 to 45", "shed a2 to 45", "shed a3 to 45"]);
});

test("a small share comes from all old pods together, to the last one", () => {
  const seen = observed([...old(3, 17, false), ...fresh(1)], under());
  expect(plan(seen, wish(CANARY))).toEqual(["shed a1 to 16", "shed a2 to 15", "shed a3 to 15"]);
});

test("whole pods drain as far as the share allows", () => {
  const step = under({ step: 1 });
  const pods = [...old(4, 50), ...fresh(2, 10)];
  expect(plan(observed(pods, step), wish(CANARY, { replicas: 4 }))).toContain("drain a1 release");
  const enough = [...old(3, 50, false), ...fresh(2, 45)];
  expect(plan(observed(enough, step), wish(CANARY, { replicas: 4 }))).toEqual([
    "shed a1 to 40",
    "shed a2 to 40",
    "shed a3 to 40",
  ]);
});

test("a step is left when its connection-minutes, its verdict and its time are there", () => {
  const pods = [...old(3, 45), ...fresh(1, 15)];
  const after = (
    minutes: number,
    more: Partial<Observed> & { reachedAtMs?: number; promoted?: number } = {},
  ) =>
    statusAfter(
      observed(pods, {
        ...under({ reachedAtMs: more.reachedAtMs ?? NOW_MS - 60_000 }),
        tallies: { canary: tally(minutes), stable: tally(minutes * 9) },
        ...more,
      }),
      wish(CANARY, {
        release:
          more.promoted === undefined ? {} : { promoted: { revision: "b", step: more.promoted } },
      }),
    );
  expect(after(60_000)?.release?.step).toBe(1);
  expect(after(400)?.release?.step).toBe(0);
  expect(after(400)?.message).toContain("it waits for 500 connection-minutes");
  expect(after(600)?.message).toContain("It is not clear yet");
  // Nobody needs to do anything.
  expect(after(600)?.condition).toBe("Progressing");
  expect(after(60_000, { reachedAtMs: NOW_MS - 59_000 })?.message).toContain("the step lasts 60 s");
  expect(after(400, { promoted: 0 })?.release?.step).toBe(1);
  expect(after(400, { promoted: 1 })?.release?.step).toBe(0);
  // Too few people for a verdict: it is waited for, not for ever.
  expect(after(400, { progressWatchedMs: 3_600_000 })?.release?.step).toBe(1);
});

test("a step that is reached at once is not judged by what was counted before it", () => {
  const pods = [...old(3, 1), ...fresh(2, 1)];
  const seen = observed(pods, {
    ...under({ reachedAtMs: NOW_MS - 60_000 }),
    progressWatchedMs: 3_600_000,
    tallies: { canary: tally(60_000), stable: tally(540_000) },
  });
  const twice = {
    ...CANARY,
    steps: [...CANARY.steps.slice(0, 1), { sharePercent: 50, connectionMinutesMin: 9, pause: 0 }],
  };
  expect(statusAfter(seen, wish(twice))?.release?.step).toBe(1);
});

test("if all steps are promoted, none waits, but a bad verdict still rolls back", () => {
  const all = wish(CANARY, { release: { promoted: { revision: "b", step: "all" } } });
  const pods = [...old(3, 1), ...fresh(2, 1)];
  expect(statusAfter(observed(pods, under()), all)?.release?.step).toBe(2);
  const other = wish(CANARY, { release: { promoted: { revision: "c", step: "all" } } });
  expect(statusAfter(observed(pods, under()), other)?.release?.step).toBe(0);
  const tallies = { canary: tally(900, 80), stable: tally(900, 1) };
  expect(statusAfter(observed(pods, { ...under(), tallies }), all)?.release?.phase).toBe(
    "rolling-back",
  );
});

test("a paused release takes no step, promoted or not", () => {
  const pods = [...old(3, 1), ...fresh(2, 1)];
  const paused = { isPaused: true, promoted: { revision: "b", step: "all" } } as const;
  const status = statusAfter(observed(pods, under()), wish(CANARY, { release: paused }));
  expect(status?.release?.step).toBe(0);
  expect(status?.message).toContain("the release is paused");
});

test("a step may wait for a person", () => {
  const pods = [...old(2, 50), ...fresh(2, 50)];
  const seen = observed(pods, under({ step: 1, reachedAtMs: NOW_MS - 1e9 }));
  expect(statusAfter(seen, wish(CANARY))?.message).toContain("it waits to be promoted");
  expect(statusAfter(seen, wish(CANARY))?.condition).toBe("Waiting");
  const promoted = wish(CANARY, { release: { promoted: { revision: "b", step: 1 } } });
  expect(statusAfter(seen, promoted)?.release?.step).toBe(2);
});

test("a bad verdict rolls back with its figures, and old pods are made at once", () => {
  const seen = observed([...old(2, 45), ...fresh(2, 45)], {
    ...under({ step: 1 }),
    tallies: { canary: tally(900, 80), stable: tally(900, 1) },
  });
  const bad = wish(CANARY, { replicas: 4 });
  expect(plan(seen, bad)).toEqual(["scale a 4"]);
  const status = statusAfter(seen, bad);
  expect(status?.release).toMatchObject({
    phase: "rolling-back",
    isRejected: true,
    because:
      "8.9 % of its connection-minutes lost a publication (80 of 900), " +
      "and 0.1 % of the old revision's (1 of 900).",
  });
  const back = observed([...old(4, 20), ...fresh(2, 45)], {
    ...under(),
    ...(status && { status }),
  });
  expect(plan(back, bad)).toEqual(["drain b1 rollback", "drain b2 rollback"]);
});

test("a revision that was rolled back is not tried again, unless a person says so", () => {
  const status = { ...STATUS, rejected: ["b"] };
  const seen = observed(old(3), { status });
  expect(plan(seen, wish(CANARY))).toEqual([]);
  expect(statusAfter(seen, wish(CANARY))).toMatchObject({
    condition: "Waiting",
    message: "Revision b was rolled back and is not tried again by itself.",
  });
  expect(plan(seen, wish(CANARY, { release: { retried: "b" } }))).toEqual(["scale b 1"]);
});

test.each<[what: string, wish: Desired, more: Partial<Observed>, rejected: readonly string[]]>([
  ["it was aborted", wish(CANARY, { release: { aborted: "b" } }), {}, ["b"]],
  ["its pods do not become ready", wish(ROLLING), { progressWatchedMs: 600_000 }, ["b"]],
  ["the template is the old one again", wish(ROLLING, { revision: "a" }), {}, []],
])("it goes back if %s", (_, back, more, rejected) => {
  const cold = fresh(1, 20).map((one) => ({ ...one, isReady: false }));
  const pods = [...old(3), ...cold];
  const status = statusAfter(observed(pods, { ...under(), ...more }), back);
  expect(status?.release?.phase).toBe("rolling-back");
  const done = observed(old(3), status === undefined ? {} : { status });
  expect(statusAfter(done, back)).toMatchObject({ stable: "a", rejected });
});

test("what waits at a step is not stuck", () => {
  const seen = observed([...old(3, 45), ...fresh(1, 15)], {
    ...under({ reachedAtMs: NOW_MS - 1e6 }),
    progressWatchedMs: 700_000,
  });
  expect(statusAfter(seen, wish(CANARY))?.release?.phase).toBe("advancing");
});

test("a step goes on with what it has if old pods give nothing away, and is not held against the new ones", () => {
  const pods = [...old(3, 50), ...fresh(1, 5)];
  const seen = observed(pods, { ...under(), progressWatchedMs: 600_000 });
  expect(statusAfter(seen, wish(CANARY))?.release).toMatchObject({
    phase: "advancing",
    reachedAtMs: NOW_MS,
  });
});

test("at most ten rejected revisions are remembered", () => {
  const rejected = Array.from({ length: 10 }, (_, i) => `r${i}`);
  const seen = observed(old(3), {
    status: {
      ...STATUS,
      rejected,
      release: {
        to: "b",
        from: "a",
        phase: "rolling-back",
        step: 0,
        progress: "",
        isRejected: true,
      },
    },
  });
  expect(statusAfter(seen, wish(ROLLING))?.rejected).toEqual([...rejected.slice(1), "b"]);
});

const BLUE_GREEN: Strategy = { kind: "BlueGreen", keepOldMs: 300_000, analysis: ANALYSIS };

test("blue-green makes all new pods first, and drains none before all are warm", () => {
  expect(plan(observed(old(3)), wish(BLUE_GREEN))).toEqual(["scale b 3"]);
  const cold = fresh(3).map((one, i) => (i === 0 ? { ...one, isReady: false } : one));
  expect(plan(observed([...old(3), ...cold], under()), wish(BLUE_GREEN))).toEqual([]);
  expect(plan(observed([...old(3), ...fresh(3)], under()), wish(BLUE_GREEN))).toEqual([
    "drain a1 release",
    "drain a2 release",
    "drain a3 release",
  ]);
});

test("its emptied pods stay to go back to, may be evicted, and are removed after a while", () => {
  const empty = (more: Parameters<typeof draining>[2] = {}) =>
    old(3).map(({ name, machine }, i) =>
      draining(name, 0, {
        mark: MARK,
        machine: machine ?? `m${i}`,
        deletionCost: DRAINING_COST,
        ...more,
      }),
    );
  const kept = observed([...empty(), ...fresh(3, 50)], under());
  expect(plan(kept, wish(BLUE_GREEN))).toEqual(["open a1", "open a2", "open a3"]);
  const opened = empty({ isProtected: false });
  const later = observed([...opened, ...fresh(3, 50)], {
    ...under({ reachedAtMs: NOW_MS - 300_000 }),
    tallies: { canary: tally(60_000), stable: tally(60_000) },
  });
  const givenUp = ["a1", "a2", "a3"].map((name) => `cost ${name} ${GOING_COST}`);
  expect(plan(later, wish(BLUE_GREEN))).toEqual(givenUp);
  const aborted = wish(BLUE_GREEN, { release: { aborted: "b" } });
  expect(plan({ ...later, ...under() }, aborted)).toEqual(["serve a1", "serve a2", "serve a3"]);
});

test("if demand grows while emptied pods are kept, new ones are made at once", () => {
  const kept = old(3).map(({ name }) =>
    draining(name, 0, { mark: MARK, isProtected: false, deletionCost: DRAINING_COST }),
  );
  const seen = observed([...kept, ...fresh(3, 90)], under());
  expect(plan(seen, wish(BLUE_GREEN, { replicas: 5 }))).toEqual(["scale b 5"]);
});

/** A Deployment's pods, which the operator sees for the first time. */
const adopted = (pods: readonly ObservedPod[], more: Partial<Observed> = {}): Observed => {
  const { status: _, ...seen } = observed(
    pods.map((one) => ({ ...one, receives: false, isProtected: false })),
    more,
  );
  return seen;
};

test("an adopted set whose template is the same stays as it is, and its pods get their labels", () => {
  const seen = adopted(old(3));
  const same = wish(ROLLING, { revision: "a" });
  expect(statusAfter(seen, same)).toMatchObject({ stable: "a", condition: "Settled" });
  expect(statusAfter(seen, same)?.release).toBeUndefined();
  expect(all(seen, same)).toEqual(["select a1", "select a2", "select a3"]);
});

test.each([
  ["rolled", ROLLING, ["scale b 1"]],
  ["a canary", CANARY, ["scale b 1"]],
])("an adopted set with another template is released from what runs: %s", (_, strategy, does) => {
  const seen = adopted(old(3));
  expect(plan(seen, wish(strategy))).toEqual(does);
  expect(statusAfter(seen, wish(strategy))).toMatchObject({
    stable: "a",
    release: { from: "a", to: "b", step: 0 },
  });
});

test.each<[what: string, seen: Observed]>([
  ["most of its pods", adopted([...old(3), ...fresh(1)])],
  ["its pods if no ReplicaSet is seen yet", adopted(old(3), { replicaSets: [] })],
  ["those that are not wished if half of them are", adopted([...old(2), ...fresh(2)])],
])("an adopted set has the revision of %s", (_, seen) => {
  expect(statusAfter(seen, wish(CANARY))).toMatchObject({ stable: "a", release: { to: "b" } });
});

test.each<[what: string, arrived: number, watchedMs: number, goesBack: boolean]>([
  ["nobody arrived in half of the window", 0, 40_000, true],
  ["it has not had half of the window", 0, 20_000, false],
  ["some arrived", 20, 40_000, false],
])(
  "a revision that accepts nobody is rolled back before anybody is cut: %s",
  (_, arrived, watchedMs, goesBack) => {
    const mark = { ...MARK, preDelayMs: 2000 };
    const drains = draining("a1", 45, { mark, markWatchedMs: watchedMs });
    const seen = observed([drains, ...old(3).slice(1), ...fresh(1, arrived)], under());
    const status = statusAfter(seen, wish(ROLLING));
    expect(status?.release?.phase ?? "advancing").toBe(goesBack ? "rolling-back" : "advancing");
    if (goesBack) {
      expect(status?.release).toMatchObject({ isRejected: true });
      expect(plan(seen, wish(ROLLING))).toContain("serve a1");
    }
  },
);
