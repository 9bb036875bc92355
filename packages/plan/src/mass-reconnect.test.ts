import { describe, expect, test } from "bun:test";
import { serverWindowMs } from "@holdfast/core";
import fc from "fast-check";
import { batchedMassReconnect } from "./batched.ts";
import { type MassReconnectOptions, simulateMassReconnect } from "./mass-reconnect.ts";
import { MASS_RECONNECT } from "./testing.ts";

const plain: MassReconnectOptions = {
  ...MASS_RECONNECT,
  windowMs: 0,
  background: 0,
  networkMs: 1,
  receiver: { ...MASS_RECONNECT.receiver, admits: false },
};
/** A node that can do `perSecond` handshakes a second. */
const withTrueA = (options: MassReconnectOptions, perSecond: number): MassReconnectOptions => ({
  ...options,
  receiver: { ...options.receiver, handshakesPerSecond: perSecond },
  costs: { upgradeMs: 0.1, connectMs: 1000 / perSecond - 0.1, refuseMs: 0.05 },
});

describe("a window of 1.3 N/A", () => {
  test("brings everyone back with one attempt each, below A, within the window", () => {
    for (const perSecond of [100, 200, 500]) {
      const windowMs = serverWindowMs(MASS_RECONNECT.clients, perSecond, 500);
      const result = simulateMassReconnect(
        withTrueA({ ...MASS_RECONNECT, windowMs, background: 0 }, perSecond),
      );
      expect(result.attemptsPerClient).toBeLessThan(1.05);
      expect(result.abandonedPerClient).toBe(0);
      expect(result.backMs).toBeLessThan(windowMs + 2000);
      expect(result.setUpsPerSecondMax).toBeLessThanOrEqual(perSecond);
    }
  });
});

describe("admission alone", () => {
  test("never lets in more than A in a second, bursts included, and brings everyone back at that rate", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 500, max: 8000 }),
        fc.constantFrom(200, 500, 1000),
        fc.nat(1e6),
        (clients, perSecond, seed) => {
          const result = simulateMassReconnect({
            ...MASS_RECONNECT,
            clients,
            seed,
            receiver: { ...MASS_RECONNECT.receiver, handshakesPerSecond: perSecond },
          });
          // 0.85 A, and what the two buckets hold: 0.2 s of it.
          expect(result.setUpsPerSecondMax).toBeLessThanOrEqual(
            Math.ceil(0.85 * perSecond * 1.2) + 1,
          );
          expect(result.backShare).toBe(1);
          expect(result.backMs).toBeGreaterThanOrEqual((clients / (0.85 * perSecond) - 0.2) * 1000);
        },
      ),
      { numRuns: 20 },
    );
  });
});

// Near the boundary, N/A = 25 s, chance decides.
describe("neither window nor admission (rule 1: the cap of 30 s must be above 2 (N/A - timeout))", () => {
  for (const [load, recovers] of [
    [5, true],
    [15, true],
    [20, true],
    [40, false],
    [60, false],
  ] as const)
    test(`${load} s of handshakes ${recovers ? "recover" : "never recover"}`, () => {
      const perSecond = 100;
      expect(30 > 2 * (load - 10)).toBe(recovers);
      const result = simulateMassReconnect(
        withTrueA({ ...plain, clients: load * perSecond }, perSecond),
      );
      expect(result.backMs !== undefined).toBe(recovers);
      if (!recovers) expect(result.backShare).toBeLessThan(0.5);
    });
  test("with Holdfast's admission the same loads recover, in a few times the least time that there is", () => {
    for (const load of [30, 40, 60]) {
      const result = simulateMassReconnect(
        withTrueA(
          { ...plain, clients: load * 100, receiver: { ...plain.receiver, admits: true } },
          100,
        ),
      );
      expect(result.backMs).toBeLessThan(3 * load * 1000);
    }
  });
});

describe("conservation", () => {
  test("nobody is counted twice or forgotten; the curve never falls", () => {
    fc.assert(
      fc.property(
        fc.nat(3000),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1e6),
        fc.boolean(),
        (clients, nodes, seed, admits) => {
          const result = simulateMassReconnect({
            ...MASS_RECONNECT,
            clients,
            nodes,
            seed,
            receiver: { ...MASS_RECONNECT.receiver, admits },
          });
          expect(result.backShare).toBe(1);
          if (clients > 0) expect(result.attemptsPerClient).toBeGreaterThanOrEqual(1);
          for (const [index, point] of result.curve.entries())
            expect(point.share).toBeGreaterThanOrEqual(result.curve[index - 1]?.share ?? 0);
          expect(result.curve.at(-1)?.share).toBe(1);
        },
      ),
      { numRuns: 30 },
    );
  });
  test("the same seed gives the same storm", () => {
    expect(simulateMassReconnect(MASS_RECONNECT)).toEqual(simulateMassReconnect(MASS_RECONNECT));
    expect(simulateMassReconnect({ ...MASS_RECONNECT, seed: 2 }).backMs).not.toBe(
      simulateMassReconnect(MASS_RECONNECT).backMs,
    );
  });
});

describe("the batched model against the exact one", () => {
  const close = (found: number | undefined, wanted: number | undefined, share: number): void => {
    expect(Math.abs((found ?? 0) - (wanted ?? 0))).toBeLessThanOrEqual(share * (wanted ?? 0) + 100);
  };
  test("one node stands for four", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 16 }),
        fc.nat(1e6),
        fc.constantFrom(0, 500, 5000, 20_000),
        (thousands, seed, windowMs) => {
          const options = {
            ...MASS_RECONNECT,
            clients: thousands * 1000,
            nodes: 4,
            seed,
            windowMs,
          };
          const [exact, batched] = [simulateMassReconnect(options), batchedMassReconnect(options)];
          close(batched.halfBackMs, exact.halfBackMs, 0.1);
          close(batched.mostBackMs, exact.mostBackMs, 0.15);
          expect(Math.abs(batched.attemptsPerClient - exact.attemptsPerClient)).toBeLessThan(
            0.15 * exact.attemptsPerClient,
          );
        },
      ),
      { numRuns: 12 },
    );
  });
  test("one client stands for four", () => {
    for (const windowMs of [500, 30_000, 104_000]) {
      const options = { ...MASS_RECONNECT, clients: 40_000, windowMs };
      const [exact, batched] = [simulateMassReconnect(options), batchedMassReconnect(options)];
      expect(batched.events).toBeLessThan(exact.events / 3);
      close(batched.halfBackMs, exact.halfBackMs, 0.1);
      close(batched.mostBackMs, exact.mostBackMs, 0.1);
      close(batched.backMs, exact.backMs, 0.2);
      expect(Math.abs(batched.attemptsPerClient - exact.attemptsPerClient)).toBeLessThan(
        0.1 * exact.attemptsPerClient,
      );
    }
  });
});

test("what never ends is bounded in events", () => {
  const result = simulateMassReconnect(
    withTrueA({ ...plain, clients: 5000, eventsMax: 20_000 }, 50),
  );
  expect(result.events).toBe(20_000);
  expect(result.backMs).toBeUndefined();
});
