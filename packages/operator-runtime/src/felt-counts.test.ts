import { expect, test } from "bun:test";
import { FeltCounts } from "./felt-counts.ts";
import type { Felt } from "./plane.ts";

const felt = (connectionMinutes: number, more: Partial<Felt> = {}): Felt => ({
  connectionMinutes,
  resumes: 0,
  lost: 0,
  slow: 0,
  resumesFailed: 0,
  closedAbnormally: 0,
  ...more,
});
const said = (revision: string, run: string, what: Felt, connections = 10) => ({
  ...{ revision, run, felt: what, connections },
});

test("a step's counts are of what came since it was first named", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("old", "1", felt(100, { slow: 3 })), false);
  counts.heard("b", said("new", "1", felt(5, { lost: 1 })), false);
  expect(counts.since("s1", "new", "old")?.canary.connectionMinutes).toBe(0);
  counts.heard("a", said("old", "1", felt(110, { slow: 4 })), false);
  counts.heard("b", said("new", "1", felt(7, { lost: 2 })), false);
  expect(counts.since("s1", "new", "old")).toMatchObject({
    canary: { connectionMinutes: 2, bad: { lost: 1, slow: 0 } },
    stable: { connectionMinutes: 10, bad: { lost: 0, slow: 1 } },
  });
  expect(counts.since("s2", "new", "old")?.stable.connectionMinutes).toBe(0);
});

test("a revision that nobody counts for has no tallies", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("old", "1", felt(1)), false);
  expect(counts.since("s", "new", "old")).toBeUndefined();
});

test("another run without a drain is a crash of all that were connected", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("new", "1", felt(4), 25), false);
  counts.since("s", "new", "old");
  counts.heard("a", said("new", "2", felt(1), 3), false);
  expect(counts.since("s", "new", "old")?.canary).toMatchObject({
    connectionMinutes: 26,
    bad: { crashes: 25 },
  });
});

test("another run behind a drain is none, and neither is a drained pod that goes", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("new", "1", felt(4), 25), false);
  counts.since("s", "new", "old");
  counts.heard("a", said("new", "2", felt(0), 0), true);
  counts.gone("a", false);
  expect(counts.since("s", "new", "old")?.canary.bad.crashes).toBe(0);
});

test("a pod that vanishes with people on it is a crash, once", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("new", "1", felt(4), 25), false);
  counts.since("s", "new", "old");
  counts.gone("a", true);
  counts.gone("a", true);
  expect(counts.since("s", "new", "old")?.canary.bad.crashes).toBe(25);
});

test("counts that fall are no counts", () => {
  const counts = new FeltCounts();
  counts.heard("a", said("new", "1", felt(10)), false);
  counts.since("s", "new", "old");
  counts.heard("a", said("new", "1", felt(4)), false);
  expect(counts.since("s", "new", "old")?.canary.connectionMinutes).toBe(0);
});

test("only the last 32 revisions are remembered", () => {
  const counts = new FeltCounts();
  for (let i = 0; i < 40; i++) counts.heard(`p${i}`, said(`r${i}`, "1", felt(1)), false);
  expect(counts.since("s", "r7", "r8")).toBeUndefined();
  expect(counts.since("s", "r8", "r39")).toBeDefined();
});

test("a revision that runs for long is not the one that is forgotten", () => {
  const counts = new FeltCounts();
  counts.heard("s", said("stable", "1", felt(100)), false);
  for (let i = 0; i < 40; i++) {
    counts.since(`step ${i}`, `r${i}`, "stable");
    counts.heard(`p${i}`, said(`r${i}`, "1", felt(1)), false);
    counts.heard("s", said("stable", "1", felt(101 + i)), false);
    expect(counts.since(`step ${i}`, `r${i}`, "stable")?.stable.connectionMinutes).toBe(1);
  }
});
