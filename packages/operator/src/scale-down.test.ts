import { expect, test } from "bun:test";
import { decide } from "./decide.ts";
import type { DrainMark, ObservedPod, PodReport } from "./model/pod.ts";
import { DRAINING_COST, GOING_COST, TOKEN_MAX } from "./plan/orders.ts";
import {
  desired,
  draining,
  NOW_MS,
  observed,
  plan,
  pod,
  STATUS,
  statusAfter,
  unborn,
} from "./testing/builders.ts";

test.each<[what: string, pods: readonly ObservedPod[], victim: string]>([
  [
    "one that nobody can be on",
    [pod("p1", { machine: "m1" }), pod("p2", { machine: "m2" }), unborn("p3")],
    "drain p3 scale-down",
  ],
  [
    "one of the zone with most pods",
    [
      pod("p1", { machine: "m1" }),
      pod("p2", { machine: "m2", report: { sessions: 9 } }),
      pod("p3", { machine: "m2", report: { sessions: 8 } }),
    ],
    "drain p3 scale-down",
  ],
  [
    "one with few sockets that cannot move",
    [
      pod("p1", { machine: "m1", report: { sessions: 1, fixedSockets: 2 } }),
      pod("p2", { machine: "m2", report: { sessions: 30, fixedSockets: 1 } }),
      pod("p3", { machine: "m3", report: { sessions: 1, fixedSockets: 3 } }),
    ],
    "drain p2 scale-down",
  ],
  [
    "one with few sessions",
    [
      pod("p1", { machine: "m1", report: { sessions: 12 } }),
      pod("p2", { machine: "m2", report: { sessions: 11 } }),
      pod("p3", { machine: "m3", report: { sessions: 13 } }),
    ],
    "drain p2 scale-down",
  ],
  [
    "the oldest",
    [
      pod("p1", { machine: "m1", createdAtMs: 3 }),
      pod("p2", { machine: "m2", createdAtMs: 2 }),
      pod("p3", { machine: "m3", createdAtMs: 1 }),
    ],
    "drain p3 scale-down",
  ],
])("of pods that are alike otherwise goes %s", (_, pods, victim) => {
  expect(plan(observed(pods), desired())[0]).toBe(victim);
});

test("a pod is removed when nobody is on it any more, and its ReplicaSet is lowered before", () => {
  const seen = observed([pod("p1"), pod("p2", { machine: "m2" }), draining("p3", 0)]);
  expect(plan(seen, desired())).toEqual(["scale a 2", "remove p3"]);
});

test("a pod with people on it is waited for, and the status says for how many and until when", () => {
  const seen = observed([pod("p1"), pod("p2", { machine: "m2" }), draining("p3", 41)]);
  expect(plan(seen, desired())).toEqual([]);
  expect(statusAfter(seen, desired())).toMatchObject({
    condition: "Progressing",
    message: "p3 drains (scale-down): about 50 connections are left.",
    endsAtMs: 1_700_000_060_000,
  });
});

test.each<[what: string, spec: Parameters<typeof draining>[2]]>([
  ["and it was not heard of since", { report: { drainLeftMs: -5000, ageMs: 5000 } }],
  [
    "by the clock of who watches it",
    { markWatchedMs: 65_000, report: { state: "ready", fence: 0 } },
  ],
])("a pod with people on it is removed when its deadline is over %s", (_, spec) => {
  const seen = (deletionCost: number) =>
    observed([pod("p1"), pod("p2"), draining("p3", 5, { ...spec, deletionCost })]);
  expect(plan(seen(DRAINING_COST), desired())).toEqual([`cost p3 ${GOING_COST}`]);
  const ends = plan(seen(GOING_COST), desired()).filter((text) => !text.startsWith("cost"));
  expect(ends).toEqual(["scale a 2", "remove p3"]);
});

test("what is given up does not serve again: another operator may be removing it", () => {
  const seen = observed([pod("p1"), draining("p2", 0, { machine: "m2" })]);
  expect(plan(seen, desired())).toEqual(["remove p2"]);
  const kept = observed([pod("p1"), draining("p2", 0, { deletionCost: DRAINING_COST })]);
  expect(plan(kept, desired())).toEqual(["serve p2"]);
});

