import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Status } from "../model/observed.ts";
import { memoryOf, type StatusFacts, statusOf } from "./memory.ts";
import { readField } from "./read-fields.ts";
import { rfc3339 } from "./rfc3339.ts";
import { SET_STATUS } from "./status-fields.ts";

const FACTS: StatusFacts = {
  generation: 4,
  replicas: 3,
  readyReplicas: 2,
  desiredReplicas: 3,
  connections: 700,
  matchLabels: { b: "2", a: "1" },
  updatedRevision: "b",
  nowMs: 1_700_000_000_000,
};

const SETTLED: Status = { stable: "a", rejected: [], condition: "Settled", message: "Fine." };

const name = fc.string({ minLength: 1, maxLength: 20 });
const ms = fc.integer({ min: 0, max: 4_102_444_800_000 });
const optional = <T extends object>(
  required: fc.Arbitrary<T>,
  more: { readonly [name: string]: fc.Arbitrary<unknown> },
) =>
  fc
    .tuple(required, fc.record(more, { requiredKeys: [] }))
    .map(([one, two]) => ({ ...one, ...two }));

const release = optional(
  fc.record({
    to: name,
    from: name,
    phase: fc.constantFrom("advancing", "rolling-back"),
    step: fc.nat(20),
    progress: fc.string(),
  }),
  { reachedAtMs: ms, because: fc.string(), isRejected: fc.boolean() },
);
const statuses = optional(
  fc.record({
    stable: name,
    rejected: fc.array(name, { maxLength: 10 }),
    condition: fc.constantFrom("Settled", "Progressing", "Waiting"),
    message: fc.string(),
  }),
  {
    release,
    autoscaling: optional(fc.record({ replicas: fc.nat(1000) }), { lowSinceMs: ms }),
    endsAtMs: ms,
  },
) as fc.Arbitrary<Status>;

test("every shape of memory comes back from the store as it was written", () => {
  fc.assert(
    fc.property(statuses, (status) => {
      const json = JSON.parse(JSON.stringify({ status: statusOf(status, FACTS) }));
      expect(readField(SET_STATUS, json.status, "status").ok).toBe(true);
      expect(memoryOf(json)).toEqual({ ok: true, value: status });
    }),
  );
});

test("a new set has no memory", () => {
  for (const json of [{}, { status: {} }, { status: { replicas: 3 } }, null])
    expect(memoryOf(json)).toEqual({ ok: true, value: undefined });
});

const UNREADABLE: readonly unknown[] = [
  7,
  "text",
  [],
  {},
  { ...SETTLED, condition: "Fine" },
  { ...SETTLED, rejected: "a" },
  { ...SETTLED, release: { to: "b" } },
  { ...SETTLED, autoscaling: { replicas: -1 } },
  { ...SETTLED, endsAtMs: "soon" },
];

test("memory that cannot be read is told, not guessed", () => {
  for (const decision of UNREADABLE) {
    const result = memoryOf({ status: { decision } });
    expect(result.ok ? "" : result.problems.join()).toContain("status.decision");
  }
});

test("people read the condition, the selector, the step from 1 and the end", () => {
  const status: Status = {
    ...SETTLED,
    condition: "Progressing",
    message: "p1 drains.",
    endsAtMs: 1_700_000_005_000,
    release: { to: "b", from: "a", phase: "rolling-back", step: 1, progress: "" },
  };
  const figures = { steps: 3, sharePercentWanted: 25, sharePercent: 12.5, connectionMinutes: 40 };
  const written = statusOf(status, { ...FACTS, release: figures });
  expect(written).toMatchObject({
    selector: "a=1,b=2",
    endsAt: "2023-11-14T22:13:25Z",
    release: { phase: "RollingBack", step: 2, steps: 3, sharePercent: 12.5 },
  });
  expect(written.conditions?.map(({ type, status: holds }) => `${type}=${holds}`)).toEqual([
    "Settled=False",
    "Progressing=True",
    "Waiting=False",
    "Available=True",
    "Ready=False",
    "Reconciling=True",
  ]);
});

test("whoever knows no RealtimeSet waits for Ready, and gives up at Stalled", () => {
  const held = (status: Status, updatedRevision: string) =>
    statusOf(status, { ...FACTS, updatedRevision })
      .conditions?.filter(({ type }) => ["Ready", "Reconciling", "Stalled"].includes(type))
      .map(({ type, status: holds }) => `${type}=${holds}`);
  expect(held(SETTLED, SETTLED.stable)).toEqual(["Ready=True"]);
  expect(held(SETTLED, "another")).toEqual(["Ready=False", "Reconciling=True"]);
  const rejected: Status = { ...SETTLED, condition: "Waiting", rejected: ["bad"] };
  expect(held(rejected, "bad")).toEqual(["Ready=False", "Stalled=True"]);
});

test("a condition that stays keeps its time, and one that turns gets a new one", () => {
  const before = statusOf(SETTLED, FACTS);
  const after = statusOf(
    { ...SETTLED, message: "Other." },
    { ...FACTS, readyReplicas: 0, before, nowMs: FACTS.nowMs + 60_000 },
  );
  const since = (type: string) =>
    after.conditions?.find((one) => one.type === type)?.lastTransitionTime;
  expect(since("Settled")).toBe("2023-11-14T22:13:20Z");
  expect(since("Available")).toBe("2023-11-14T22:14:20Z");
});

test("wall time is written as the calendar has it", () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_000_000_000_000, max: 200_000_000_000_000 }), (time) => {
      const iso = new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
      expect(rfc3339(time)).toBe(iso);
    }),
  );
});

test("a template that cannot be used is what people and waiters read first", () => {
  const written = statusOf(SETTLED, { ...FACTS, templateProblem: "No pod can be made." });
  expect(written.message).toBe("No pod can be made.");
  expect(written.conditions?.find(({ type }) => type === "Stalled")).toMatchObject({
    status: "True",
    reason: "InvalidTemplate",
    message: "No pod can be made.",
  });
});
