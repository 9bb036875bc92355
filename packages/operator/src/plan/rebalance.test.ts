import { expect, test } from "bun:test";
import type { RebalancingState } from "../model/observed.ts";
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
  statusAfter,
} from "../testing/builders.ts";
import { REST_MS } from "./rebalance.ts";

const some = (loads: readonly number[], spec: (i: number) => PodSpec = () => ({})): ObservedPod[] =>
  loads.map((sessions, i) =>
    pod(`p${i + 1}`, { machine: `m${i + 1}`, ...spec(i), report: { sessions, ...spec(i).report } }),
  );
const wish = (replicas: number) => desired({ replicas, connections: { perPod: 100, headroom: 0 } });
const under = (givers: readonly string[], sinceMs = NOW_MS) => ({
  status: { ...STATUS, rebalancing: { givers, sinceMs } },
});
const stateAfter = (seen: ReturnType<typeof observed>, replicas: number) =>
  statusAfter(seen, wish(replicas))?.rebalancing;

test.each<[what: string, loads: readonly number[], givers: readonly string[] | undefined]>([
  ["carries more than the tolerance and 20 above the mean gives", [80, 50, 50], ["p1"]],
  ["is within 20 sessions does not", [39, 20, 20], undefined],
  ["carries as much as others does not", [50, 50, 50], undefined],
])("a pod that %s", (_, loads, givers) => {
  expect(stateAfter(observed(some(loads)), 3)?.givers).toEqual(givers as never);
});

test("a pod within the tolerance keeps its sessions, however many these are", () => {
  const large = some([1050, 1000, 1000], () => ({ report: { connectionsMax: 2000 } }));
  expect(stateAfter(observed(large), 3)).toBeUndefined();
});

test("first only pods below the mean receive, then a small portion is ordered", () => {
  const seen = (receives: boolean, receivesWatchedMs: number) =>
    observed(
      some([90, 40, 60], (i) => (i === 1 ? {} : { receives, receivesWatchedMs })),
      under(["p1"]),
    );
  expect(plan(seen(true, 600_000), wish(3))).toEqual(["unselect p1", "unselect p3"]);
  expect(plan(seen(false, 1000), wish(3))).toEqual([]);
  expect(plan(seen(false, 3000), wish(3))).toEqual(["shed p1 to 86"]);
});

test("an order that runs is left alone, and the next one comes when it is obeyed", () => {
  const seen = (remaining: number) =>
    observed(
      some([90, 40, 60], (i) => ({
        receives: i === 1,
        ...(i === 0 ? { report: { shed: { keep: 86, remaining, toRevision: "a" } } } : {}),
      })),
      under(["p1"]),
    );
  expect(plan(seen(4), wish(3))).toEqual([]);
  expect(plan(seen(0), wish(3))).toEqual(["shed p1 to 86"]);
});

test("of two pods on one machine one gives at a time, and on other machines others do", () => {
  const pods = some([90, 95, 90, 1, 1], (i) => ({
    machine: ["m1", "m1", "m2", "m3", "m4"][i] ?? "",
    receives: i > 2,
  }));
  const seen = observed(pods, under(["p1", "p2", "p3"]));
  expect(plan(seen, wish(5))).toEqual(["shed p2 to 91", "shed p3 to 86"]);
});

test.each<[what: string, givers: readonly string[], sinceMs: number, loads: readonly number[]]>([
  ["all that gave are level", ["p1"], NOW_MS - 60_000, [50, 50, 50]],
  ["it comes to no end", ["p1"], NOW_MS - 600_000, [90, 50, 50]],
])("it rests when %s", (_, givers, sinceMs, loads) => {
  const seen = observed(some(loads), under(givers, sinceMs));
  expect(stateAfter(seen, 3)).toEqual({ givers: [], sinceMs: NOW_MS });
});

test("while it rests nobody gives, and then whoever is above does", () => {
  const seen = (ms: number) => observed(some([90, 50, 50]), under([], NOW_MS - ms));
  expect(stateAfter(seen(REST_MS - 1), 3)?.givers).toEqual([]);
  expect(stateAfter(seen(REST_MS), 3)?.givers).toEqual(["p1"]);
});

const [going, ...machines] = MACHINES;

test.each<[what: string, seen: ReturnType<typeof observed>, more: object]>([
  ["a release is under way", observed(some([90, 50, 50])), { revision: "b" }],
  ["a pod drains", observed([...some([90, 50, 50]), draining("p4", 4, { machine: "m4" })]), {}],
  ["a pod is missing", observed(some([90, 50, 50])), { replicas: 4 }],
  [
    "a pod is not ready",
    observed(some([90, 50, 50], (i) => (i === 2 ? { isReady: false } : {}))),
    {},
  ],
  [
    "a machine goes",
    observed(some([90, 50, 50]), {
      machines: [...machines, { name: going?.name ?? "", zone: "z1", going: { watchedMs: 0 } }],
    }),
    {},
  ],
  [
    "a person has paused it",
    observed(some([90, 50, 50])),
    { release: { ...desired().release, isPaused: true } },
  ],
  [
    "it is not wished",
    observed(some([90, 50, 50])),
    { rebalance: { ...desired().rebalance, isEnabled: false } },
  ],
])("nobody gives while %s, and what runs ends", (_, seen, more) => {
  const given = { ...wish(3), ...more };
  expect(statusAfter(seen, given)?.rebalancing).toBeUndefined();
  const before: RebalancingState = { givers: ["p1"], sinceMs: NOW_MS - 1000 };
  const status = { ...STATUS, rebalancing: before };
  expect(statusAfter({ ...seen, status }, given)?.rebalancing).toEqual({
    givers: [],
    sinceMs: NOW_MS,
  });
});

test("newcomers fill pods that carry far less, until these have four fifths of the mean", () => {
  const labels = (loads: readonly number[], receives: readonly boolean[]) => {
    const pods = some(loads, (i) => ({ receives: receives[i] ?? true }));
    const off = { ...wish(3), rebalance: { ...desired().rebalance, isEnabled: false } };
    return plan(observed(pods), off).filter((text) => /select/.test(text));
  };
  const all = [true, true, true];
  expect(labels([60, 60, 30], all)).toEqual([]);
  expect(labels([60, 60, 15], all)).toEqual(["unselect p1", "unselect p2"]);
  expect(labels([60, 60, 38], [false, false, true])).toEqual([]);
  expect(labels([60, 60, 45], [false, false, true])).toEqual(["select p1", "select p2"]);
});
