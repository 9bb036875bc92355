// Owns: the rows of the table of metrics that are about ingest.
import { type MetricRow, row } from "./row.ts";

export const INGEST_METRICS = {
  holdfast_ingest_events_total: row(
    "counter",
    "events",
    ["code"],
    "Events of ingest. The code is `none` if the broker has the event, or why it was refused.",
  ),
  holdfast_ingest_refused_total: row(
    "counter",
    "requests",
    ["code"],
    "Requests to ingest that were refused as a whole.",
  ),
  holdfast_ingest_bytes_total: row(
    "counter",
    "bytes",
    [],
    "Bytes of the bodies that ingest has read, decompressed.",
  ),
  holdfast_ingest_held_bytes: row(
    "gauge",
    "bytes",
    [],
    "Bytes of bodies of ingest in memory when the last request ended. At most option `ingest.bytesInFlightMax`.",
  ),
} as const satisfies Record<string, MetricRow>;
