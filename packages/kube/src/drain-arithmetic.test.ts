// Checks the arithmetic of a drain against figures worked out by hand, against itself, and against
// the pacer that does the work.
import { describe, expect, test } from "bun:test";
import { createDrainPacer } from "@holdfast/core";
import fc from "fast-check";
import {
  type DrainInput,
  explainPace,
  lastPartOf,
  planDrain,
  windowFor,
} from "./drain-arithmetic.ts";

const DEFAULTS: DrainInput = {
  maxSeconds: 75,
  preDelaySeconds: 15,
  connections: 10_000,
  handshakesPerSecond: 500,
};

test("the defaults: 75 s give a window of 55 s, 50 s of it for 10,000 notices at 350 a second, and a grace period of 85 s", () => {
  expect(planDrain(DEFAULTS)).toMatchObject({
    windowSeconds: 55,
    lastPartSeconds: 5,
    movingSeconds: 50,
    fastestSeconds: 20,
    pace: "paced",
    graceSeconds: 85,
    sidecarDrainSeconds: 80,
    gatewayDrainSeconds: 80,
  });
  expect(planDrain(DEFAULTS).pacedSeconds).toBeCloseTo(28.57, 2);
});

describe("the pace", () => {
  const table: readonly (readonly [string, Partial<DrainInput>, string])[] = [
    ["17,500 connections are exactly what 50 s take at 0.7 A", { connections: 17_500 }, "paced"],
    ["one more is hurried", { connections: 17_501 }, "hurried"],
    ["25,000 are what A takes", { connections: 25_000 }, "hurried"],
    ["25,001 are impossible", { connections: 25_001 }, "impossible"],
    ["two pods that take in double it", { connections: 35_000, takers: 2 }, "paced"],
    [
      "a delay longer than the whole is impossible, even with nobody there",
      { maxSeconds: 10, connections: 0 },
      "impossible",
    ],
    [
      "a short window keeps a quarter free",
      { maxSeconds: 24, preDelaySeconds: 15, connections: 1_051 },
      "hurried",
    ],
  ];
  for (const [name, change, pace] of table)
    test(name, () => expect(planDrain({ ...DEFAULTS, ...change }).pace).toBe(pace as never));
});

test("a preStop hook lengthens the grace period and the sidecar's life, not the node's window nor the gateway's drain", () => {
  expect(planDrain({ ...DEFAULTS, preStopSeconds: 20 })).toMatchObject({
    windowSeconds: 55,
    graceSeconds: 105,
    sidecarDrainSeconds: 100,
    gatewayDrainSeconds: 80,
  });
});

const inputs = fc.record({
  maxSeconds: fc.integer({ min: 1, max: 3600 }),
  preDelaySeconds: fc.integer({ min: 0, max: 600 }),
  connections: fc.integer({ min: 0, max: 1_000_000 }),
  handshakesPerSecond: fc.integer({ min: 1, max: 10_000 }),
  takers: fc.integer({ min: 1, max: 50 }),
});

test("with the M that a plan asks for the same connections are paced, or possible, and with a second less they are not", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const plan = planDrain(input);
      expect(planDrain({ ...input, maxSeconds: plan.pacedMaxSeconds + 1e-6 }).pace).toBe("paced");
      expect(planDrain({ ...input, maxSeconds: plan.pacedMaxSeconds - 1 }).pace).not.toBe("paced");
      expect(planDrain({ ...input, maxSeconds: plan.possibleMaxSeconds + 1e-6 }).pace).not.toBe(
        "impossible",
      );
      expect(planDrain({ ...input, maxSeconds: plan.possibleMaxSeconds - 1 }).pace).toBe(
        "impossible",
      );
    }),
  );
});

test("windowFor is the inverse of W - L", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 3600, noNaN: true }), (movingSeconds) => {
      const window = windowFor(movingSeconds);
      expect(window - lastPartOf(window)).toBeCloseTo(movingSeconds, 6);
    }),
  );
});

test("the last slot and the pace are those of the node's own pacer", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const plan = planDrain(input);
      fc.pre(plan.windowSeconds > 0 && input.connections > 0);
      const options = {
        total: input.connections,
        handshakesPerSecond: input.handshakesPerSecond * input.takers,
      };
      const pacer = createDrainPacer(
        { ...options, windowMs: plan.windowSeconds * 1000, perSecondMax: Number.POSITIVE_INFINITY },
        0,
      );
      const lastSlotMs = plan.movingSeconds * 1000;
      expect(pacer.ratePerSecond(lastSlotMs, 1)).toBe(Number.POSITIVE_INFINITY);
      expect(pacer.ratePerSecond(lastSlotMs - 1, 1)).toBeLessThan(Number.POSITIVE_INFINITY);
      const wanted = 0.7 * options.handshakesPerSecond;
      const raised = pacer.ratePerSecond(0, input.connections) > wanted * (1 + 1e-9);
      expect(raised).toBe(plan.pacedSeconds > plan.movingSeconds * (1 + 1e-9));
    }),
  );
});

test("the explanation shows the numbers of the sum", () => {
  const text = explainPace(DEFAULTS, planDrain(DEFAULTS));
  for (const part of [
    "75 s - 15 s - 5 s = 55 s",
    "55 s - 5 s = 50 s",
    "10000 / (0.7 x 500/s x 1) = 28.6 s",
    "20 s",
  ])
    expect(text).toContain(part);
});
