// Checks that nothing moves by itself while balancers may be behind.
import { expect, test } from "bun:test";
import type { Strategy } from "./model/desired.ts";
import type { Observed, ReleaseState } from "./model/observed.ts";
import type { ObservedPod } from "./model/pod.ts";
import {
  desired,
  MACHINES,
  observed,
  moves as plan,
  pod,
  STATUS,
  statusAfter,
} from "./testing/builders.ts";

const BEHIND = { lagMs: 40_000 };
const CANARY: Strategy = {
  kind: "Canary",
  steps: [{ sharePercent: 10, connectionMinutesMin: 500, pause: 60_000 }],
  analysis: { connectionMinutesMin: 100, connectionMinutesMax: 50_000, waitMsMax: 3_600_000 },
};
const old = (count: number, receives = true): ObservedPod[] =>
  Array.from({ length: count }, (_, i) =>
    pod(`a${i + 1}`, { machine: `m${i + 1}`, receives, report: { sessions: 50 } }),
  );
const fresh = (sessions = 0): ObservedPod =>
  pod("b1", { revision: "b", machine: "m6", report: { sessions } });

const to = (strategy: Strategy) =>
  desired({
    revision: "b",
    replicas: 3,
    release: { strategy, isPaused: false, progressMsMax: 600_000 },
  });

const under = (release: Partial<ReleaseState> = {}): Partial<Observed> => ({
  status: {
    ...STATUS,
    release: { to: "b", from: "a", phase: "advancing", step: 0, progress: "", ...release },
  },
});

const drains = (texts: readonly string[]) => texts.filter((text) => /^(drain|shed)/.test(text));

test("a release orders nobody to move, and says why; it goes on by itself", () => {
  const seen = observed([...old(3), fresh()], under());
  const behind = { ...seen, ...BEHIND };
  const wish = to({ kind: "Rolling" });
  expect(drains(plan(seen, wish))).toEqual(["drain a1 release"]);
  expect(drains(plan(behind, wish))).toEqual([]);
  expect(statusAfter(behind, wish)?.message).toContain("until balancers have caught up");
});

test("a release that is held makes no more pods meanwhile", () => {
  const seen = observed([...old(3), fresh(50)], { ...BEHIND, ...under() });
  expect(plan(seen, to({ kind: "Rolling" }))).toEqual([]);
});

test("a canary gets nobody yet", () => {
  const seen = observed([...old(3, false), fresh()], under());
  expect(drains(plan(seen, to(CANARY)))).not.toEqual([]);
  expect(drains(plan({ ...seen, ...BEHIND }, to(CANARY)))).toEqual([]);
});

test("a pod that is not needed stays until then", () => {
  const seen = observed(old(3));
  expect(drains(plan(seen, desired()))).toEqual(["drain a1 scale-down"]);
  expect(drains(plan({ ...seen, ...BEHIND }, desired()))).toEqual([]);
});

test("whoever leaves a machine that goes, or a bad revision, does not wait", () => {
  const machines = MACHINES.map((one) =>
    one.name === "m1" ? { ...one, going: { watchedMs: 1000, endsInMs: 20_000 } } : one,
  );
  const leaving = observed(old(3), { ...BEHIND, machines });
  expect(drains(plan(leaving, desired({ replicas: 3 })))).toEqual(["drain a1 machine"]);
  const back = observed([...old(3), fresh(9)], { ...BEHIND, ...under({ phase: "rolling-back" }) });
  expect(drains(plan(back, to({ kind: "Rolling" })))).toEqual(["drain b1 rollback"]);
});
