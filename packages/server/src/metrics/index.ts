// Re-exports of the metrics.
export { type EventLoopSampler, startEventLoopSampler } from "./event-loop.ts";
export {
  createMetrics,
  type Metrics,
  type MetricsOptions,
  type MetricsSources,
  type ServerRecorder,
} from "./metrics.ts";
export { renderMetricsReference } from "./reference.ts";
export { METRICS, type MetricName } from "./table.ts";