test("a pod that may have become ready is asked for as it was before its ReplicaSet is lowered", () => {
  const mute = draining("p3", 5, { markWatchedMs: 65_000, report: { state: "ready", fence: 0 } });
  const seen = (one: ObservedPod) =>
    observed([pod("p1"), pod("p2"), { ...one, deletionCost: GOING_COST }]);
  const confirmed = [`cost p3 ${GOING_COST}`, "scale a 2", "remove p3"];
  expect(plan(seen(mute), desired())).toEqual(confirmed);
  expect(plan(seen(draining("p3", 0)), desired())).toEqual(confirmed.slice(1));
});

const unready = (name: string, sessions: number) =>
  pod(name, { machine: "m4", isReady: false, report: { sessions } });
const silent = draining("p3", 5, {
  deletionCost: GOING_COST,
  markWatchedMs: 65_000,
  report: { state: "ready", fence: 0 },
});

test.each<[what: string, pods: readonly ObservedPod[], does: readonly string[]]>([
  [
    "a pod that obeys goes also beside one with people that is not ready",
    [draining("p3", 0), unready("p4", 3)],
    ["scale a 3", "remove p3"],
  ],
  ["one that may be ready when it is chosen does not", [silent, unready("p4", 3)], []],
  ["it does beside an empty one", [silent, unready("p4", 0)], ["scale a 3", "remove p3"]],
  ["it does beside one that is ready", [silent, pod("p4")], ["scale a 3", "remove p3"]],
  [
    "one that is ready goes without its ReplicaSet being lowered",
    [{ ...silent, isReady: true }, pod("p4")],
    ["remove p3"],
  ],
])("no ReplicaSet is lowered while it could take people: %s", (_, pods, does) => {
  const seen = observed([pod("p1"), pod("p2", { machine: "m2" }), ...pods]);
  const wish = desired({ replicas: 3 });
  expect(plan(seen, wish).filter((text) => /scale|remove/.test(text))).toEqual([...does]);
});

test("a pod that says that its time is over and that people are on it is watched to the end", () => {
  const late = draining("p3", 5, { markWatchedMs: 64_999, report: { drainLeftMs: 0 } });
  expect(plan(observed([pod("p1"), pod("p2"), late]), desired())).toEqual([]);
});

test.each<[what: string, spec: Parameters<typeof draining>[2]]>([
  ["drained for an earlier order", { report: { fence: 8 } }],
  ["has not begun to drain", { report: { state: "ready" } }],
])("a report of nobody from a pod that %s proves nothing", (_, spec) => {
  const seen = observed([pod("p1"), pod("p2"), draining("p3", 0, spec)]);
  expect(plan(seen, desired())).toEqual(["drain p3 scale-down"]);
});

test("a pod that obeyed a later order is told again, with a higher token", () => {
  const seen = observed([pod("p1"), pod("p2"), draining("p3", 0, { report: { fence: 12 } })]);
  expect(plan(seen, desired())).toEqual(["drain p3 scale-down"]);
});

test("victims go one after the other", () => {
  const pods = ["p1", "p2", "p3", "p4"].map((name, i) => pod(name, { machine: `m${i + 1}` }));
  expect(plan(observed(pods), desired())).toEqual(["drain p1 scale-down"]);
  const [first, ...rest] = pods;
  expect(first).toBeDefined();
  expect(plan(observed([draining("p1", 3), ...rest]), desired())).toEqual([]);
});

test("if demand comes back, the drain is undone, and no pod is made", () => {
  const seen = observed([pod("p1"), pod("p2", { machine: "m2" }), draining("p3", 40)]);
  expect(plan(seen, desired({ replicas: 3 }))).toEqual(["serve p3"]);
});

test("of two drains, the one that has moved more goes on if one is undone", () => {
  const seen = observed([
    pod("p1"),
    pod("p2", { machine: "m2" }),
    draining("p3", 40, { machine: "m3" }),
    draining("p4", 4, { machine: "m4" }),
  ]);
  expect(plan(seen, desired({ replicas: 3 }))).toEqual(["serve p3"]);
});

