import { describe, expect, test } from "bun:test";
import type { Status } from "../model/observed.ts";
import { ACCEPTED, REFUSALS, realtimeSet } from "./cases.ts";
import { COMMANDS, desiredOf, readSet, type SetAsRead } from "./set.ts";

const METADATA = { name: "shop", namespace: "eu", uid: "u1", resourceVersion: "7", generation: 3 };

function stored(spec: object = {}, annotations: Readonly<Record<string, string>> = {}) {
  return { ...realtimeSet({ ...spec }), metadata: { ...METADATA, annotations } };
}

function read(spec?: object, annotations?: Readonly<Record<string, string>>): SetAsRead {
  const result = readSet(stored(spec, annotations));
  if (!result.ok) throw new Error(result.problems.join("\n"));
  return result.value;
}

const CONTEXT = { revision: "r1", replicasNow: 0 };
const wish = (spec?: object, annotations?: Readonly<Record<string, string>>) =>
  desiredOf(read(spec, annotations), CONTEXT);

test("the least RealtimeSet is a wish with every default", () => {
  expect(wish()).toEqual({
    revision: "r1",
    replicas: 1,
    release: { strategy: { kind: "Rolling" }, isPaused: false, progressMsMax: 600_000 },
    drain: { windowMs: 57_000, preDelayMs: 3000 },
    connections: { perPod: 10_000, headroom: 0.2 },
    rebalance: { isEnabled: true, tolerance: 0.1, sessionsMin: 20 },
    warmMs: 10_000,
    disruption: { replacementMsMax: 120_000 },
  });
  expect(read().spec).toMatchObject({
    drain: { preDelaySeconds: 3 },
    dataPlane: { kind: "node", node: { port: 8000, scheme: "http", basePath: "" } },
    revisionHistoryLimit: 5,
    releaseHistoryLimit: 10,
  });
});

test("the delay of a drain is part of its longest time", () => {
  const { drain } = wish({ drain: { maxSeconds: 61, preDelaySeconds: 60 } });
  expect(drain).toEqual({ windowMs: 1000, preDelayMs: 60_000 });
});

test("the number of pods is the stated one, or the one that runs, or one", () => {
  expect(wish({ replicas: 0 }).replicas).toBe(0);
  expect(desiredOf(read(), { revision: "r1", replicasNow: 7 }).replicas).toBe(7);
  expect(desiredOf(read({ replicas: 2 }), { revision: "r1", replicasNow: 7 }).replicas).toBe(2);
});

test("a canary, blue and green, and the autoscaling come over with their units", () => {
  const canary = {
    strategy: "Canary",
    canary: {
      steps: [
        { sharePercent: 5, connectionMinutes: 200, pauseSeconds: 30 },
        { sharePercent: 50, untilPromoted: true },
      ],
    },
    analysis: { waitSecondsMax: 60 },
  };
  expect(wish({ release: canary }).release.strategy).toEqual({
    kind: "Canary",
    steps: [
      { sharePercent: 5, connectionMinutesMin: 200, pause: 30_000 },
      { sharePercent: 50, connectionMinutesMin: 0, pause: "until-promoted" },
    ],
    analysis: { connectionMinutesMin: 100, connectionMinutesMax: 50_000, waitMsMax: 60_000 },
  });
  expect(wish({ release: { strategy: "BlueGreen" } }).release.strategy).toMatchObject({
    kind: "BlueGreen",
    keepOldMs: 600_000,
  });
  expect(wish({ autoscaling: { minReplicas: 2, maxReplicas: 9 } }).autoscaling).toEqual({
    replicasMin: 2,
    replicasMax: 9,
    downAfterMs: 300_000,
  });
});

const STATUS: Status = {
  stable: "a",
  release: { to: "b", from: "a", phase: "advancing", step: 2, progress: "" },
  rejected: [],
  condition: "Progressing",
  message: "",
};

test("commands of people are annotations, and steps count from 1", () => {
  const promoted = wish({}, { [COMMANDS.promote]: "b/3" });
  expect(promoted.release.promoted).toEqual({ revision: "b", step: 2 });
  const all = read({}, { [COMMANDS.promote]: "b/all" });
  expect(desiredOf(all, { ...CONTEXT, status: STATUS }).release.promoted).toEqual({
    revision: "b",
    step: 2,
  });
  const others = { [COMMANDS.abort]: "b", [COMMANDS.retry]: "c", [COMMANDS.pause]: "true" };
  expect(wish({}, others).release).toMatchObject({ aborted: "b", retried: "c", isPaused: true });
  expect(wish({}, { [COMMANDS.pause]: "false" }).release.isPaused).toBe(false);
});

const UNREADABLE = [
  [COMMANDS.promote, "b"],
  [COMMANDS.promote, "b/0"],
  [COMMANDS.promote, "b/1.5"],
  [COMMANDS.promote, "/1"],
  [COMMANDS.abort, "b c"],
  [COMMANDS.retry, "-b"],
] as const;

test.each(UNREADABLE)("%s: %p orders nothing and is told", (name, value) => {
  const set = read({}, { [name]: value });
  expect(set.commands).toEqual({ isPaused: false });
  expect(set.commandProblems).toHaveLength(1);
  expect(set.commandProblems[0]).toContain(name);
});

test("a pause that nobody can read pauses", () => {
  const set = read({}, { [COMMANDS.pause]: "yes" });
  expect(set.commands.isPaused).toBe(true);
  expect(set.commandProblems).toHaveLength(1);
});

describe("a reading refuses what the API server refuses", () => {
  test.each(REFUSALS.map(({ name, spec }) => [name, spec] as const))("%s", (_, spec) => {
    const result = readSet(stored(spec));
    expect(result.ok).toBe(false);
  });
  test.each(ACCEPTED.map(({ name, spec }) => [name, spec] as const))("not: %s", (_, spec) => {
    expect(readSet(stored(spec))).toMatchObject({ ok: true });
  });
});

test("what is no RealtimeSet is refused with words", () => {
  for (const json of [undefined, null, 7, "text", [], {}, { spec: 3, metadata: [] }]) {
    const result = readSet(json);
    expect(result.ok ? [] : result.problems).not.toEqual([]);
  }
});
