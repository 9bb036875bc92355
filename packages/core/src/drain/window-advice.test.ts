import { expect, test } from "bun:test";
import type { Connection } from "../session/connection.ts";
import { WindowAdvice } from "./window-advice.ts";

/** Connections that note what they are told. */
function stage() {
  const connections = new Set<Connection>();
  const told: number[] = [];
  const add = (windowToldMs: number, more: Partial<Connection> = {}): Connection => {
    const connection = {
      phase: "open",
      toldToLeave: false,
      windowToldMs,
      send: ({ windowMs }: { windowMs: number }) => told.push(windowMs),
      ...more,
    } as unknown as Connection;
    connections.add(connection);
    return connection;
  };
  return { add, told, advice: new WindowAdvice(connections) };
}

test.each([
  [1000, 1000, 0, false],
  [1000, 1500, 0, false],
  [1000, 1501, 0, true],
  [1500, 1000, 0, false],
  [1501, 1000, 0, true],
  [100, 300, 200, false],
  [300, 100, 200, false],
  [100, 301, 200, true],
])(
  "who knows %d ms while %d ms holds, with %d ms ignored, is told: %p",
  (known, now, least, is) => {
    const { add, told, advice } = stage();
    const connection = add(known);
    for (let i = 0; i < 4; i++) advice.tick(now, least);
    expect(told).toEqual(is ? [now] : []);
    expect(connection.windowToldMs).toBe(is ? now : known);
  },
);

test("nobody is told who is not connected yet or was told to leave", () => {
  const { add, told, advice } = stage();
  add(100, { phase: "checking" });
  add(100, { toldToLeave: true });
  advice.tick(1000, 0);
  expect(told).toEqual([]);
});

test("250 at most are told in one tick, and the next one goes on with the others", () => {
  const { add, told, advice } = stage();
  for (let i = 0; i < 600; i++) add(100);
  const counts = Array.from({ length: 4 }, () => {
    advice.tick(1000, 0);
    return told.length;
  });
  expect(counts).toEqual([250, 500, 600, 600]);
  add(100);
  advice.tick(1000, 0);
  expect(told).toHaveLength(601);
});
