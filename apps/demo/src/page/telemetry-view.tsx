// Owns: the look of the telemetry: one small uPlot chart for each metric, all over the same minute.
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import type { Metric } from "../names.ts";
import { type Series, SPAN_S } from "./series.ts";

const AXIS_PX = 22;

/**
 * One metric: label, newest value with its unit, and the last minute. `last`: also shows the time
 * axis.
 */
export function MetricChart(props: {
  readonly metric: Metric;
  readonly series: Series;
  readonly theme: string;
  readonly last: boolean;
}) {
  const { metric, series } = props;
  const newest = series.values.at(-1);
  const box = useChart(props);
  return (
    <div className="metric" data-testid={`metric-${metric.key}`} data-points={series.values.length}>
      <p>
        <span>{metric.label}</span>
        <span className="reading">
          <b>{newest === undefined ? "–" : newest.toFixed(metric.digits)}</b> {metric.unit}
        </span>
      </p>
      <div
        className="chart"
        ref={box}
        role="img"
        aria-label={`${metric.label} over the last minute, in ${metric.unit}${newest === undefined ? "" : `; now ${newest.toFixed(metric.digits)}`}`}
      />
    </div>
  );
}

function useChart(props: {
  readonly metric: Metric;
  readonly series: Series;
  readonly theme: string;
  readonly last: boolean;
}) {
  const { metric, theme, last } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | undefined>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme's colours are read when the chart is made
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = new uPlot(chartOptions(metric, element, last), [[], []], element);
    chart.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(element)));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      chart.current = undefined;
    };
  }, [metric, theme, last]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new chart (theme, metric, last) needs the data as well
  useEffect(() => {
    const { timesS, values } = props.series;
    chart.current?.setData([[...timesS], [...values]]);
  }, [props.series, metric, theme, last]);
  return box;
}

function sizeOf(element: HTMLElement): { readonly width: number; readonly height: number } {
  return { width: Math.max(element.clientWidth, 120), height: Math.max(element.clientHeight, 60) };
}

function chartOptions(metric: Metric, element: HTMLElement, last: boolean): uPlot.Options {
  const ink = (name: string) => getComputedStyle(element).getPropertyValue(`--${name}`).trim();
  const font = `11px ${ink("mono")}`;
  const grid = { stroke: ink("grid"), width: 1 };
  const axis = { stroke: ink("ink-3"), font, grid, ticks: { show: false } };
  return {
    ...sizeOf(element),
    padding: [8, 8, last ? 0 : 4, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: (_chart, _min, max) => [(max ?? 0) - SPAN_S, max ?? 0] },
      y: {
        range: (_chart, low, high) => [
          Math.min(metric.min, low ?? metric.min),
          Math.max(metric.max, (high ?? metric.max) * 1.05),
        ],
      },
    },
    axes: [
      { ...axis, show: last, size: AXIS_PX, space: 70, values: clockTimes },
      { ...axis, size: 40, space: 28 },
    ],
    series: [
      {},
      { stroke: ink("accent"), width: 1.5, fill: ink("accent-wash"), points: { show: false } },
    ],
  };
}

/** A label that would be cut off at the right edge is left out. */
const EDGE_S = SPAN_S * 0.07;

/** Clock times, to the second. */
function clockTimes(chart: uPlot, marksS: readonly number[]): string[] {
  const lastS = (chart.scales.x?.max ?? Number.POSITIVE_INFINITY) - EDGE_S;
  return marksS.map((timeS) =>
    timeS > lastS ? "" : new Date(timeS * 1000).toLocaleTimeString([], CLOCK),
  );
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
