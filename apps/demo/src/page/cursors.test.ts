// Owns: checks of how cursors are drawn between two messages.
import { describe, expect, test } from "bun:test";
import { CURSORS_MAX, Cursors, RENDER_DELAY_MS, STALE_MS } from "./cursors.ts";

const at = (x: number) => ({ x, y: 0.5, knot: null, here: true, name: "Ada" });

describe("cursors", () => {
  test("are drawn between two samples, a little in the past", () => {
    const cursors = new Cursors();
    cursors.observe("a", at(0), 0);
    cursors.observe("a", at(1), 100);
    expect(cursors.at(50 + RENDER_DELAY_MS)[0]?.x).toBeCloseTo(0.5);
  });

  test("stay at the newest sample when no more come, and are gone when stale", () => {
    const cursors = new Cursors();
    cursors.observe("a", at(0.2), 0);
    expect(cursors.at(STALE_MS)[0]?.x).toBe(0.2);
    expect(cursors.at(STALE_MS + 1)).toEqual([]);
  });

  test("are gone at once when their pointer left", () => {
    const cursors = new Cursors();
    cursors.observe("a", at(0.2), 0);
    cursors.observe("a", { ...at(0.2), here: false }, 10);
    expect(cursors.at(20)).toEqual([]);
  });

  test("are bounded in number", () => {
    const cursors = new Cursors();
    for (let index = 0; index < CURSORS_MAX + 20; index++) cursors.observe(`s${index}`, at(0.1), 0);
    expect(cursors.at(1).length).toBe(CURSORS_MAX);
  });
});
