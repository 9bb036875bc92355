// Checks the judgement of a proof on a real cluster with figures that were recorded there: a wrong
// figure fails, and says which.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  attemptsPerMove,
  type FiguresOptions,
  missedTargets,
  operatorFigures,
  type ProofResult,
  proofDocument,
  type SetSample,
  type StepResult,
  withKept,
} from "@holdfast/lab";

const read = (path: string): ProofResult =>
  JSON.parse(readFileSync(join(import.meta.dir, path), "utf8")) as ProofResult;
const recorded = read("recorded-cluster.json");
const of = (name: string): StepResult => {
  const found = recorded.steps.find((step) => step.name === name);
  if (found?.operator === undefined) throw new RangeError(`no figures of ${name} were recorded`);
  return found;
};
const [steady, rolling] = [of("steady"), of("rolling")];
/** A release as it should be, in the place of the recorded one. */
const wished: StepResult = {
  ...rolling,
  ...{ moves: 400, movedOnce: 400, attempts: 400, refusals: 0 },
  longestTransit: { ...steady.longestTransit },
};
const missed = (changes: Partial<StepResult>): readonly string[] =>
  missedTargets({ ...wished, ...changes });

test("the recorded release missed four targets, and each is told with its figure", () => {
  expect(missedTargets(rolling).map((text) => text.split(",")[0])).toEqual([
    "sessions that moved just once: 97.0 %",
    "attempts per move: 1.300",
    "attempts that were refused on the way: 20.7 %",
    "longest pause p99 above steady: 1175 ms",
  ]);
});

describe("one wrong figure of a release fails", () => {
  test("none is wrong", () => expect(missed({})).toEqual([]));

  const wrong: readonly (readonly [string, Partial<StepResult>])[] = [
    ["sessions that moved just once", { movedOnce: 398 }],
    ["attempts per move", { attempts: 421 }],
    ["attempts per move", { attempts: 0 }],
    ["attempts that were refused on the way", { attempts: 410, refusals: 9 }],
    [
      "longest pause p99 above steady",
      { longestTransit: { ...steady.longestTransit, p99Ms: steady.longestTransit.p99Ms + 51 } },
    ],
  ];
  const pause = (p99Ms: number) => ({ count: 400, p50Ms: 5, p99Ms, maxMs: p99Ms });

  test("those who move pause longer than those who stay, by more than 50 ms", () => {
    const pauses = { pauseOfMoved: pause(130), pauseOfStayed: pause(79) };
    expect(missed(pauses)).toEqual([
      "pause p99 of those who move above those who stay: 51 ms, wanted at most 50 ms",
    ]);
    expect(missed({ ...pauses, pauseOfStayed: pause(80) })).toEqual([]);
  });

  test("two steps are not compared if the host took the machine away meanwhile", () => {
    const { p99Ms } = steady.longestTransit;
    const longestTransit = { ...steady.longestTransit, p99Ms: p99Ms + 400 };
    expect(missed({ longestTransit, stolenPercent: 2.1 })).toEqual([]);
    expect(missed({ longestTransit, stolenPercent: 2 })).toHaveLength(1);
    const pauses = { pauseOfMoved: pause(400), pauseOfStayed: pause(79) };
    expect(missed({ longestTransit, stolenPercent: 30, ...pauses })).toHaveLength(1);
  });

  test.each(wrong)("%s", (what, changes) => {
    expect(missed(changes).map((text) => text.split(":")[0])).toEqual([what]);
  });

  test("what is just met is met", () => {
    expect(missed({ movedOnce: 399, attempts: 420, refusals: 8 })).toEqual([]);
  });
});

const sample = (atMs: number, more: Partial<SetSample> = {}): SetSample => ({
  atMs,
  connections: { a: 400 },
  ...{ pods: 3, ready: 3, desired: 3, isSeen: true, stable: "a", updated: "b" },
  ...{ condition: "Progressing", message: "" },
  ...more,
});
const at = (atMs: number, phase: string, sharePercent: number): SetSample =>
  sample(atMs, { release: { to: "b", phase, step: 1, sharePercent, verdict: "" } });

