// Owns: the metrics of pipelines, as rows of the table.
import { row } from "./row.ts";

export const PIPELINE_METRICS = {
  holdfast_pipeline_events_total: row(
    "counter",
    "events",
    ["pipeline", "fate"],
    "Events of a pipeline on this node, by what became of them. `received` and `added` (made of " +
      "them by flatMap and branch) are together as many as all others.",
  ),
  holdfast_pipeline_results_total: row(
    "counter",
    "results",
    ["pipeline"],
    "Results of windows, and findings of detectors.",
  ),
  holdfast_pipeline_dead_total: row(
    "counter",
    "dead letters",
    ["pipeline", "reason"],
    "Dead letters. The reason is `threw`, `invalid`, `unreadable`, `time`, `key`, `input`, `full`, `lookup`, `refused` (by a sink) or `gap` (publications were removed unread).",
  ),
  holdfast_pipeline_lost_total: row(
    "counter",
    "publications",
    ["pipeline"],
    "Publications that were removed from the history before the pipeline had read them.",
  ),
  holdfast_pipeline_partitions: row(
    "gauge",
    "partitions",
    ["pipeline"],
    "Partitions of a pipeline that this node runs.",
  ),
  holdfast_pipeline_partitions_wanted: row(
    "gauge",
    "partitions",
    ["pipeline"],
    "Partitions that the pipeline has: all nodes together should run as many.",
  ),
  holdfast_pipeline_refused: row(
    "gauge",
    "0 or 1",
    ["pipeline"],
    "Whether the node refuses to run a partition, because its kept state does not fit.",
  ),
  holdfast_pipeline_lag_publications: row(
    "gauge",
    "publications",
    ["pipeline"],
    "Publications that the partitions on this node have yet to take.",
  ),
  holdfast_pipeline_lag_seconds: row(
    "gauge",
    "seconds",
    ["pipeline"],
    "Age of the oldest of them, as of the last look, each 5 s.",
  ),
  holdfast_pipeline_retention_left: row(
    "gauge",
    "share",
    ["pipeline"],
    "How much of the history lies between what is read next and the oldest that is kept: 1 at the head, 0 if the next one is about to be removed.",
  ),
  holdfast_pipeline_keys: row(
    "gauge",
    "keys",
    ["pipeline"],
    "Keys that windows, detectors, dedupe and throttle keep on this node.",
  ),
  holdfast_pipeline_state_bytes: row(
    "gauge",
    "bytes",
    ["pipeline"],
    "Bytes of the last commits of the partitions on this node.",
  ),
  holdfast_pipeline_waiting_records: row(
    "gauge",
    "records",
    ["pipeline"],
    "Records that no sink has confirmed yet.",
  ),
  holdfast_pipeline_held_back: row(
    "gauge",
    "partitions",
    ["pipeline"],
    "Partitions that take no events, because a sink or a commit is behind.",
  ),
  holdfast_pipeline_channels: row(
    "gauge",
    "channels",
    ["pipeline"],
    "Channels that the partitions on this node read.",
  ),
  holdfast_pipeline_channels_skipped: row(
    "gauge",
    "channels",
    ["pipeline"],
    "Channels that are not read, because a partition reads at most 500 and a node has 1,024 taps.",
  ),
} as const;
