// Owns: the board: pointer and keyboard in, cursors of everyone out, at most 30 publications a second.
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type DrawnCursor, drawBoard } from "./board-drawing.ts";
import { type Frame, useFrames } from "./canvas.ts";
import { type Cursor, type CursorSample, type Cursors, REPEAT_MS } from "./cursors.ts";
import { BOARD_WIDTH, hangRope, moveRope, nearestKnot, type Point } from "./rope.ts";

/** A little under 1/30 s: two frames of a 60 Hz screen must not round up to three. */
const SEND_INTERVAL_MS = 32;
/** How near to the rope one must be to take hold of it, in board heights. */
const REACH = 0.12;
const KEY_STEP = 0.025;
const CALM_DAMPING = 0.2;
const LIVELY_DAMPING = 0.012;

export interface BoardProps {
  readonly own: string | undefined;
  readonly name: string;
  /** Others' samples are handed in here. */
  readonly cursors: Cursors;
  /** Publishes a sample; may drop it. */
  readonly onMove: (sample: CursorSample) => void;
}

interface Hand {
  x: number;
  y: number;
  knot: number | null;
  here: boolean;
  changed: boolean;
  sentAtMs: number;
}

export function BoardCanvas(props: BoardProps) {
  const rope = useMemo(hangRope, []);
  const hand = useRef<Hand>({ x: 0.5, y: 0.3, knot: null, here: false, changed: false, sentAtMs: 0 });
  const latest = useRef(props);
  latest.current = props;
  const [others, setOthers] = useState("");

  const send = useCallback((nowMs: number) => {
    const { x, y, knot, here } = hand.current;
    hand.current.changed = false;
    hand.current.sentAtMs = nowMs;
    latest.current.onMove({ x: share(x), y: share(y), knot, here, name: latest.current.name });
  }, []);

  const canvas = useFrames((frame: Frame) => {
    const state = hand.current;
    const cursors = latest.current.cursors.at(frame.nowMs).filter((cursor) => cursor.session !== latest.current.own);
    moveRope(rope, frame.dtS, grips(cursors, state), frame.calm ? CALM_DAMPING : LIVELY_DAMPING);
    drawBoard(frame, rope, drawn(cursors, state, latest.current.own));
    setOthers(describe(cursors));
    const sinceMs = frame.nowMs - state.sentAtMs;
    if (state.changed ? sinceMs >= SEND_INTERVAL_MS : state.here && sinceMs >= REPEAT_MS) send(frame.nowMs);
  });

  const change = (part: Partial<Hand>) => Object.assign(hand.current, part, { changed: true });
  const leave = useCallback(() => {
    if (!hand.current.here) return;
    Object.assign(hand.current, { here: false, knot: null });
    send(performance.now());
  }, [send]);
  useEffect(() => {
    addEventListener("pagehide", leave);
    return () => removeEventListener("pagehide", leave);
  }, [leave]);

  const hold = (at: Point) => {
    const near = nearestKnot(rope, { x: at.x * BOARD_WIDTH, y: at.y });
    if (near.distance <= REACH) change({ knot: near.knot });
  };
  const pointer = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = { x: clamp((event.clientX - box.left) / box.width), y: clamp((event.clientY - box.top) / box.height) };
    change({ ...at, here: true });
    return at;
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    hold(pointer(event));
  };
  const onPointerUp = (event: PointerEvent<HTMLDivElement>) => {
    change({ knot: null });
    if (event.pointerType !== "mouse") leave();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step) change({ x: clamp(hand.current.x + step.x), y: clamp(hand.current.y + step.y), here: true });
    else if (event.key === " ") toggleHold();
    else if (event.key === "Escape") change({ knot: null });
    else return;
    event.preventDefault();
  };
  const toggleHold = () => {
    change({ here: true });
    if (hand.current.knot === null) hold(hand.current);
    else change({ knot: null });
  };

  return (
    <>
      <div
        className="deck"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keys itself
        tabIndex={0}
        aria-label="Board with a shared rope"
        aria-describedby="board-help"
        onPointerMove={pointer}
        onPointerDown={onPointerDown}
        onPointerUp={onPointerUp}
        onPointerCancel={leave}
        onPointerLeave={leave}
        onKeyDown={onKeyDown}
        onBlur={leave}
        data-testid="board"
      >
        <canvas ref={canvas} />
      </div>
      <p className="unseen" aria-live="polite" data-testid="others">
        {others}
      </p>
    </>
  );
}

const STEPS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -KEY_STEP, y: 0 },
  ArrowRight: { x: KEY_STEP, y: 0 },
  ArrowUp: { x: 0, y: -KEY_STEP * BOARD_WIDTH },
  ArrowDown: { x: 0, y: KEY_STEP * BOARD_WIDTH },
};

/** Held knots and where: others' as drawn, one's own at once. */
function grips(cursors: readonly Cursor[], own: Hand): ReadonlyMap<number, Point> {
  const held = new Map<number, Point>();
  for (const cursor of [...cursors, own]) if (cursor.knot !== null) held.set(cursor.knot, { x: cursor.x * BOARD_WIDTH, y: cursor.y });
  return held;
}

function drawn(cursors: readonly Cursor[], own: Hand, session: string | undefined): readonly DrawnCursor[] {
  const others = cursors.map((cursor) => ({ ...cursor, holds: cursor.knot !== null, own: false }));
  if (!own.here) return others;
  return [...others, { session: session ?? "", name: "", x: own.x, y: own.y, holds: own.knot !== null, own: true }];
}

/** Who is on the board, for those who cannot see it. Changes only when someone comes, goes, takes hold or lets go. */
function describe(cursors: readonly Cursor[]): string {
  return cursors.map((cursor) => `${cursor.name} ${cursor.knot === null ? "is on the board" : "holds the rope"}`).join(", ");
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** Four digits are finer than any screen. */
function share(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
