import { describe, expect, test } from "bun:test";
import {
  keptOfMachine,
  keptOfPod,
  observedMachine,
  readMachine,
  readMark,
  readPod,
} from "./objects.ts";

const POD = {
  metadata: {
    name: "rt-1",
    namespace: "live",
    uid: "u1",
    resourceVersion: "7",
    labels: {
      "pod-template-hash": "r1",
      "holdfast.dev/protected": "true",
      "holdfast.dev/receives": "true",
    },
    annotations: {
      "holdfast.dev/drain": '{"wants":"serve","token":3}',
      "controller.kubernetes.io/pod-deletion-cost": "-5",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    },
    creationTimestamp: "2026-11-29T10:00:00Z",
  },
  spec: { nodeName: "m1", containers: [{ name: "holdfast" }] },
  status: {
    phase: "Running",
    podIP: "10.0.0.7",
    conditions: [
      { type: "Initialized", status: "True" },
      { type: "Ready", status: "True", lastTransitionTime: "2026-11-29T10:00:05Z" },
    ],
  },
};

test("a pod is read as decisions see it", () => {
  expect(readPod(POD)).toEqual({
    name: "rt-1",
    uid: "u1",
    resourceVersion: "7",
    revision: "r1",
    phase: "Running",
    isReady: true,
    readySinceMs: Date.UTC(2026, 10, 29, 10, 0, 5),
    isTerminating: false,
    machine: "m1",
    createdAtMs: Date.UTC(2026, 10, 29, 10),
    deletionCost: -5,
    isProtected: true,
    receives: true,
    mark: { wants: "serve", token: 3 },
    address: "10.0.0.7",
  });
});

test("what is kept of a pod is read the same, and has nothing else", () => {
  expect(readPod(keptOfPod(POD))).toEqual(readPod(POD));
  expect(JSON.stringify(keptOfPod(POD))).not.toMatch(/last-applied|containers|Initialized/);
});

test("a pod of which nothing is known is one that has not run", () => {
  expect(readPod({})).toMatchObject({ phase: "Unknown", isReady: false, isProtected: false });
});

describe("a mark that cannot be read is none", () => {
  test.each([
    ["not JSON", "{"],
    ["no token", '{"wants":"serve"}'],
    ["a token that is no whole number", '{"wants":"serve","token":1.5}'],
    ["a token below 0", '{"wants":"serve","token":-1}'],
    ["an unknown wish", '{"wants":"rest","token":1}'],
    ["an unknown cause", '{"wants":"drain","token":1,"cause":"x","windowMs":1}'],
    ["no window", '{"wants":"drain","token":1,"cause":"release"}'],
  ])("%s", (_, written) => expect(readMark(written)).toBeUndefined());
});

test("times and windows that no operator writes do not reach the status", () => {
  const mark = (more: object) =>
    readMark(JSON.stringify({ wants: "drain", token: 1, cause: "machine", windowMs: 5, ...more }));
  for (const windowMs of [-1, 1e308, "x"]) expect(mark({ windowMs })).toBeUndefined();
  for (const token of [-1, 2 ** 52, "1"]) expect(mark({ token })).toBeUndefined();
  for (const orderedAtMs of [-1, 1e308, 1e16, "x"])
    expect(mark({ orderedAtMs })).toMatchObject({ orderedAtMs: 0 });
  expect(mark({ windowMs: 7.5, orderedAtMs: 1.5 })).toMatchObject({ windowMs: 7, orderedAtMs: 1 });
  for (const preDelayMs of [-1, 1e308])
    expect(mark({ preDelayMs })).not.toHaveProperty("preDelayMs");
});

test("a mark comes back as it was written", () => {
  const mark = {
    wants: "drain",
    token: 9,
    cause: "release",
    windowMs: 1000,
    preDelayMs: 5,
    orderedAtMs: 4,
    toRevision: "r2",
  } as const;
  expect(readMark(JSON.stringify(mark))).toEqual(mark);
});

const machine = (spec: object) => ({
  metadata: { name: "m1", labels: { "topology.kubernetes.io/zone": "z1" } },
  spec,
});
const taint = (key: string, timeAdded?: string) => ({ key, effect: "NoSchedule", timeAdded });

test.each([
  ["nothing", {}, false],
  ["a taint of its own purpose", { taints: [taint("dedicated")] }, false],
  ["not reachable for now", { taints: [taint("node.kubernetes.io/unreachable")] }, false],
  ["cordoned", { unschedulable: true }, true],
  ["the cluster autoscaler's", { taints: [taint("ToBeDeletedByClusterAutoscaler")] }, true],
  ["Karpenter's", { taints: [taint("karpenter.sh/disrupted")] }, true],
])("a machine with %s goes: %p %p", (_, spec, goes) => {
  expect(readMachine(keptOfMachine(machine(spec)))).toMatchObject({ zone: "z1", isGoing: goes });
});

test("a spot notice says when the machine ends", () => {
  const key = "aws-node-termination-handler/spot-itn";
  const seen = readMachine(machine({ taints: [taint(key, "2026-11-29T10:00:00Z")] }));
  const nowMs = Date.UTC(2026, 10, 29, 10, 0, 30);
  const after = (wallMs: number, noticeWatchedMs: number): unknown =>
    observedMachine(seen, { watchedMs: 500_000, noticeWatchedMs, wallMs }).going?.endsInMs;
  expect(observedMachine(seen, { watchedMs: 7, noticeWatchedMs: 7, wallMs: nowMs })).toEqual({
    name: "m1",
    zone: "z1",
    going: { watchedMs: 7, endsInMs: 90_000 },
  });
  // A clock that is wrong by an hour, in either direction, gives no time and takes none.
  expect(after(nowMs - 3_600_000, 0)).toBe(120_000);
  expect(after(nowMs - 3_600_000, 100_000)).toBe(20_000);
  expect(after(nowMs + 3_600_000, 0)).toBe(120_000);
  expect(after(nowMs + 3_600_000, 100_000)).toBe(20_000);
  expect(after(nowMs + 95_000, 0)).toBe(-5000);
});