test("no drain begins if its connections had no place, with the headroom free", () => {
  const full = ["p1", "p2", "p3"].map((name, i) =>
    pod(name, { machine: `m${i + 1}`, report: { sessions: 54 } }),
  );
  const wish = desired();
  expect(plan(observed(full), wish)).toEqual([]);
  expect(statusAfter(observed(full), wish)).toMatchObject({
    condition: "Waiting",
    message: "p1 stays: its connections would have no place elsewhere.",
  });
});

test("a drain is undone if its connections have no place any more", () => {
  const seen = observed([
    pod("p1", { report: { sessions: 95 } }),
    pod("p2", { machine: "m2", report: { sessions: 96 } }),
    draining("p3", 40),
  ]);
  expect(plan(seen, desired())).toEqual(["serve p3"]);
});

test("a pod whose drain was undone is not drained again before Kubernetes takes it for ready", () => {
  const mark = { wants: "serve", token: 10 } as const;
  const full = ["p1", "p2"].map((name, i) =>
    pod(name, { machine: `m${i + 1}`, report: { sessions: 99 } }),
  );
  const p3 = (state: "ready" | "starting") =>
    pod("p3", { machine: "m3", mark, isReady: false, report: { fence: 10, state } });
  expect(plan(observed([...full, p3("ready")]), desired())).toEqual([]);
  expect(plan(observed([...full, p3("starting")]), desired())).toEqual(["drain p3 scale-down"]);
});

test("an order to serve again is given until it is obeyed", () => {
  const mark = { wants: "serve", token: 10 } as const;
  const seen = observed([
    pod("p1"),
    pod("p2", { mark, report: { state: "draining", fence: 9, sessions: 3 } }),
  ]);
  expect(plan(seen, desired())).toEqual(["serve p2"]);
});

test("an order is repeated before the status is written: that may fail for a while", () => {
  const seen = observed([pod("p1"), pod("p2"), draining("p3", 7, { report: { fence: 0 } })]);
  const kinds = decide(seen, desired(), NOW_MS).actions.map(({ kind }) => kind);
  expect(kinds).toEqual(["order-drain", "set-status"]);
});

test("a drain that somebody else ordered is left alone", () => {
  const seen = observed([pod("p1"), pod("p2", { report: { state: "draining", fence: 3 } })]);
  expect(plan(seen, desired())).toEqual([]);
});

test("a ReplicaSet that somebody else lowered is raised again before it takes pods with people", () => {
  const seen = observed([pod("p1"), pod("p2")], {
    replicaSets: [{ revision: "a", resourceVersion: "1", replicas: 1, replicasSeen: 2 }],
  });
  expect(plan(seen, desired())).toEqual(["scale a 2"]);
});

test("pods that never came are taken back only if their absence is sure", () => {
  const set = { revision: "a", resourceVersion: "1", replicas: 3 };
  const pods = [pod("p1"), pod("p2", { machine: "m2" })];
  const sure = observed(pods, { replicaSets: [{ ...set, replicasSeen: 2 }] });
  expect(plan(sure, desired())).toEqual(["scale a 2"]);
  const unsure = observed(pods, { replicaSets: [{ ...set, replicasSeen: 3 }] });
  expect(plan(unsure, desired())).toEqual([]);
  expect(statusAfter(unsure, desired())?.message).toContain("not up to date");
});

test("a serving pod gets its protection back, and a draining one the cost that ReplicaSets read", () => {
  const lowered = pod("p1", { isProtected: false });
  expect(plan(observed([lowered, pod("p2")]), desired())).toEqual(["protect p1"]);
  const seen = observed([pod("p1"), pod("p2"), draining("p3", 5, { deletionCost: 0 })]);
  expect(plan(seen, desired())).toEqual(["cost p3 2147483647"]);
  const served = pod("p1", { deletionCost: -2_147_483_647 });
  expect(plan(observed([served, pod("p2")]), desired())).toEqual(["cost p1 0"]);
});

