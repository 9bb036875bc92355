// Owns: the rope on the board: positions of its knots and how they move. Pure and deterministic;
// every window simulates its own copy.
import { ROPE_KNOTS } from "../names.ts";

/** The board's world: x from 0 to `BOARD_WIDTH`, y from 0 (top) to 1. */
export const BOARD_WIDTH = 1.6;
/** The cleats that hold both ends. */
export const CLEATS = [
  { x: 0.1, y: 0.24 },
  { x: BOARD_WIDTH - 0.1, y: 0.24 },
] as const;
/** The knot that carries the buoy. */
export const BUOY_KNOT = (ROPE_KNOTS - 1) / 2;

const SEGMENT = ((CLEATS[1].x - CLEATS[0].x) * 1.13) / (ROPE_KNOTS - 1);
const GRAVITY = 2.6;
const STEP_S = 1 / 120;
/** A window that was hidden does not simulate the time it slept. */
const STEPS_MAX = 8;
const RELAXATIONS = 14;

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * Knots and where they were a step ago, as x, y pairs; `debtS` is time not yet simulated. Changed
 * in place by `moveRope`.
 */
export interface Rope {
  readonly at: Float64Array;
  readonly before: Float64Array;
  debtS: number;
}

/** A rope that hangs at rest. */
export function hangRope(): Rope {
  const at = new Float64Array(ROPE_KNOTS * 2);
  for (let knot = 0; knot < ROPE_KNOTS; knot++) {
    const rest = restPoint(knot);
    at[knot * 2] = rest.x;
    at[knot * 2 + 1] = rest.y;
  }
  return { at, before: at.slice(), debtS: 0 };
}

/**
 * About where a knot hangs when nobody holds the rope: a parabola, close enough to the catenary to
 * measure a pull against.
 */
export function restPoint(knot: number): Point {
  const share = knot / (ROPE_KNOTS - 1);
  const sag = 0.36 * 4 * share * (1 - share);
  return { x: CLEATS[0].x + (CLEATS[1].x - CLEATS[0].x) * share, y: CLEATS[0].y + sag };
}

/**
 * How far a grip holds a knot from where it would hang, in board heights. `grip` is in shares of
 * the board, as on the wire.
 */
export function pullOf(grip: Point, knot: number): number {
  const rest = restPoint(knot);
  return Math.hypot(grip.x * BOARD_WIDTH - rest.x, grip.y - rest.y);
}

/**
 * Moves the rope on by `dtS`; `grips` are knots held at a place (world units). `damping` is the
 * share of motion lost each step.
 */
export function moveRope(
  rope: Rope,
  dtS: number,
  grips: ReadonlyMap<number, Point>,
  damping = 0.012,
): void {
  rope.debtS = Math.min(rope.debtS + dtS, STEP_S * STEPS_MAX);
  while (rope.debtS >= STEP_S) {
    rope.debtS -= STEP_S;
    integrate(rope, damping);
    for (let round = 0; round < RELAXATIONS; round++) {
      pin(rope, grips);
      relax(rope);
    }
    pin(rope, grips);
  }
}

/** The knot nearest to a point and its distance, in world units. */
export function nearestKnot(
  rope: Rope,
  point: Point,
): { readonly knot: number; readonly distance: number } {
  let best = { knot: 1, distance: Number.POSITIVE_INFINITY };
  for (let knot = 1; knot < ROPE_KNOTS - 1; knot++) {
    const at = knotAt(rope, knot);
    const distance = Math.hypot(at.x - point.x, at.y - point.y);
    if (distance < best.distance) best = { knot, distance };
  }
  return best;
}

export function knotAt(rope: Rope, knot: number): Point {
  return { x: rope.at[knot * 2] ?? 0, y: rope.at[knot * 2 + 1] ?? 0 };
}

/** How much longer than at rest the segment after a knot is: 0 slack, 1 twice as long. */
export function strainAfter(rope: Rope, knot: number): number {
  const a = knotAt(rope, knot);
  const b = knotAt(rope, knot + 1);
  return Math.max(0, Math.hypot(b.x - a.x, b.y - a.y) / SEGMENT - 1);
}

function integrate(rope: Rope, damping: number): void {
  const { at, before } = rope;
  for (let i = 0; i < at.length; i++) {
    const now = at[i] ?? 0;
    const speed = (now - (before[i] ?? 0)) * (1 - damping);
    const isY = i % 2 === 1;
    const weight = i >> 1 === BUOY_KNOT ? 1.5 : 1;
    before[i] = now;
    at[i] = now + speed + (isY ? GRAVITY * weight * STEP_S * STEP_S : 0);
  }
}

function pin(rope: Rope, grips: ReadonlyMap<number, Point>): void {
  place(rope, 0, CLEATS[0]);
  place(rope, ROPE_KNOTS - 1, CLEATS[1]);
  for (const [knot, point] of grips)
    if (knot > 0 && knot < ROPE_KNOTS - 1) place(rope, knot, point);
}

function place(rope: Rope, knot: number, point: Point): void {
  rope.at[knot * 2] = point.x;
  rope.at[knot * 2 + 1] = point.y;
}

function relax(rope: Rope): void {
  const { at } = rope;
  for (let knot = 0; knot < ROPE_KNOTS - 1; knot++) {
    const i = knot * 2;
    const dx = (at[i + 2] ?? 0) - (at[i] ?? 0);
    const dy = (at[i + 3] ?? 0) - (at[i + 1] ?? 0);
    const length = Math.hypot(dx, dy) || SEGMENT;
    if (length <= SEGMENT) continue;
    const share = (length - SEGMENT) / length / 2;
    at[i] = (at[i] ?? 0) + dx * share;
    at[i + 1] = (at[i + 1] ?? 0) + dy * share;
    at[i + 2] = (at[i + 2] ?? 0) - dx * share;
    at[i + 3] = (at[i + 3] ?? 0) - dy * share;
  }
}
