// Owns: the dashboard about pipelines, their sinks and their sources.
import { type DashboardSpec, line } from "./dashboard.ts";
import { largest, of, rate, sum } from "./queries.ts";

const by = (expr: string, ...labels: readonly string[]) => [
  { expr: sum(expr, ...labels), legend: labels.map((label) => `{{${label}}}`).join(" ") },
];

const outputs = (what: string, expr: string) => [
  {
    expr: sum(expr, "pipeline", "sink", "output"),
    legend: `{{pipeline}} {{sink}} {{output}} ${what}`,
  },
];

export const PIPELINES: DashboardSpec = {
  uid: "holdfast-pipelines",
  title: "Holdfast / Pipelines",
  description: "What pipelines take in and give, how far they are behind, and what they keep.",
  rows: [
    {
      title: "Events",
      panels: [
        line("Events by what became of them", {
          description: "received and added are together as many as all others.",
          unit: "cps",
          queries: by(rate("holdfast_pipeline_events_total"), "pipeline", "fate"),
        }),
        line("Results", {
          description: "Results of windows, and findings of detectors.",
          unit: "cps",
          queries: by(rate("holdfast_pipeline_results_total"), "pipeline"),
        }),
        line("Dead letters by reason", {
          description: "Events that are in no result, and why.",
          unit: "cps",
          queries: by(rate("holdfast_pipeline_dead_total"), "pipeline", "reason"),
          alert: "HoldfastPipelineDeadLetters",
        }),
      ],
    },
    {
      title: "How far behind",
      panels: [
        line("Lost publications", {
          description: "Removed from the history before the pipeline had read them.",
          unit: "cps",
          queries: by(rate("holdfast_pipeline_lost_total"), "pipeline"),
          alert: "HoldfastPipelineLost",
        }),
        line("Publications that wait", {
          description: "Those that the partitions have yet to take.",
          unit: "short",
          queries: by(of("holdfast_pipeline_lag_publications"), "pipeline"),
        }),
        line("Records that wait for sinks", {
          description: "Committed, and not confirmed by their sink.",
          unit: "short",
          queries: by(of("holdfast_pipeline_waiting_records"), "pipeline"),
          alert: "HoldfastPipelineHeldBack",
        }),
        line("History that is left", {
          description: "1: at the head. 0: what is read next is about to be removed.",
          unit: "percentunit",
          queries: by(of("holdfast_pipeline_retention_left"), "pipeline"),
          alert: "HoldfastPipelineRetention",
        }),
        line("Partitions that run", {
          description: "All nodes together. It should be as many as the pipeline has.",
          unit: "short",
          queries: by(of("holdfast_pipeline_partitions"), "pipeline"),
          alert: "HoldfastPipelineStopped",
        }),
        line("State", {
          description: "Bytes of the last commits.",
          unit: "bytes",
          queries: by(of("holdfast_pipeline_state_bytes"), "pipeline"),
        }),
      ],
    },
    {
      title: "Sinks",
      panels: [
        line("Records that were delivered", {
          description: "By output. A record that comes again after a failure counts once.",
          unit: "cps",
          queries: by(rate("holdfast_sink_records_total"), "pipeline", "sink", "output", "fate"),
        }),
        line("Attempts that failed", {
          description: "The batch comes again, without end.",
          unit: "cps",
          queries: by(rate("holdfast_sink_retries_total"), "pipeline", "sink", "output"),
        }),
        line("Nodes that wait for a target", {
          description: "Five attempts in a row have failed there: one partition tries.",
          unit: "short",
          queries: by(of("holdfast_sink_breaker_open"), "pipeline", "sink", "output"),
          alert: "HoldfastSinkUnavailable",
        }),
        line("Bytes to and for sinks", {
          description: "Delivered bytes in each second; those that wait, and those under way.",
          unit: "bytes",
          queries: [
            ...outputs("delivered", rate("holdfast_sink_bytes_total")),
            ...outputs("waiting", of("holdfast_sink_queued_bytes")),
            ...outputs("under way", of("holdfast_sink_in_flight_bytes")),
          ],
        }),
        line("Batches and records that wait", {
          description: "Batches that were delivered in each second, and records that wait.",
          unit: "short",
          queries: [
            ...outputs("batches", rate("holdfast_sink_batches_total")),
            ...outputs("records", of("holdfast_sink_queued_records")),
          ],
        }),
        line("Age of the oldest record", {
          description: "How long it has waited for its target.",
          unit: "s",
          queries: [
            {
              expr: largest(of("holdfast_sink_oldest_seconds"), "pipeline", "sink", "output"),
              legend: "{{pipeline}} {{sink}} {{output}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Sources",
      panels: [
        line("Records of logs by what became of them", {
          description: "Published, empty, or why they can never be published.",
          unit: "cps",
          queries: by(rate("holdfast_source_records_total"), "source", "fate"),
          alert: "HoldfastSourceDeadRecords",
        }),
        line("Records that are yet to be read", {
          description: "By the last look at the log.",
          unit: "short",
          queries: by(of("holdfast_source_lag_records"), "source"),
        }),
        line("Nodes that read", {
          description: "One of the cluster; and those that the log refuses, or that wait.",
          unit: "short",
          queries: [
            { expr: sum(of("holdfast_source_reading"), "source"), legend: "{{source}} reads" },
            { expr: sum(of("holdfast_source_refused"), "source"), legend: "{{source}} refused" },
            { expr: sum(of("holdfast_source_held_back"), "source"), legend: "{{source}} waits" },
          ],
          alert: "HoldfastSourceStopped",
        }),
        line("Lost records", {
          description: "Removed from the log before they were read.",
          unit: "cps",
          queries: by(rate("holdfast_source_lost_total"), "source"),
          alert: "HoldfastSourceLost",
        }),
        line("Failures of reading", {
          description: "Times that reading ended with an error. It begins again.",
          unit: "cps",
          queries: by(rate("holdfast_source_failures_total"), "source"),
        }),
        line("Bytes of logs", {
          description: "Of the records that were published, in each second.",
          unit: "bytes",
          queries: by(rate("holdfast_source_bytes_total"), "source"),
        }),
      ],
    },
  ],
};
