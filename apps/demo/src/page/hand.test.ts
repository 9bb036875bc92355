// Owns: checks of one's own hand on the board.
import { describe, expect, test } from "bun:test";
import { Hand } from "./hand.ts";
import { BOARD_WIDTH, hangRope, restPoint } from "./rope.ts";

function handAt(knot: number): Hand {
  const hand = new Hand();
  const rest = restPoint(knot);
  hand.moveTo(rest.x / BOARD_WIDTH, rest.y);
  return hand;
}

describe("the hand", () => {
  test("is told at most 30 times a second, however often it moves", () => {
    const hand = new Hand();
    let told = 0;
    for (let ms = 1000; ms < 2000; ms += 2) {
      hand.moveTo(0.1 + (ms - 1000) / 2000, 0.5);
      if (hand.sample(ms, "Ada")) told++;
    }
    expect(told).toBeGreaterThan(25);
    expect(told).toBeLessThanOrEqual(32);
  });

  test("is told once a second while it rests on the board, and not at all when it is elsewhere", () => {
    const hand = new Hand();
    hand.moveTo(0.5, 0.5);
    const told = [0, 100, 999, 1000, 1500, 2000].map(
      (ms) => hand.sample(1000 + ms, "Ada") !== undefined,
    );
    expect(told).toEqual([true, false, false, true, false, true]);
    hand.leave();
    expect(hand.sample(3001, "Ada")).toMatchObject({ here: false, knot: null });
    expect(hand.sample(9000, "Ada")).toBeUndefined();
  });

  test("holds a knot in reach, none when the rope is far, and lets go", () => {
    const rope = hangRope();
    const near = handAt(12);
    near.hold(rope);
    expect(near.knot).toBe(12);
    near.letGo();
    expect(near.sample(1000, "Ada")).toMatchObject({ knot: null, here: true });
    const far = new Hand();
    far.moveTo(0.5, 0.01);
    far.hold(rope);
    expect(far.knot).toBeNull();
  });

  test("stays on the board", () => {
    const hand = new Hand();
    hand.moveTo(-3, 7);
    expect(hand.sample(1000, "Ada")).toMatchObject({ x: 0, y: 1 });
  });
});
