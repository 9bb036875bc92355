// Owns: the drawing of the last seconds: a row for each socket, a tick for each frame, in the
// colour of the version that sent it.
import { inkOf } from "./card.ts";
import type { SocketWatch } from "./socket-watch.ts";

const SPAN_MS = 12_000;
const ROW_PX = 28;
const AXIS_PX = 20;
const LABEL_PX = 108;
/** A longer gap is marked. Frames come every 50 ms. */
const GAP_MS = 250;

export function drawStrip(
  canvas: HTMLCanvasElement,
  watches: readonly SocketWatch[],
  nowMs: number,
): void {
  const context = canvas.getContext("2d");
  const width = canvas.clientWidth;
  if (context === null || width === 0) return;
  const height = watches.length * ROW_PX + AXIS_PX;
  const ratio = Math.min(devicePixelRatio, 3);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const style = getComputedStyle(canvas);
  const ink = (name: string): string => style.getPropertyValue(`--${name}`);
  context.font = `12px ${ink("sans")}`;
  const x = (atMs: number): number => width - ((nowMs - atMs) / SPAN_MS) * (width - LABEL_PX);
  for (const [row, watch] of watches.entries()) {
    const top = row * ROW_PX;
    context.fillStyle = ink("ink-2");
    context.fillText(watch.name, 0, top + 18);
    drawTicks(context, watch, { top, x, nowMs, ink });
  }
  drawAxis(context, { width, top: watches.length * ROW_PX, ink });
}

interface Row {
  readonly top: number;
  readonly x: (atMs: number) => number;
  readonly nowMs: number;
  readonly ink: (name: string) => string;
}

function drawTicks(
  context: CanvasRenderingContext2D,
  { ticks }: SocketWatch,
  { top, x, nowMs, ink }: Row,
): void {
  const inks = { "node-a": ink("node-a"), "node-b": ink("node-b") };
  let before: number | undefined;
  for (const { atMs, server } of [...ticks, undefined].map((tick) => tick ?? END)) {
    const at = Math.min(atMs, nowMs);
    if (before !== undefined && at - before > GAP_MS && x(at) > LABEL_PX) {
      context.fillStyle = ink("bad");
      const left = Math.max(LABEL_PX, x(before) + 2);
      context.fillRect(left, top + 12, Math.max(2, x(at) - 1 - left), 5);
    }
    before = at;
    if (atMs > nowMs || x(at) < LABEL_PX) continue;
    context.fillStyle = inks[inkOf(server)];
    context.fillRect(Math.round(x(at)) - 1, top + 3, 1.5, ROW_PX - 6);
  }
}

/** Behind the last frame: the gap that lasts. */
const END = { atMs: Number.POSITIVE_INFINITY, server: "" };

function drawAxis(
  context: CanvasRenderingContext2D,
  { width, top, ink }: { width: number; top: number; ink: (name: string) => string },
): void {
  context.fillStyle = ink("line-strong");
  context.fillRect(LABEL_PX, top, width - LABEL_PX, 1);
  context.font = `11px ${ink("mono")}`;
  context.fillStyle = ink("ink-3");
  const step = width < 600 ? 6 : 2;
  for (let second = 0; second <= SPAN_MS / 1000; second += step) {
    const at = width - (second / (SPAN_MS / 1000)) * (width - LABEL_PX);
    const words = second === 0 ? "now" : `−${second} s`;
    const wide = context.measureText(words).width;
    context.fillText(words, second === 0 ? width - wide : at - wide / 2, top + 15);
  }
}
