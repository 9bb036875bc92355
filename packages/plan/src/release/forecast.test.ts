// Checks the forecast of a release: what the strategies cost, and what makes a release stand still.
import { describe, expect, test } from "bun:test";
import type { Desired, Status, Strategy } from "@holdfast/operator";
import { type Forecast, type ForecastOptions, forecastRelease } from "./forecast.ts";

const ANALYSIS = { connectionMinutesMin: 10, connectionMinutesMax: 1000, waitMsMax: 60_000 };
const ROLLING: Strategy = { kind: "Rolling" };
const BLUE_GREEN: Strategy = { kind: "BlueGreen", keepOldMs: 30_000, analysis: ANALYSIS };
const step = (sharePercent: number, pause: number | "until-promoted" = 0) => {
  return { sharePercent, connectionMinutesMin: 0, pause };
};
const CANARY: Strategy = {
  kind: "Canary",
  steps: [step(20, 90_000), step(50, "until-promoted")],
  analysis: ANALYSIS,
};
const STATUS: Status = { stable: "a", rejected: [], condition: "Settled", message: "" };

interface Case {
  readonly strategy?: Strategy;
  readonly connections?: number;
  readonly places?: number;
  readonly wish?: Partial<Desired>;
  readonly times?: Partial<ForecastOptions["times"]>;
  readonly status?: Status;
}

function forecast(given: Case = {}): Forecast {
  const { strategy = ROLLING, connections = 1000, places = 2000, wish = {} } = given;
  const desired: Desired = {
    revision: "b",
    replicas: 3,
    release: { strategy, isPaused: false, progressMsMax: 600_000 },
    drain: { windowMs: 60_000, preDelayMs: 5000 },
    connections: { perPod: places, headroom: 0.2 },
    rebalance: { isEnabled: true, tolerance: 0.1, sessionsMin: 20 },
    warmMs: 10_000,
    disruption: { replacementMsMax: 120_000 },
    ...wish,
  };
  return forecastRelease({
    desired,
    pods: ["m1", "m2", "m3"].map((machine) => ({ revision: "a", machine, connections, places })),
    times: {
      ...{ startMs: 5000, unreadyMs: 4000, handshakesPerSecond: 500, perSecondMax: 500 },
      ...given.times,
    },
    status: given.status ?? STATUS,
    machines: ["m1", "m2", "m3"],
  });
}

describe.each([
  ["Rolling", ROLLING, 4],
  ["Canary", CANARY, 5],
  ["BlueGreen", BLUE_GREEN, 6],
] as const)("%s", (_name, strategy, podsMax) => {
  const found = forecast({ strategy });

  test("ends on the new revision, and everybody moves once", () => {
    const { isOver, endRevision, moves, connections, cut } = found;
    expect({ isOver, endRevision, moves, connections, cut }).toEqual({
      ...{ isOver: true, endRevision: "b", moves: 3000, connections: 3000, cut: 0 },
    });
  });

  test("needs the pods that its course has", () => expect(found.podsMax).toBe(podsMax));

  test("asks no pod for more handshakes than it takes", () => {
    expect(found.handshakesPerSecondMax.pod).toBeLessThanOrEqual(500);
    expect(found.handshakesPerSecondMax.pod).toBeGreaterThan(0);
  });

  test("is the same each time", () => expect(forecast({ strategy })).toEqual(found));
});

test("a rolling release takes each pod's start, warm time, delay and drain in turn", () => {
  const each = 5000 + 10_000 + 5000 + 1000 / 0.35;
  const { tookMs } = forecast();
  expect(tookMs).toBeGreaterThan(3 * each);
  expect(tookMs).toBeLessThan(3 * (each + 8000));
});

test("a slower pod, and a slower start, make it longer", () => {
  const { tookMs } = forecast();
  expect(forecast({ times: { handshakesPerSecond: 50 } }).tookMs).toBeGreaterThan(tookMs + 30_000);
  expect(forecast({ times: { startMs: 35_000 } }).tookMs).toBeGreaterThan(tookMs + 80_000);
});

test("steps of a canary last as long as they say, and who promotes does so at once", () => {
  const [first, second, third] = forecast({ strategy: CANARY }).steps;
  const lasted = (first?.endedMs ?? 0) - (first?.reachedMs ?? 0);
  expect(lasted).toBeGreaterThanOrEqual(90_000);
  expect(lasted).toBeLessThan(100_000);
  expect([first?.waitsForPerson, second?.waitsForPerson]).toEqual([false, true]);
  expect((second?.endedMs ?? 0) - (second?.reachedMs ?? 0)).toBeLessThanOrEqual(1000);
  expect(third?.endedMs).toBeDefined();
});

test("a window that is too short asks a pod for more handshakes than it takes", () => {
  const wish = { drain: { windowMs: 5000, preDelayMs: 1000 } };
  const { handshakesPerSecondMax } = forecast({ connections: 5000, places: 9000, wish });
  expect(handshakesPerSecondMax.pod).toBeGreaterThan(1000);
});

test.each([
  ["the release is paused", { release: { isPaused: true } }, STATUS],
  ["the revision was rolled back", {}, { ...STATUS, rejected: ["b"] }],
])("nothing begins if %s", (_name, more, status) => {
  const release = { strategy: ROLLING, progressMsMax: 600_000, isPaused: false };
  const wish = "release" in more ? { release: { ...release, ...more.release } } : {};
  const { moves, endRevision, podsMax, message } = forecast({ wish, status });
  expect({ moves, endRevision, podsMax }).toEqual({ moves: 0, endRevision: "a", podsMax: 3 });
  expect(message).toMatch(/paused|not tried again/);
});

test("an abort takes everybody back", () => {
  const release = { to: "b", from: "a", phase: "advancing", step: 0, progress: "" } as const;
  const wish = {
    release: { strategy: CANARY, isPaused: false, progressMsMax: 600_000, aborted: "b" },
  };
  const { isOver, endRevision, moves } = forecast({ wish, status: { ...STATUS, release } });
  expect({ isOver, endRevision, moves }).toEqual({ isOver: true, endRevision: "a", moves: 0 });
});
