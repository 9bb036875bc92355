// Owns: the metrics of sinks, as rows of the table.
import type { LabelName } from "./labels.ts";
import { row } from "./row.ts";

const OUTPUT: readonly LabelName[] = ["pipeline", "sink", "output"];

export const SINK_METRICS = {
  holdfast_sink_records_total: row(
    "counter",
    "records",
    [...OUTPUT, "fate"],
    "Records of an output. The fate is `delivered`, or `refused`: the target will never take it, " +
      "and it became a dead letter.",
  ),
  holdfast_sink_bytes_total: row(
    "counter",
    "bytes",
    OUTPUT,
    "Bytes of the values that were delivered, as JSON.",
  ),
  holdfast_sink_batches_total: row("counter", "batches", OUTPUT, "Batches that were delivered."),
  holdfast_sink_retries_total: row(
    "counter",
    "attempts",
    OUTPUT,
    "Attempts that failed. The batch comes again, without end.",
  ),
  holdfast_sink_breaker_open: row(
    "gauge",
    "0 or 1",
    OUTPUT,
    "Whether five attempts in a row have failed: one partition tries, and the others wait for it.",
  ),
  holdfast_sink_queued_records: row(
    "gauge",
    "records",
    OUTPUT,
    "Records that wait for the target, those under way included.",
  ),
  holdfast_sink_queued_bytes: row(
    "gauge",
    "bytes",
    OUTPUT,
    "Bytes of the values that wait for the target.",
  ),
  holdfast_sink_in_flight_bytes: row(
    "gauge",
    "bytes",
    OUTPUT,
    "Bytes of the values in the batches that are being written.",
  ),
  holdfast_sink_oldest_seconds: row(
    "gauge",
    "seconds",
    OUTPUT,
    "How long the oldest record has waited for the target.",
  ),
} as const;
