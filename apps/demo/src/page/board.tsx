// Owns: the board: pointer and keyboard in, cursors of everyone out.
import {
  type KeyboardEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { type DrawnCursor, drawBoard } from "./board-drawing.ts";
import { type Frame, useFrames } from "./canvas.ts";
import type { Cursor, CursorSample, Cursors } from "./cursors.ts";
import { Hand, KEY_STEPS } from "./hand.ts";
import { BOARD_WIDTH, hangRope, moveRope, type Point } from "./rope.ts";

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

export function BoardCanvas(props: BoardProps) {
  const rope = useMemo(hangRope, []);
  const hand = useMemo(() => new Hand(), []);
  const latest = useRef(props);
  latest.current = props;
  const [others, setOthers] = useState("");

  const tell = useCallback(
    (nowMs: number) => {
      const sample = hand.sample(nowMs, latest.current.name);
      if (sample) latest.current.onMove(sample);
    },
    [hand],
  );
  const canvas = useFrames((frame: Frame) => {
    const { cursors: known, own } = latest.current;
    const cursors = known.at(frame.nowMs).filter((cursor) => cursor.session !== own);
    moveRope(rope, frame.dtS, grips(cursors, hand), frame.calm ? CALM_DAMPING : LIVELY_DAMPING);
    drawBoard(frame, rope, drawn(cursors, hand, own));
    setOthers(describe(cursors));
    tell(frame.nowMs);
  });
  const leave = useCallback(() => {
    hand.leave();
    // At once: a page that is left or hidden gets no further frame.
    tell(performance.now());
  }, [hand, tell]);
  useEffect(() => {
    addEventListener("pagehide", leave);
    return () => removeEventListener("pagehide", leave);
  }, [leave]);

  return (
    <>
      <div
        className="deck"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keys itself
        tabIndex={0}
        aria-label="Board with a shared rope"
        aria-describedby="board-help"
        onPointerMove={(event) => follow(hand, event)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          follow(hand, event);
          hand.hold(rope);
        }}
        onPointerUp={(event) => {
          hand.letGo();
          if (event.pointerType !== "mouse") leave();
        }}
        onPointerCancel={leave}
        onPointerLeave={leave}
        onKeyDown={(event) => {
          if (pressKey(hand, event, () => hand.hold(rope))) event.preventDefault();
        }}
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

function follow(hand: Hand, event: PointerEvent<HTMLDivElement>): void {
  const box = event.currentTarget.getBoundingClientRect();
  hand.moveTo((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

/** Arrow keys move, Space takes hold or lets go, Escape lets go. False for other keys. */
function pressKey(hand: Hand, event: KeyboardEvent, hold: () => void): boolean {
  const step = KEY_STEPS[event.key];
  if (step) hand.moveTo(hand.x + step.x, hand.y + step.y);
  else if (event.key === " " && hand.knot === null) hold();
  else if (event.key === " " || event.key === "Escape") hand.letGo();
  else return false;
  return true;
}

/** Held knots and where: others' as drawn, one's own at once. */
function grips(cursors: readonly Cursor[], own: Hand): ReadonlyMap<number, Point> {
  const held = new Map<number, Point>();
  for (const cursor of [...cursors, own])
    if (cursor.knot !== null) held.set(cursor.knot, { x: cursor.x * BOARD_WIDTH, y: cursor.y });
  return held;
}

function drawn(
  cursors: readonly Cursor[],
  own: Hand,
  session: string | undefined,
): readonly DrawnCursor[] {
  const others = cursors.map((cursor) => ({ ...cursor, holds: cursor.knot !== null, own: false }));
  if (!own.here) return others;
  return [
    ...others,
    { session: session ?? "", name: "", x: own.x, y: own.y, holds: own.knot !== null, own: true },
  ];
}

/**
 * Who is on the board, for those who cannot see it. Changes only when someone comes, goes, takes
 * hold or lets go.
 */
function describe(cursors: readonly Cursor[]): string {
  return cursors
    .map(
      (cursor) => `${cursor.name} ${cursor.knot === null ? "is on the board" : "holds the rope"}`,
    )
    .join(", ");
}
