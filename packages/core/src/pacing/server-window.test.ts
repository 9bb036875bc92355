// Owns: tests of the window over which returning clients spread.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SERVER_WINDOW_MS_MAX, serverWindowMs } from "./server-window.ts";

test("the window is 1.3 N / A", () => {
  expect(serverWindowMs(10_000, 200, 500)).toBe(65_000);
});

test("the window has a least value and a greatest", () => {
  expect(serverWindowMs(0, 200, 500)).toBe(500);
  expect(serverWindowMs(0, 0, 500)).toBe(500);
  expect(serverWindowMs(3, 200, 500)).toBe(500);
  expect(serverWindowMs(10_000_000, 1, 500)).toBe(SERVER_WINDOW_MS_MAX);
  expect(serverWindowMs(10, 0, 500)).toBe(SERVER_WINDOW_MS_MAX);
});

test("clients spread over the window never arrive faster than A can take them", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.integer({ min: 60, max: 10_000 }),
      (connections, perSecond) => {
        const windowMs = serverWindowMs(connections, perSecond, 0);
        if (windowMs === SERVER_WINDOW_MS_MAX) return;
        expect((connections * 1000) / windowMs).toBeLessThanOrEqual(perSecond);
      },
    ),
  );
});
