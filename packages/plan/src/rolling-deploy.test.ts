import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { batchedRollingDeploy } from "./batched.ts";
import { windowForPace } from "./deploy.ts";
import { simulateRollingDeploy } from "./rolling-deploy.ts";
import { MASS_RECONNECT, ROLLING_DEPLOY } from "./testing.ts";

describe("a rolling deploy", () => {
  test("moves each session once behind a balancer that takes the emptiest node, and cuts nobody", () => {
    const result = simulateRollingDeploy({
      ...ROLLING_DEPLOY,
      windowMs: windowForPace(1000, 500, 500),
    });
    expect(result).toMatchObject({ finished: true, cut: 0, sessionsAtEnd: 3000 });
    expect(result.movesPerSession).toBeLessThan(1.02);
    expect(result.attemptsPerMove).toBeLessThan(1.1);
    expect(result.unevenness).toBeLessThan(1.1);
  });
  test("keeps every session and ends each drain by its deadline, whatever the sizes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.nat(3000),
        fc.constantFrom(30, 150, 500),
        fc.constantFrom("least-connections" as const, "random" as const),
        fc.nat(1e6),
        (nodes, sessions, handshakesPerSecond, balancer, seed) => {
          const node = {
            ...ROLLING_DEPLOY.node,
            receiver: { ...MASS_RECONNECT.receiver, handshakesPerSecond },
          };
          const result = simulateRollingDeploy({
            ...ROLLING_DEPLOY,
            nodes,
            sessions,
            balancer,
            node,
            seed,
            windowMs: 10_000,
          });
          expect(result.finished).toBe(true);
          expect(result.sessionsAtEnd).toBe(sessions);
          // A sum of floating-point times: beyond the deadline by its last bit at most.
          expect(result.drainMsMax).toBeLessThanOrEqual(10_000 + 1e-6);
          expect(result.cut).toBeLessThanOrEqual(sessions * nodes);
          if (sessions > 0) expect(result.movesPerSession).toBeGreaterThanOrEqual(1);
        },
      ),
      { numRuns: 25 },
    );
  });
  test("leaves at 0.7 A at most when the window allows it", () => {
    for (const handshakesPerSecond of [50, 150, 500]) {
      const windowMs = windowForPace(1000, handshakesPerSecond, 500);
      const result = simulateRollingDeploy({
        ...ROLLING_DEPLOY,
        windowMs,
        node: {
          ...ROLLING_DEPLOY.node,
          receiver: { ...MASS_RECONNECT.receiver, handshakesPerSecond },
        },
      });
      expect(result.cut).toBe(0);
      // Pressure can only slow it down; the last second of a drain may know of more receivers (see
      // receiversOfMoves).
      expect(result.drainMs).toBeGreaterThan((1000 / (0.7 * handshakesPerSecond)) * 900);
    }
  });
  test("cuts who cannot leave in a window that is too short", () => {
    const receiver = { ...MASS_RECONNECT.receiver, handshakesPerSecond: 20 };
    expect(
      simulateRollingDeploy({
        ...ROLLING_DEPLOY,
        windowMs: 5000,
        node: { ...ROLLING_DEPLOY.node, receiver },
      }).cut,
    ).toBeGreaterThan(1000);
  });
  test("the window for a pace is the least in steps of 5 s, and has its part without slots", () => {
    expect(windowForPace(1050, 500, 500)).toBe(5000);
    expect(windowForPace(5250, 500, 500)).toBe(20_000);
    expect(windowForPace(7000, 500, 500)).toBe(25_000);
    expect(windowForPace(10_000, 10_000, 500)).toBe(25_000);
  });
});

describe("the batched model against the exact one", () => {
  test("20 nodes stand for 60", () => {
    const options = { ...ROLLING_DEPLOY, nodes: 60, sessions: 30_000 };
    const [exact, batched] = [simulateRollingDeploy(options), batchedRollingDeploy(options)];
    expect(batched.events).toBeLessThan(exact.events / 2);
    expect(Math.abs(batched.tookMs / exact.tookMs - 1)).toBeLessThan(0.1);
    expect(Math.abs(batched.drainMs / exact.drainMs - 1)).toBeLessThan(0.15);
    expect(Math.abs(batched.movesPerSession / exact.movesPerSession - 1)).toBeLessThan(0.05);
    expect(batched.sessionsAtEnd).toBe(30_000);
  });
  test("one session stands for five", () => {
    const options = {
      ...ROLLING_DEPLOY,
      nodes: 10,
      sessions: 500_000,
      windowMs: windowForPace(50_000, 500, 500),
    };
    const [exact, batched] = [
      simulateRollingDeploy({ ...options, eventsMax: 10_000_000 }),
      batchedRollingDeploy(options),
    ];
    expect(batched.events).toBeLessThan(exact.events / 3);
    expect(Math.abs(batched.tookMs / exact.tookMs - 1)).toBeLessThan(0.05);
    expect(Math.abs(batched.attemptsPerMove / exact.attemptsPerMove - 1)).toBeLessThan(0.15);
    expect(batched.sessionsAtEnd).toBe(500_000);
  });
});
