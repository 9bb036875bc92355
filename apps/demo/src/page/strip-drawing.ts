// Owns: the drawing of the heartbeat strip: one tick for each heartbeat of the last seconds, in the
// colour of the node that delivered it.
import type { Frame } from "./canvas.ts";
import type { Beat } from "./heartbeats.ts";

/** The strip shows this much time, or less if ticks would touch. */
const STRIP_MS = 12_000;
const NARROW_STRIP_MS = 6_000;
const NARROW_PX = 480;
const AXIS_PX = 20;
/** Names of nodes take turns in two rows, so that neighbours do not run into each other. */
const LABEL_ROW_PX = 13;
const LABELS_PX = 2 * LABEL_ROW_PX + 6;

/**
 * Draws the strip; `nodes` are the nodes seen so far, in order: neighbours get different colours.
 */
export function drawStrip(frame: Frame, beats: readonly Beat[], nodes: readonly string[]): void {
  const { context, width, height, ink } = frame;
  const spanMs = width < NARROW_PX ? NARROW_STRIP_MS : STRIP_MS;
  const x = (atMs: number) => width - ((frame.nowMs - atMs) / spanMs) * width;
  context.clearRect(0, 0, width, height);
  drawAxis(frame, spanMs);
  const top = LABELS_PX;
  const bottom = height - AXIS_PX;
  context.font = `11px ${ink("mono")}`;
  context.textBaseline = "alphabetic";
  let previous: Beat | undefined;
  for (const beat of beats) {
    const at = x(beat.atMs);
    if (at >= -2) {
      context.fillStyle = ink(nodeInk(nodes, beat.node));
      const tall = beat.n % 10 === 0 ? 0 : (bottom - top) * 0.28;
      context.fillRect(Math.round(at) - 1, top + tall, 2, bottom - top - tall);
      const begins = previous === undefined || previous.node !== beat.node || x(previous.atMs) < -2;
      if (begins)
        drawNodeLabel(frame, beat.node, {
          at: Math.max(at, 2),
          row: nodeInk(nodes, beat.node) === "node-a" ? 0 : 1,
        });
      if (previous && beat.n > previous.n + 1) drawHole(frame, x(previous.atMs), at);
    }
    previous = beat;
  }
}

/** The style sheet's name for a node's colour. */
export function nodeInk(nodes: readonly string[], node: string): "node-a" | "node-b" {
  return nodes.indexOf(node) % 2 === 1 ? "node-b" : "node-a";
}

function drawNodeLabel(
  frame: Frame,
  node: string,
  place: { readonly at: number; readonly row: number },
): void {
  const { context, width } = frame;
  const top = place.row * LABEL_ROW_PX;
  context.fillRect(Math.round(place.at) - 1, top, 1, LABELS_PX - top);
  context.fillText(
    node,
    Math.min(place.at + 4, width - context.measureText(node).width - 2),
    top + 10,
  );
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
