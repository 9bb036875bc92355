// Owns: the winch's readings in this window, gathered into series that are drawn a few times a
// second.
import { useHoldfast } from "@holdfast/client/react";
import { useEffect, useState } from "react";
import type { DemoContract } from "../contract.ts";
import { METRICS, type MetricKey, WINCH } from "../names.ts";
import { emptySeries, extend, type Series } from "./series.ts";

const DRAW_MS = 200;
const CALM_DRAW_MS = 1_000;

export type SeriesByMetric = Readonly<Record<MetricKey, Series>>;

const nothing: SeriesByMetric = {
  tension: emptySeries,
  speed: emptySeries,
  temperature: emptySeries,
};

/**
 * Series of every metric; a new object at most each 200 ms (each second if the reader prefers less
 * motion).
 */
export function useTelemetry(): SeriesByMetric {
  const client = useHoldfast<DemoContract>();
  const [series, setSeries] = useState(nothing);
  useEffect(() => {
    let gathered = nothing;
    const subscription = client.channel(WINCH).subscribe(({ key, timeMs, data }) => {
      const metric = METRICS.find((known) => known.key === key);
      if (metric)
        gathered = {
          ...gathered,
          [metric.key]: extend(gathered[metric.key], timeMs / 1000, data.value),
        };
    });
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const timer = setInterval(() => setSeries(gathered), calm ? CALM_DRAW_MS : DRAW_MS);
    return () => {
      clearInterval(timer);
      subscription.unsubscribe();
    };
  }, [client]);
  return series;
}
