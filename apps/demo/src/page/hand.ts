// Owns: this window's hand on the board: its position, what it holds, and when to tell the others.
// Pure.
import { type CursorSample, REPEAT_MS } from "./cursors.ts";
import { BOARD_WIDTH, nearestKnot, type Point, type Rope } from "./rope.ts";

/** A little under 1/30 s: two frames of a 60 Hz screen must not round up to three. */
const SEND_INTERVAL_MS = 32;
/** How near to the rope one must be to take hold of it, in board heights. */
const REACH = 0.12;
const KEY_STEP = 0.025;

/** Steps of the arrow keys, in shares of the board. */
export const KEY_STEPS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -KEY_STEP, y: 0 },
  ArrowRight: { x: KEY_STEP, y: 0 },
  ArrowUp: { x: 0, y: -KEY_STEP * BOARD_WIDTH },
  ArrowDown: { x: 0, y: KEY_STEP * BOARD_WIDTH },
};

export class Hand {
  #x = 0.5;
  #y = 0.3;
  #knot: number | null = null;
  #here = false;
  #changed = false;
  #toldAtMs = 0;

  /** Position in shares of the board. */
  get x(): number {
    return this.#x;
  }
  get y(): number {
    return this.#y;
  }
  get knot(): number | null {
    return this.#knot;
  }
  /** False while the pointer is elsewhere. */
  get here(): boolean {
    return this.#here;
  }

  moveTo(x: number, y: number): void {
    this.#x = clamp(x);
    this.#y = clamp(y);
    this.#here = true;
    this.#changed = true;
  }

  /** Takes the nearest knot, if one is in reach. */
  hold(rope: Rope): void {
    const near = nearestKnot(rope, { x: this.#x * BOARD_WIDTH, y: this.#y });
    this.#here = true;
    this.#changed = true;
    if (near.distance <= REACH) this.#knot = near.knot;
  }

  letGo(): void {
    this.#changed ||= this.#knot !== null;
    this.#knot = null;
  }

  /** Releases the knot and leaves. The next sample tells the others. */
  leave(): void {
    this.letGo();
    this.#changed ||= this.#here;
    this.#here = false;
  }

  /**
   * What to tell now, or undefined: changes at most 30 times a second, and a sign of life each
   * second while here. A leave is told at once.
   */
  sample(nowMs: number, name: string): CursorSample | undefined {
    const sinceMs = nowMs - this.#toldAtMs;
    const isDue = this.#changed
      ? sinceMs >= SEND_INTERVAL_MS || !this.#here
      : this.#here && sinceMs >= REPEAT_MS;
    if (!isDue) return undefined;
    this.#changed = false;
    this.#toldAtMs = nowMs;
    return { x: round(this.#x), y: round(this.#y), knot: this.#knot, here: this.#here, name };
  }
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** Four digits are finer than any screen. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
