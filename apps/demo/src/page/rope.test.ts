// Owns: checks of the rope's physics.
import { describe, expect, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { ROPE_KNOTS } from "../names.ts";
import {
  BOARD_WIDTH,
  CLEATS,
  hangRope,
  knotAt,
  moveRope,
  nearestKnot,
  pullOf,
  restPoint,
  strainAfter,
} from "./rope.ts";

function simulate(seconds: number, grips = new Map<number, { x: number; y: number }>()) {
  const rope = hangRope();
  for (let frame = 0; frame < seconds * 60; frame++) moveRope(rope, 1 / 60, grips);
  return rope;
}

describe("the rope", () => {
  test("stays on both cleats and on the board when nobody holds it", () => {
    const rope = simulate(6);
    expect(knotAt(rope, 0)).toEqual(CLEATS[0]);
    expect(knotAt(rope, ROPE_KNOTS - 1)).toEqual(CLEATS[1]);
    for (let knot = 0; knot < ROPE_KNOTS; knot++) {
      const at = knotAt(rope, knot);
      expect(at.x >= 0 && at.x <= BOARD_WIDTH && at.y >= 0 && at.y <= 1).toBe(true);
    }
  });

  test("hangs near where the device thinks it hangs, so that a pull of nobody is about 0", () => {
    const rope = simulate(8);
    for (let knot = 0; knot < ROPE_KNOTS; knot += 5) {
      const at = knotAt(rope, knot);
      expect(pullOf({ x: at.x / BOARD_WIDTH, y: at.y }, knot)).toBeLessThan(0.09);
    }
  });

  test("follows a grip and is strained by one that pulls far", () => {
    const grip = { x: 0.8, y: 0.99 };
    const rope = simulate(2, new Map([[20, grip]]));
    expect(knotAt(rope, 20)).toEqual(grip);
    expect(strainAfter(rope, 10)).toBeGreaterThan(0.02);
    expect(pullOf({ x: grip.x / BOARD_WIDTH, y: grip.y }, 20)).toBeGreaterThan(0.3);
  });

  test("does not catch up on the time that a hidden window slept", () => {
    const rope = hangRope();
    const started = performance.now();
    moveRope(rope, 3600, new Map());
    expect(performance.now() - started).toBeLessThan(patience(500));
    expect(rope.debtS).toBeLessThan(1);
  });

  test("gives the knot next to a point, never a cleat", () => {
    expect(nearestKnot(hangRope(), restPoint(12)).knot).toBe(12);
    expect(nearestKnot(hangRope(), CLEATS[0]).knot).toBe(1);
  });
});
