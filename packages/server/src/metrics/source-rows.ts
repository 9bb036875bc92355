// Owns: the metrics of sources, as rows of the table.
import { row } from "./row.ts";

export const SOURCE_METRICS = {
  holdfast_source_records_total: row(
    "counter",
    "records",
    ["source", "fate"],
    "Records of a source on this node. The fate is `published`, `empty` (it has no value), or why " +
      "it can never be published: `unreadable`, `name` or `refused`. A record that comes again " +
      "after a failure is counted again.",
  ),
  holdfast_source_bytes_total: row(
    "counter",
    "bytes",
    ["source"],
    "Bytes of the records that were published.",
  ),
  holdfast_source_lost_total: row(
    "counter",
    "records",
    ["source"],
    "Records that the log had removed before they were read.",
  ),
  holdfast_source_failures_total: row(
    "counter",
    "failures",
    ["source"],
    "Times that reading ended with an error. It begins again after a pause.",
  ),
  holdfast_source_reading: row(
    "gauge",
    "0 or 1",
    ["source"],
    "Whether this node reads the source. One node of the cluster does.",
  ),
  holdfast_source_refused: row(
    "gauge",
    "0 or 1",
    ["source"],
    "Whether the log refused this node: rights, names, or a log that was made anew.",
  ),
  holdfast_source_lag_records: row(
    "gauge",
    "records",
    ["source"],
    "Records of the log that are yet to be read, as of the last look.",
  ),
  holdfast_source_held_back: row(
    "gauge",
    "0 or 1",
    ["source"],
    "Whether the source waits for pipelines that are behind.",
  ),
} as const;
