// Owns: figures of pipelines, sinks and sources as metrics, at each scrape.
import type { PipelineFigures, SinkFigures, SourceFigures } from "@holdfast/pipelines";
import type { Families } from "./families.ts";
import type { MetricName } from "./table.ts";

/** One pipeline, as this node runs it. */
export function readPipeline(families: Families, figures: PipelineFigures): void {
  const { name, totals } = figures;
  const set = (metric: MetricName, value: number, ...labels: readonly string[]): void => {
    families.number(metric).cell(name, ...labels).value = value;
  };
  for (const [fate, count] of Object.entries(totals.events))
    set("holdfast_pipeline_events_total", count, fate);
  set("holdfast_pipeline_results_total", totals.results.received);
  for (const [reason, count] of Object.entries(totals.deadBy))
    set("holdfast_pipeline_dead_total", count, reason);
  set("holdfast_pipeline_lost_total", totals.told.lost);
  set("holdfast_pipeline_partitions", figures.held);
  set("holdfast_pipeline_partitions_wanted", figures.partitions);
  set("holdfast_pipeline_refused", figures.refused === undefined ? 0 : 1);
  set("holdfast_pipeline_lag_publications", figures.lag);
  set("holdfast_pipeline_lag_seconds", figures.lagMs / 1000);
  set("holdfast_pipeline_retention_left", figures.retentionLeft);
  set("holdfast_pipeline_keys", figures.keys);
  set("holdfast_pipeline_state_bytes", figures.stateBytes);
  set("holdfast_pipeline_waiting_records", figures.waiting);
  set("holdfast_pipeline_held_back", figures.heldBack);
  set("holdfast_pipeline_channels", figures.channels);
  set("holdfast_pipeline_channels_skipped", figures.channelsSkipped);
}

/** One output of a pipeline. */
export function readSink(families: Families, figures: SinkFigures): void {
  const { pipeline, sink, output, delivered, refused } = figures;
  const set = (metric: MetricName, value: number, ...labels: readonly string[]): void => {
    families.number(metric).cell(pipeline, sink, String(output), ...labels).value = value;
  };
  for (const [fate, count] of Object.entries({ delivered, refused }))
    set("holdfast_sink_records_total", count, fate);
  set("holdfast_sink_bytes_total", figures.deliveredBytes);
  set("holdfast_sink_batches_total", figures.batches);
  set("holdfast_sink_retries_total", figures.failures);
  set("holdfast_sink_breaker_open", figures.breaker === "closed" ? 0 : 1);
  set("holdfast_sink_queued_records", figures.queued);
  set("holdfast_sink_queued_bytes", figures.queuedBytes);
  set("holdfast_sink_in_flight_bytes", figures.inFlightBytes);
  set("holdfast_sink_oldest_seconds", figures.oldestMs / 1000);
}

/** One log, as this node reads it. */
export function readSource(families: Families, figures: SourceFigures): void {
  const { name } = figures;
  const set = (metric: MetricName, value: number, ...labels: readonly string[]): void => {
    families.number(metric).cell(name, ...labels).value = value;
  };
  const { published, empty, dead } = figures;
  for (const [fate, count] of Object.entries({ published, empty, ...dead }))
    set("holdfast_source_records_total", count, fate);
  set("holdfast_source_bytes_total", figures.bytes);
  set("holdfast_source_lost_total", figures.lost);
  set("holdfast_source_failures_total", figures.failures);
  set("holdfast_source_reading", figures.isReading ? 1 : 0);
  set("holdfast_source_refused", figures.isRefused ? 1 : 0);
  set("holdfast_source_lag_records", figures.lag);
  set("holdfast_source_held_back", figures.isHeldBack ? 1 : 0);
}
