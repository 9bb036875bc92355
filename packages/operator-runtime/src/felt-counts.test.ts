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
/** Answers are a minute apart, of pods with a thousand places. */
let atMs = 0;
const said = (revision: string, run: string, what: Felt, connections = 10) => {
  atMs += 60_000;
  return { ...{ revision, run, felt: what, connections, atMs }, places: 1000 };
};

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

test("what a pod counted before this process heard of it is of no step", () => {
  const counts = new FeltCounts();
  // A new leader, in the midst of a step: it is asked about the step first.
  expect(counts.since("s", "new", "old")).toBeUndefined();
  counts.heard("a", said("old", "1", felt(90_000, { lost: 4000 })), false);
  counts.heard("b", said("new", "1", felt(20, { lost: 7 })), false);
  expect(counts.since("s", "new", "old")).toMatchObject({
    canary: { connectionMinutes: 0, bad: { lost: 0 } },
    stable: { connectionMinutes: 0, bad: { lost: 0 } },
  });
  counts.heard("a", said("old", "1", felt(90_010, { lost: 4001 })), false);
  counts.heard("b", said("new", "1", felt(21, { lost: 8 })), false);
  expect(counts.since("s", "new", "old")).toMatchObject({
    canary: { connectionMinutes: 1, bad: { lost: 1 } },
    stable: { connectionMinutes: 10, bad: { lost: 1 } },
  });
});

test("what no clients can have felt in that time decides nothing", () => {
  const counts = new FeltCounts();
  const hear = (what: Felt, run = "1") => counts.heard("a", said("old", run, what), false);
  counts.heard("b", said("new", "1", felt(0)), false);
  hear(felt(10));
  counts.since("s", "new", "old");
  const stable = () => counts.since("s", "new", "old")?.stable;
  // 1,000 places have no 2^40 minutes in one, and no 10^9 tries to resume.
  hear(felt(2 ** 40));
  hear(felt(2 ** 40, { resumes: 1e9, resumesFailed: 1e9 }));
  expect(stable()).toMatchObject({ connectionMinutes: 0, resumes: 0, bad: { resumesFailed: 0 } });
  hear(felt(2 ** 40 + 500, { resumes: 1e9 + 3, resumesFailed: 1e9 + 2, lost: 1e6 }));
  expect(stable()).toMatchObject({
    ...{ connectionMinutes: 500, resumes: 3 },
    bad: { resumesFailed: 2, lost: 1500 },
  });
  // Also in a process that began anew since.
  hear(felt(1e6), "2");
  expect(stable()).toMatchObject({ connectionMinutes: 510 });
});
