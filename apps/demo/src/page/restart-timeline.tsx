// Owns: the picture of one restart: heartbeats before, during and after, with the longest pause
// marked.
import type { CSSProperties } from "react";
import type { Timeline } from "./restart-watch.ts";
import { milliseconds } from "./status-strip.tsx";
import { nodeInk } from "./strip-drawing.ts";

/** Scales with its box; for screen readers it is one picture with a text. */
export function RestartTimeline({
  timeline,
  nodes,
  pauseMs,
}: {
  readonly timeline: Timeline;
  readonly nodes: readonly string[];
  readonly pauseMs: number;
}) {
  const spanMs = Math.max(1, timeline.toMs - timeline.fromMs);
  const percent = (ms: number) => ((ms - timeline.fromMs) / spanMs) * 100;
  const at = (ms: number): CSSProperties => ({ left: `${percent(ms)}%` });
  const label = `${timeline.beats.length} heartbeats in ${(spanMs / 1000).toFixed(1)} s around the restart; this window moved ${timeline.movesMs.map(milliseconds).join(" and ")} after it was asked for.`;
  return (
    <div className="timeline" role="img" aria-label={label}>
      <div
        className="pause-band"
        style={{
          ...at(timeline.pauseFromMs),
          width: `${percent(timeline.pauseToMs) - percent(timeline.pauseFromMs)}%`,
        }}
      />
      {timeline.beats.map((beat) => (
        <i key={beat.n} data-ink={nodeInk(nodes, beat.node)} style={at(beat.atMs)} />
      ))}
      {timeline.movesMs[0] !== 0 && (
        <span className="mark-line" style={at(0)}>
          <b className="on-left">asked</b>
        </span>
      )}
      {timeline.movesMs.map((ms, index) => (
        <span key={ms} className="mark-line" style={at(ms)}>
          {isClear(
            percent(ms),
            percent(timeline.movesMs[index - 1] ?? Number.NEGATIVE_INFINITY),
          ) && <b>moved</b>}
        </span>
      ))}
      {pauseMs > 0 && (
        <span className="pause-label" style={at((timeline.pauseFromMs + timeline.pauseToMs) / 2)}>
          +{milliseconds(pauseMs)}
        </span>
      )}
      {seconds(timeline).map((ms) => (
        <span key={ms} className="second" style={at(ms)}>
          {ms / 1000} s
        </span>
      ))}
    </div>
  );
}

/** Whether there is room for a word between two marks, in percent of the picture. */
function isClear(at: number, before: number): boolean {
  return at - before > 8;
}

/** At most about eight whole seconds in the span. */
function seconds(timeline: Timeline): readonly number[] {
  const stepMs = Math.max(1, Math.ceil((timeline.toMs - timeline.fromMs) / 8000)) * 1000;
  const marks: number[] = [];
  for (
    let ms = Math.ceil(timeline.fromMs / stepMs) * stepMs;
    ms <= timeline.toMs && marks.length < 10;
    ms += stepMs
  )
    marks.push(ms);
  return marks;
}