test("tokens are above what the pod obeyed, and a new leader's above those of the one before", () => {
  const token = (leaderEpoch: number) => {
    const pods = [pod("p1", { report: { fence: 70 } }), pod("p2"), pod("p3")];
    const { actions } = decide(observed(pods, { leaderEpoch }), desired(), NOW_MS);
    return actions.flatMap((one) => (one.kind === "order-drain" ? [one.mark.token] : []));
  };
  expect(token(0)).toEqual([71]);
  expect(token(3)).toEqual([3 * 2 ** 20 + 1]);
});

test("a set with people on it does not go to none, and says why", () => {
  const seen = (sessions: number) => observed([pod("p1", { report: { sessions } })]);
  const none = desired({ replicas: 0 });
  expect(plan(seen(0), none)).toEqual(["drain p1 scale-down"]);
  expect(plan(seen(3), none)).toEqual([]);
  expect(statusAfter(seen(3), none)?.message).toContain("would have no place elsewhere");
});

/** Tokens that the pod got while its data plane always reports what `fence` says. */
function tokensOf(mark: DrainMark, fence: (token: number) => number): readonly number[] {
  let now = draining("p3", 7, { mark, report: { fence: fence(mark.token) } });
  const tokens: number[] = [];
  for (let look = 0; look < 10; look++) {
    const { actions } = decide(observed([pod("p1"), pod("p2"), now]), desired(), NOW_MS);
    const given = actions.find(({ kind }) => kind === "order-drain" || kind === "cancel-drain");
    if (given?.kind !== "order-drain" && given?.kind !== "cancel-drain") break;
    tokens.push(given.mark.token);
    now = { ...now, mark: given.mark, report: { ...REPORTED, fence: fence(given.mark.token) } };
  }
  return tokens;
}
const REPORTED: Omit<PodReport, "fence"> = {
  ...{ state: "draining", sessions: 7, fixedSockets: 0, connectionsMax: 100 },
  ...{ ageMs: 500, drainLeftMs: 40_000 },
};
const DRAINS: DrainMark = {
  ...{ wants: "drain", token: 9, cause: "scale-down", windowMs: 60_000 },
  orderedAtMs: NOW_MS,
};

test.each([
  ["drain", DRAINS],
  ["serve", { wants: "serve", token: 9 }],
] as const)("an order to %s begins anew three times, whatever fence is reported", (_, mark) => {
  expect(new Set(tokensOf(mark, (token) => token + 1))).toEqual(new Set([11, 13, 15]));
  // No leader gave that: nothing is written, and the deadline of the drain comes.
  expect(new Set(tokensOf(mark, () => TOKEN_MAX))).toEqual(new Set([9]));
});

test("a token that no leader gave is not counted on from", () => {
  const mark: DrainMark = { wants: "serve", token: Number.MAX_SAFE_INTEGER };
  const pods = [pod("p1", { mark, report: { fence: TOKEN_MAX } }), pod("p2"), pod("p3")];
  const { actions } = decide(observed(pods, { leaderEpoch: 2 ** 31 - 1 }), desired(), NOW_MS);
  const ordered = actions.find(({ kind }) => kind === "order-drain");
  expect(ordered).toMatchObject({ pod: { name: "p1" }, mark: { token: 2 ** 51 - 2 ** 20 + 1 } });
});

test("the status of a thousand pods that all do something is a few kilobytes", () => {
  const name = (at: number): string => `${"p".repeat(250)}${at}`;
  const machine = (at: number): string => `m${1 + (at % 6)}`;
  const pods = Array.from({ length: 1000 }, (_, at): ObservedPod => {
    if (at % 4 === 0) return draining(name(at), 5, { machine: machine(at) });
    if (at % 4 === 1) return unborn(name(at));
    const report = { sessions: at % 4 === 2 ? 90 : 1, ageMs: at % 3 === 0 ? 60_000 : 500 };
    return pod(name(at), { machine: machine(at), report });
  });
  const rejected = Array.from({ length: 10 }, (_, at) => `${"r".repeat(62)}${at}`);
  const status = { ...STATUS, rejected };
  const after = statusAfter(observed(pods, { status }), desired({ replicas: 800 }));
  expect(after?.message).toContain(" more.");
  expect(JSON.stringify(after).length).toBeLessThan(8192);
});
