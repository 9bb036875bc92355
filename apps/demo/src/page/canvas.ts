// Owns: a canvas that fits its box at the screen's resolution and is redrawn each frame while it is
// visible.
import { type RefObject, useEffect, useRef } from "react";

/**
 * One frame: sizes in CSS px, `nowMs` on the window's monotonic clock, `dtS` since the last frame
 * (0 for the first).
 */
export interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
  readonly nowMs: number;
  readonly dtS: number;
  readonly ink: (name: string) => string;
  /** True when the reader asked for less motion. */
  readonly calm: boolean;
}

/** With reduced motion, frames that merely scroll are drawn this often. */
export const CALM_FRAME_MS = 500;

/** Calls `draw` for each animation frame. The newest `draw` is used. */
export function useFrames(draw: (frame: Frame) => void): RefObject<HTMLCanvasElement | null> {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useRef(draw);
  latest.current = draw;
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const motion = matchMedia("(prefers-reduced-motion: reduce)");
    const ink = inkReader(element);
    let lastMs = 0;
    let request = 0;
    const frame = (nowMs: number) => {
      request = requestAnimationFrame(frame);
      const { width, height } = fit(element, context);
      if (width === 0) return;
      latest.current({
        context,
        width,
        height,
        nowMs,
        dtS: lastMs === 0 ? 0 : (nowMs - lastMs) / 1000,
        ink,
        calm: motion.matches,
      });
      lastMs = nowMs;
    };
    request = requestAnimationFrame(frame);
    return () => cancelAnimationFrame(request);
  }, []);
  return canvas;
}

function fit(
  element: HTMLCanvasElement,
  context: CanvasRenderingContext2D,
): { width: number; height: number } {
  const width = element.clientWidth;
  const height = element.clientHeight;
  const ratio = Math.min(devicePixelRatio || 1, 3);
  if (
    element.width !== Math.round(width * ratio) ||
    element.height !== Math.round(height * ratio)
  ) {
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { width, height };
}

/**
 * Reads colours of the style sheet; asks it again only when the theme changed. Names come from this
 * program's code: the map is bounded by it.
 */
function inkReader(element: Element): (name: string) => string {
  let theme: string | undefined;
  const known = new Map<string, string>();
  return (name) => {
    if (theme !== document.documentElement.dataset.theme) {
      theme = document.documentElement.dataset.theme;
      known.clear();
    }
    const value = known.get(name) ?? getComputedStyle(element).getPropertyValue(`--${name}`).trim();
    known.set(name, value);
    return value;
  };
}
