import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import type { Desired, Observed, ReleaseState, Status } from "@holdfast/operator";
import { type RecordsNeeds, recordWrite, serialOf } from "./release-records.ts";

const NOW_MS = Date.UTC(2026, 10, 29, 12);
const NOW = "2026-11-29T12:00:00Z";

const RELEASE: ReleaseState = { to: "b", from: "a", phase: "advancing", step: 0, progress: "" };
const status = (more: Partial<Status> = {}): Status => ({
  ...{ stable: "a", rejected: [], condition: "Progressing", message: "" },
  ...more,
});
const needs = (now: Status | undefined, records: readonly Json[], keep = 10): RecordsNeeds => ({
  owner: {
    ...{ name: "rt", namespace: "live", uid: "u", revision: "b" },
    selector: {},
    template: {},
  },
  records,
  afterSerial: Math.max(0, ...records.map(serialOf)),
  observed: { ...(now === undefined ? {} : { status: now }) } as Observed,
  desired: { release: { strategy: { kind: "Rolling" } } } as Desired,
  keep,
  wallMs: NOW_MS,
});
const record = (serial: number, more: Json): Json => ({
  metadata: { name: `rt-${serial}` },
  spec: { set: "rt", from: "a", to: "b", strategy: "Rolling" },
  status: { phase: "Advancing", step: 1, startedAt: "2026-11-29T11:00:00Z", ...more },
});
const STEPS = [{ step: 1, sharePercent: 100 }];

test("a release has a record, with the next number", () => {
  const old = record(7, { phase: "Done", endedAt: NOW });
  expect(recordWrite(needs(status({ release: RELEASE }), [old]))).toMatchObject({
    kind: "create",
    manifest: { metadata: { name: "rt-8" }, spec: { set: "rt", from: "a", to: "b" } },
    status: { phase: "Advancing", startedAt: NOW },
  });
});

test("nothing is written while nothing changes", () => {
  const open = record(1, { steps: STEPS });
  expect(recordWrite(needs(status({ release: RELEASE }), [open]))).toBeUndefined();
});

test("a step that is reached, and a way back, are written", () => {
  const open = record(1, { steps: STEPS });
  const reached = { ...RELEASE, reachedAtMs: NOW_MS };
  expect(recordWrite(needs(status({ release: reached }), [open]))).toMatchObject({
    kind: "status",
    name: "rt-1",
    status: { steps: [{ step: 1, sharePercent: 100, reachedAt: NOW }] },
  });
  const back = { ...RELEASE, phase: "rolling-back", because: "It was aborted." } as const;
  expect(recordWrite(needs(status({ release: back }), [open]))).toMatchObject({
    status: { phase: "RollingBack", because: "It was aborted." },
  });
});

test.each([
  ["Done", status({ stable: "b" })],
  ["RolledBack", status({ rejected: ["b"] })],
  ["Superseded", status({ release: { ...RELEASE, to: "c" } })],
])("a release that is over is %s", (phase, now) => {
  expect(recordWrite(needs(now, [record(1, { steps: STEPS })]))).toMatchObject({
    kind: "status",
    status: { phase, endedAt: NOW, steps: [{ step: 1, endedAt: NOW }] },
  });
});

test("the oldest that ended goes when there are too many", () => {
  const ended = [3, 2, 10].map((serial) => record(serial, { phase: "Done", endedAt: NOW }));
  expect(recordWrite(needs(status(), ended, 2))).toEqual({ kind: "remove", name: "rt-2" });
  expect(recordWrite(needs(status(), ended, 3))).toBeUndefined();
});

test("a name that somebody made up is no number to go on from", () => {
  expect(serialOf({ metadata: { name: "rt-12" } })).toBe(12);
  expect(serialOf({ metadata: { name: `rt-${"9".repeat(22)}` } })).toBe(0);
});
