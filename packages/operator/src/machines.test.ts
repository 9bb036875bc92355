import { expect, test } from "bun:test";
import type { Observed } from "./model/observed.ts";
import type { ObservedPod } from "./model/pod.ts";
import {
  desired,
  draining,
  MACHINES,
  observed,
  moves as plan,
  pod,
  statusAfter,
} from "./testing/builders.ts";

const MACHINE_MARK = {
  wants: "drain",
  token: 9,
  cause: "machine",
  windowMs: 60_000,
  orderedAtMs: 1,
} as const;

/** Machines of which some are about to go. */
const leaving = (
  names: readonly string[],
  going: NonNullable<Observed["machines"][number]["going"]> = { watchedMs: 1000 },
): Partial<Observed> => ({
  machines: MACHINES.map((one) => (names.includes(one.name) ? { ...one, going } : one)),
});

const on = (name: string, machine: string, sessions = 10): ObservedPod =>
  pod(name, { machine, report: { sessions } });

test("a pod of a machine that goes is replaced first", () => {
  const seen = observed([on("p1", "m1"), on("p2", "m2")], leaving(["m1"]));
  expect(plan(seen, desired())).toEqual(["scale a 3"]);
  expect(statusAfter(seen, desired())?.message).toContain(
    "p1 waits for its replacement: m1 is about to go.",
  );
});

test("it drains when its replacement is ready, and is removed when it is empty", () => {
  const pods = [on("p2", "m2"), on("p3", "m3", 0)];
  expect(plan(observed([on("p1", "m1"), ...pods], leaving(["m1"])), desired())).toEqual([
    "drain p1 machine",
  ]);
  const empty = draining("p1", 0, { machine: "m1", mark: MACHINE_MARK });
  expect(plan(observed([empty, ...pods], leaving(["m1"])), desired())).toEqual([
    "scale a 2",
    "remove p1",
  ]);
});

test("of two machines that go at once, each has one pod that drains", () => {
  const old = [on("p1", "m1"), on("p2", "m1"), on("p3", "m2"), on("p4", "m2")];
  const fresh = ["m3", "m4", "m5", "m6"].map((machine, i) => on(`q${i}`, machine, 0));
  const wish = desired({ replicas: 4 });
  expect(plan(observed(old, leaving(["m1", "m2"])), wish)).toEqual(["scale a 8"]);
  expect(plan(observed([...old, ...fresh], leaving(["m1", "m2"])), wish)).toEqual([
    "drain p1 machine",
    "drain p3 machine",
  ]);
});

test("if the replacement does not come in time, the pod drains as soon as others have places", () => {
  const seen = (watchedMs: number, sessions: number) =>
    observed([on("p1", "m1"), on("p2", "m2", sessions)], leaving(["m1"], { watchedMs }));
  expect(plan(seen(119_000, 10), desired())).toEqual(["scale a 3"]);
  expect(plan(seen(120_000, 10), desired())).toEqual(["drain p1 machine", "scale a 3"]);
  expect(plan(seen(120_000, 95), desired())).toEqual(["scale a 3"]);
  // A drain of a machine must end some time, with or without places.
  expect(plan(seen(240_000, 95), desired())).toEqual(["drain p1 machine", "scale a 3"]);
});

test("if the machine ends soon, its pods drain side by side, within what is left", () => {
  const pods = [on("p1", "m1"), on("p2", "m1"), on("p3", "m2"), on("p4", "m3")];
  const wish = desired();
  const late = leaving(["m1"], { watchedMs: 1000, endsInMs: 300_000 });
  expect(plan(observed(pods, late), wish)).toEqual(["drain p1 machine"]);
  const soon = leaving(["m1"], { watchedMs: 1000, endsInMs: 40_000 });
  expect(plan(observed(pods, soon), wish)).toEqual(["drain p1 machine", "drain p2 machine"]);
});

test("the nearer its end, the less is waited for: first no replacement, then no places either", () => {
  const seen = (endsInMs: number, sessions: number) =>
    observed(
      [on("p1", "m1"), on("p2", "m2", sessions)],
      leaving(["m1"], { watchedMs: 1, endsInMs }),
    );
  expect(plan(seen(80_000, 10), desired())).toEqual(["scale a 3"]);
  expect(plan(seen(60_000, 10), desired())).toEqual(["drain p1 machine", "scale a 3"]);
  expect(plan(seen(60_000, 95), desired())).toEqual(["scale a 3"]);
  expect(plan(seen(39_000, 95), desired())).toEqual(["drain p1 machine", "scale a 3"]);
});

test("the pod that waited longest drains first, and others wait for what it took", () => {
  const machines = MACHINES.map((one) => {
    const watchedMs = { m1: 1000, m2: 130_000 }[one.name];
    return watchedMs === undefined ? one : { ...one, going: { watchedMs } };
  });
  const seen = observed([on("p1", "m1"), on("p2", "m2"), on("p3", "m3")], { machines });
  expect(plan(seen, desired())).toEqual(["drain p2 machine", "scale a 4"]);
});

test("if the machine stays after all, the drain is undone", () => {
  const half = draining("p1", 4, { machine: "m1", mark: MACHINE_MARK });
  expect(plan(observed([half, on("p2", "m2")]), desired())).toEqual(["serve p1"]);
});

test("a pod that has not run yet is told at once, and removed when it cannot take anybody", () => {
  const seen = observed([on("p2", "m2"), on("p3", "m3")], leaving(["m1"]));
  const { report: _, ...waiting } = on("p1", "m1");
  const pods = [...seen.pods, { ...waiting, phase: "Pending" as const, isReady: false }];
  expect(plan(observed(pods, leaving(["m1"])), desired())).toEqual(["drain p1 machine"]);
});

test("in a release, people of such a pod move to the new revision at once: they move once", () => {
  const fresh = pod("n1", { revision: "b", machine: "m3" });
  const release = { to: "b", from: "a", phase: "advancing", step: 0, progress: "" } as const;
  const status = {
    stable: "a",
    rejected: [],
    condition: "Progressing",
    message: "",
    release,
  } as const;
  const seen = observed([on("p1", "m1"), on("p2", "m2"), fresh], { ...leaving(["m1"]), status });
  const wish = desired({ revision: "b" });
  expect(plan(seen, wish)).toContain("drain p1 machine");
});
