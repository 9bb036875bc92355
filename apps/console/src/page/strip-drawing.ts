// Owns: the drawing of the heartbeat strip: one tick for each heartbeat of the last seconds, in the colour of the node that delivered it.
import type { Frame } from "./canvas.ts";
import type { Beat } from "./heartbeats.ts";

/** The strip shows this much time; less where ticks would run together. */
const STRIP_MS = 12_000;
const NARROW_STRIP_MS = 6_000;
const NARROW_PX = 480;
const AXIS_PX = 20;
const LABEL_PX = 22;

/** Draws the strip; `nodes` are the nodes seen so far, in order: neighbours get different colours. */
export function drawStrip(frame: Frame, beats: readonly Beat[], nodes: readonly string[]): void {
  const { context, width, height, ink } = frame;
  const spanMs = width < NARROW_PX ? NARROW_STRIP_MS : STRIP_MS;
  const x = (atMs: number) => width - ((frame.nowMs - atMs) / spanMs) * width;
  context.clearRect(0, 0, width, height);
  drawAxis(frame, spanMs);
  const top = LABEL_PX;
  const bottom = height - AXIS_PX;
  context.font = `11px ${ink("mono")}`;
  context.textBaseline = "alphabetic";
  let labelEnd = Number.NEGATIVE_INFINITY;
  let previous: Beat | undefined;
  for (const beat of beats) {
    const at = x(beat.atMs);
    if (at >= -2) {
      const colour = ink(nodeInk(nodes, beat.node));
      context.fillStyle = colour;
      const tall = beat.n % 10 === 0 ? 0 : (bottom - top) * 0.28;
      context.fillRect(Math.round(at) - 1, top + tall, 2, bottom - top - tall);
      const begins = previous === undefined || previous.node !== beat.node || x(previous.atMs) < -2;
      if (begins && at > labelEnd) labelEnd = drawNodeLabel(frame, beat.node, Math.max(at, 2));
      if (previous && beat.n > previous.n + 1) drawHole(frame, x(previous.atMs), at);
    }
    previous = beat;
  }
}

/** The style sheet's name for a node's colour. */
export function nodeInk(nodes: readonly string[], node: string): "node-a" | "node-b" {
  return nodes.indexOf(node) % 2 === 1 ? "node-b" : "node-a";
}

function drawNodeLabel(frame: Frame, node: string, at: number): number {
  const { context } = frame;
  const text = node;
  const wide = context.measureText(text).width;
  const left = Math.min(at - 1, frame.width - wide - 2);
  context.fillRect(Math.round(at) - 1, 2, 1, LABEL_PX);
  context.fillText(text, left + 5, 11);
  return left + wide + 14;
}

function drawHole(frame: Frame, from: number, to: number): void {
  frame.context.fillStyle = frame.ink("bad");
  frame.context.fillRect(from + 2, frame.height - AXIS_PX - 4, Math.max(2, to - from - 4), 4);
}

function drawAxis({ context, width, height, ink }: Frame, spanMs: number): void {
  const y = height - AXIS_PX;
  context.fillStyle = ink("line-strong");
  context.fillRect(0, y, width, 1);
  context.fillStyle = ink("ink-3");
  context.font = `11px ${ink("mono")}`;
  context.textBaseline = "alphabetic";
  for (let second = 0; second <= spanMs / 1000; second += 2) {
    const at = width - (second / (spanMs / 1000)) * width;
    context.fillRect(Math.min(Math.round(at), width - 1), y, 1, 5);
    const text = second === 0 ? "now" : `−${second} s`;
    const wide = context.measureText(text).width;
    const left = second === 0 ? width - wide : at - wide / 2;
    if (left >= 0) context.fillText(text, left, height - 4);
  }
}
