import { describe, expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { realtimeSet } from "@holdfast/operator/resource-cases";
import { type DemandWorld, demandFor } from "./demand.ts";

const PLACE = { namespace: "live", name: "rt" };
const DEMAND = { pods: 4, isHeld: false };

function stored(spec: Json = {}, metadata: Json = {}): Json {
  const set = realtimeSet(spec, "rt");
  const known = { namespace: "live", uid: "u", resourceVersion: "1", generation: 1 };
  return { ...set, metadata: { ...(set.metadata as Json), ...known, ...metadata } };
}

const world = (more: Partial<DemandWorld> = {}): DemandWorld => ({
  ...{ isLeader: true, isUpToDate: true, namespaces: [], nowMs: 100_000 },
  stored: (key) => (key === "live/rt" ? stored() : undefined),
  demand: () => ({ demand: DEMAND, atMs: 99_000 }),
  ...more,
});

test("the pods that a set needs are told as they were seen last", () => {
  expect(demandFor(PLACE, world())).toEqual({ ok: true, demand: DEMAND });
  expect(demandFor(PLACE, world({ namespaces: ["shop", "live"] }))).toMatchObject({ ok: true });
  const atLimit = world({ demand: () => ({ demand: DEMAND, atMs: 90_000 }) });
  expect(demandFor(PLACE, atLimit)).toMatchObject({ ok: true });
});

const terminating = { deletionTimestamp: "2026-11-30T10:00:00Z" };
const handedOver = { annotations: { "holdfast.dev/hand-over": "true" } };

describe("nothing is told", () => {
  test.each<[string, Partial<DemandWorld>, string, string]>([
    ["by an operator that does not lead", { isLeader: false }, "unavailable", "does not lead"],
    [
      "of a namespace that the operator does not look after",
      { namespaces: ["shop", "chat"] },
      "forbidden",
      "found the namespace live, expected one of the operator's: shop, chat",
    ],
    [
      "by a copy that may be old",
      { isUpToDate: false },
      "unavailable",
      "has not heard of the API server lately",
    ],
    [
      "of a set that is not there",
      { stored: () => undefined },
      "unknown",
      "found no RealtimeSet rt in namespace live",
    ],
    [
      "of a set that scales itself",
      { stored: () => stored({ autoscaling: { minReplicas: 2, maxReplicas: 9 } }) },
      "refused",
      "RealtimeSet live/rt: found spec.autoscaling (2 to 9 pods), expected none: replicas would have two owners",
    ],
    [
      "of a set that cannot be read",
      { stored: () => stored({ drain: { maxSeconds: -1 } }) },
      "refused",
      "drain.maxSeconds",
    ],
    [
      "of a set that is being deleted",
      { stored: () => stored({}, terminating) },
      "refused",
      "it is being deleted",
    ],
    [
      "of a set that is being handed over",
      { stored: () => stored({}, handedOver) },
      "refused",
      "it is being handed over",
    ],
    [
      "of a set that was not looked at",
      { demand: () => undefined },
      "unavailable",
      "was not looked at yet",
    ],
    [
      "of a set that was looked at too long ago",
      { demand: () => ({ demand: DEMAND, atMs: 89_000 }) },
      "unavailable",
      "was looked at 11 s ago, expected 10 s at most",
    ],
    [
      "of a set whose pods have not said anything",
      { demand: () => ({ demand: undefined, atMs: 99_000 }) },
      "unavailable",
      "no pod of RealtimeSet live/rt has said yet who is on it",
    ],
  ])("%s", (_, more, code, words) => {
    const answer = demandFor(PLACE, world(more));
    expect(answer).toMatchObject({ ok: false, code });
    expect(answer).toHaveProperty("message", expect.stringContaining(words));
  });
});
