// Owns: the dashboard about pipelines.
import { type DashboardSpec, line } from "./dashboard.ts";
import { of, rate, sum } from "./queries.ts";

const by = (expr: string, ...labels: readonly string[]) => [
  { expr: sum(expr, ...labels), legend: labels.map((label) => `{{${label}}}`).join(" ") },
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
  ],
};