describe("a bad revision", () => {
  const options: FiguresOptions = {
    kind: "bad",
    clients: 400,
    sharePercentMax: 20,
    drainMs: 20_000,
    perPod: 300,
  };
  const judged = (...samples: readonly SetSample[]): readonly string[] =>
    missedTargets({ ...rolling, operator: operatorFigures(samples, options) });

  test("that is rolled back in time, with its step's people, passes", () => {
    const samples = [
      sample(0),
      at(1000, "Advancing", 0),
      at(9000, "Advancing", 20.3),
      at(20_000, "RollingBack", 20),
      at(69_000, "RollingBack", 1),
      sample(70_000),
    ];
    expect(judged(...samples)).toEqual([]);
    expect(operatorFigures(samples, options)).toMatchObject({
      ...{ verdictMs: 19_000, backMs: 50_000, touchedPercent: 20.3 },
    });
  });

  test("that is not rolled back fails", () => {
    expect(judged(sample(0), at(1000, "Advancing", 20), sample(9000))).toEqual([
      "a bad revision is rolled back: no, wanted yes",
      "everyone is back: no, wanted within 30 s and the drain's 20.0 s",
    ]);
  });

  test("that has more people, or gives them back too late, fails", () => {
    const late = [at(0, "Advancing", 20.4), at(1000, "RollingBack", 9), sample(51_001)];
    expect(judged(...late)).toEqual([
      "people on the bad revision: 20.4 %, wanted at most its step's 20 %",
      "everyone is back: after 50.0 s, wanted within 30 s and the drain's 20.0 s",
    ]);
  });
});

test("a spike fails if pods are ordered later than five seconds after their need", () => {
  const options = { kind: "spike", clients: 400, drainMs: 20_000, perPod: 300 } as const;
  const ordered = (desiredAtMs: number): readonly string[] => {
    const samples = [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000].map((atMs) =>
      sample(atMs, {
        connections: { a: atMs < 1000 ? 400 : 1300 },
        desired: atMs < desiredAtMs ? 3 : 5,
      }),
    );
    return missedTargets({ ...rolling, operator: operatorFigures(samples, options) });
  };
  expect(ordered(6000)).toEqual([]);
  expect(ordered(9000)).toEqual(["pods are ordered: after 7.0 s, wanted within 5 s of their need"]);
});

test("a spike fails if somebody is cut, also one who came for it alone", () => {
  const options = { kind: "spike", clients: 400, drainMs: 20_000, perPod: 300 } as const;
  const operator = operatorFigures([sample(0)], options);
  const cut = (visibleDisconnects: number, extraDisconnects: number): readonly string[] =>
    missedTargets({ ...rolling, visibleDisconnects, extraDisconnects, operator });
  expect(cut(0, 0)).toEqual([]);
  expect(cut(1, 0)).toEqual(["people who are cut, up and down: 1, wanted 0"]);
  expect(cut(0, 2)).toEqual(["people who are cut, up and down: 2, wanted 0"]);
  // Who comes makes attempts too.
  expect(attemptsPerMove({ ...rolling, operator })).toBeUndefined();
});

test("a run of some steps keeps the others, in their order", () => {
  const newer: ProofResult = { ...recorded, steps: [{ ...steady, moves: 77 }] };
  const { steps } = withKept(newer, recorded, ["steady", "rolling"]);
  expect(steps.map(({ name, moves }) => [name, moves])).toEqual([
    ["steady", 77],
    ["rolling", rolling.moves],
  ]);
  expect(withKept(newer, undefined, ["rolling", "steady"]).steps).toHaveLength(1);
});

test("runs of one day are told together, with the least and the most", () => {
  const first: ProofResult = { ...recorded, steps: [steady, rolling] };
  const again: ProofResult = { ...recorded, steps: [{ ...rolling, attempts: rolling.moves * 2 }] };
  const order = ["steady", "rolling"];
  const both = withKept(again, first, order);
  expect(both.steps.map(({ runs }) => runs?.length)).toEqual([undefined, 2]);
  expect(withKept(again, both, order).steps.map(({ runs }) => runs?.length)).toEqual([
    undefined,
    3,
  ]);
  const page = proofDocument(read("../../docs/proof/full.json"), { cluster: both });
  expect(page).toContain(
    `${recorded.measuredAt.slice(5, 10)} ${recorded.measuredAt.slice(11, 16)}`,
  );
  expect(page).toMatch(/\| Rolling release \| 2 \| 1\.\d+ \| 1\.300 to 2\.000 \|/);
  const pause = (p99Ms: number) => ({ count: 400, p50Ms: 5, p99Ms, maxMs: p99Ms });
  const paired = { ...rolling, pauseOfMoved: pause(20), pauseOfStayed: pause(16) };
  const more = withKept({ ...recorded, steps: [paired] }, both, order);
  expect(more.steps[1]?.runs?.map(({ pauseAboveStayedMs }) => pauseAboveStayedMs)).toEqual([
    undefined,
    undefined,
    4,
  ]);
  const later = { ...again, measuredAt: "2099-01-01T00:00:00.000Z" };
  expect(withKept(later, both, order).steps.map(({ runs }) => runs)).toEqual([
    undefined,
    undefined,
  ]);
});

test("the page shows what was missed", () => {
  const page = proofDocument(read("../../docs/proof/full.json"), { cluster: recorded });
  expect(page).toContain("## On a real Kubernetes, with the operator");
  expect(page).toContain("attempts per move");
  expect(page).toMatch(/\| Rolling release \| attempts per move \|.*\*\*no\*\*/);
});
