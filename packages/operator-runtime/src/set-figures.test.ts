import { expect, test } from "bun:test";
import type { Desired, Observed, ObservedPod, Status, Tally } from "@holdfast/operator";
import { gaugesOf } from "./set-figures.ts";

const NOW_MS = 1_700_000_000_000;
const DESIRED: Desired = {
  revision: "b",
  replicas: 3,
  release: {
    strategy: {
      kind: "Canary",
      steps: [{ sharePercent: 20, connectionMinutesMin: 0, pause: 0 }],
      analysis: { connectionMinutesMin: 100, connectionMinutesMax: 1000, waitMsMax: 1000 },
    },
    isPaused: false,
    progressMsMax: 600_000,
  },
  drain: { windowMs: 60_000, preDelayMs: 3000 },
  connections: { perPod: 100, headroom: 0.2 },
  rebalance: { isEnabled: true, tolerance: 0.1, sessionsMin: 20 },
  warmMs: 0,
  disruption: { replacementMsMax: 60_000 },
};
const STATUS: Status = {
  stable: "a",
  release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "" },
  rejected: [],
  condition: "Progressing",
  message: "",
};

const pod = (name: string, sessions: number, more: Partial<ObservedPod> = {}): ObservedPod => ({
  ...{ name, uid: name, resourceVersion: "1", revision: "a", phase: "Running", isReady: true },
  ...{ readySinceMs: NOW_MS - 60_000, isTerminating: false, createdAtMs: 0, deletionCost: 0 },
  ...{ isProtected: true, receives: true, receivesWatchedMs: 0, markWatchedMs: 0 },
  report: {
    ...{ state: "ready", sessions, fixedSockets: 0, connectionsMax: 100, fence: 0 },
    ageMs: 500,
  },
  ...more,
});

const tally = (crashes: number): Tally => ({
  connectionMinutes: 1000,
  resumes: 0,
  bad: { crashes, lost: 0, slow: 0, resumesFailed: 0, closedAbnormally: 0 },
});

const seen = (pods: readonly ObservedPod[], more: Partial<Observed> = {}): Observed => ({
  ...{ pods, replicaSets: [], machines: [], status: STATUS, resourceVersion: "1" },
  ...{ leaderEpoch: 1, progressWatchedMs: 0, announcedConnections: 0, lagMs: 0 },
  ...more,
});

const MARK: NonNullable<ObservedPod["mark"]> = {
  ...{ wants: "drain", token: 1, cause: "release", windowMs: 60_000, orderedAtMs: 0 },
};
const gauges = (observed: Observed) => gaugesOf(observed, DESIRED, NOW_MS);

test("connections are shown by revision, and what is left on pods that drain", () => {
  const found = gauges(
    seen([
      pod("a1", 30),
      pod("a2", 40, { mark: MARK }),
      pod("b1", 30, { revision: "b" }),
      pod("gone", 9, { isTerminating: true }),
    ]),
  );
  expect(found).toMatchObject({ connections: 100, draining: 1, drainingConnections: 40 });
  expect(found.revisions).toEqual([
    { revision: "a", pods: 2, connections: 70 },
    { revision: "b", pods: 1, connections: 30 },
  ]);
  expect(found).toMatchObject({ releaseShare: 0.3, releaseShareWanted: 0.2 });
});

test("a pod that runs and has not answered for 10 s is silent", () => {
  const { report, ...mute } = pod("mute", 0);
  if (report === undefined) throw new TypeError("no report");
  const late = pod("late", 0, { report: { ...report, ageMs: 10_001 } });
  const unborn = { ...mute, name: "unborn", phase: "Pending", isReady: false } as const;
  expect(gauges(seen([pod("fine", 0), mute, late, unborn])).silent).toBe(2);
});

test.each([
  [0, "good"],
  [200, "bad"],
] as const)("a canary with %d crashes in 1,000 connection-minutes is %s", (crashes, verdict) => {
  const tallies = { canary: tally(crashes), stable: tally(0) };
  const found = gauges(seen([pod("b1", 1, { revision: "b" })], { tallies }));
  expect(found).toMatchObject({ verdict, tallies });
});

test("without a release there is neither verdict nor tally", () => {
  const { release: _, ...status } = STATUS;
  const tallies = { canary: tally(0), stable: tally(0) };
  const found = gauges(seen([pod("a1", 1)], { status, tallies }));
  expect(found).toMatchObject({ release: "none", verdict: "none" });
  expect(found.tallies).toBeUndefined();
});
