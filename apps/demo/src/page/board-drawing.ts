// Owns: the drawing of the board: rope, buoy, cleats and everyone's cursors.
import { ROPE_KNOTS } from "../names.ts";
import type { Frame } from "./canvas.ts";
import { flagOf } from "./person.ts";
import { BOARD_WIDTH, BUOY_KNOT, CLEATS, knotAt, type Rope, strainAfter } from "./rope.ts";

/** A cursor in shares of the board. */
export interface DrawnCursor {
  readonly session: string;
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly holds: boolean;
  readonly own: boolean;
}

/** Draws one frame. The board's world fills the canvas, whose sides are as 1.6 to 1. */
export function drawBoard(frame: Frame, rope: Rope, cursors: readonly DrawnCursor[]): void {
  const { context, width, height } = frame;
  context.clearRect(0, 0, width, height);
  drawGrid(frame);
  const scale = width / BOARD_WIDTH;
  context.save();
  context.scale(scale, scale);
  drawRope(frame, rope);
  drawCleats(frame);
  drawBuoy(frame, rope);
  context.restore();
  for (const cursor of cursors) drawCursor(frame, cursor);
}

function drawGrid({ context, width, height, ink }: Frame): void {
  const cell = width / 32;
  context.fillStyle = ink("grid");
  for (let column = 1; column < 32; column++)
    context.fillRect(Math.round(column * cell), 0, 1, height);
  for (let row = 1; row * cell < height; row++)
    context.fillRect(0, Math.round(row * cell), width, 1);
}

function drawRope({ context, ink }: Frame, rope: Rope): void {
  context.lineCap = "round";
  context.lineJoin = "round";
  const along = () => {
    context.beginPath();
    for (let knot = 0; knot < ROPE_KNOTS; knot++) {
      const at = knotAt(rope, knot);
      if (knot === 0) context.moveTo(at.x, at.y);
      else context.lineTo(at.x, at.y);
    }
  };
  along();
  context.strokeStyle = ink("rope-edge");
  context.lineWidth = 0.024;
  context.stroke();
  along();
  context.strokeStyle = ink("rope");
  context.lineWidth = 0.017;
  context.stroke();
  drawStrain(context, ink("buoy"), rope);
  along();
  context.strokeStyle = ink("rope-edge");
  context.lineWidth = 0.017;
  context.lineCap = "butt";
  context.setLineDash([0.004, 0.018]);
  context.stroke();
  context.setLineDash([]);
}

/** Taut segments glow: the colour is the strain, which the winch's tension follows. */
function drawStrain(context: CanvasRenderingContext2D, colour: string, rope: Rope): void {
  context.strokeStyle = colour;
  context.lineWidth = 0.017;
  for (let knot = 0; knot < ROPE_KNOTS - 1; knot++) {
    const strain = strainAfter(rope, knot);
    if (strain < 0.02) continue;
    const a = knotAt(rope, knot);
    const b = knotAt(rope, knot + 1);
    context.globalAlpha = Math.min(1, strain * 1.6);
    context.beginPath();
    context.moveTo(a.x, a.y);
    context.lineTo(b.x, b.y);
    context.stroke();
  }
  context.globalAlpha = 1;
}

function drawCleats({ context, ink }: Frame): void {
  context.fillStyle = ink("ink");
  for (const cleat of CLEATS) {
    context.beginPath();
    context.roundRect(cleat.x - 0.045, cleat.y - 0.014, 0.09, 0.028, 0.014);
    context.roundRect(cleat.x - 0.018, cleat.y - 0.03, 0.036, 0.06, 0.008);
    context.fill();
  }
}

function drawBuoy({ context, ink }: Frame, rope: Rope): void {
  const at = knotAt(rope, BUOY_KNOT);
  const radius = 0.052;
  const y = at.y + radius * 0.92;
  context.beginPath();
  context.arc(at.x, y, radius, 0, Math.PI * 2);
  context.fillStyle = ink("buoy");
  context.fill();
  context.save();
  context.clip();
  context.fillStyle = ink("surface");
  context.fillRect(at.x - radius, y - radius * 0.26, radius * 2, radius * 0.52);
  context.restore();
  context.lineWidth = 0.004;
  context.strokeStyle = ink("rope-edge");
  context.stroke();
}

function drawCursor({ context, width, height, ink }: Frame, cursor: DrawnCursor): void {
  const x = cursor.x * width;
  const y = cursor.y * height;
  const colour = ink(`flag-${flagOf(cursor.session).ink}-a`);
  context.fillStyle = colour;
  context.strokeStyle = ink("surface");
  context.lineWidth = 1.5;
  context.beginPath();
  if (cursor.holds) context.arc(x, y, 8, 0, Math.PI * 2);
  else arrow(context, x, y);
  context.fill();
  context.stroke();
  const text = cursor.own ? "you" : cursor.name;
  context.font = `600 11px ${ink("sans")}`;
  context.textBaseline = "middle";
  const wide = context.measureText(text).width + 10;
  const left = x + 14 + wide > width ? x - 14 - wide : x + 14;
  const top = Math.min(Math.max(y + 8, 2), height - 20);
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, top, wide, 17, 3);
  context.fill();
  context.fillStyle = "#fff";
  context.fillText(text, left + 5, top + 9);
}

function arrow(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.moveTo(x, y);
  context.lineTo(x + 4, y + 14);
  context.lineTo(x + 7, y + 8.5);
  context.lineTo(x + 13, y + 6.5);
  context.closePath();
}
