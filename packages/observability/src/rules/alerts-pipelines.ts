// Owns: alerts about pipelines (P1 to P4), their sinks and their sources.
import { IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const PIPELINE_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastPipelineLost",
    severity: "critical",
    expr: `sum by (namespace, job, pipeline) (increase(holdfast_pipeline_lost_total[10m])) > 0`,
    summary: "Events were removed before a pipeline of Holdfast had read them",
    description: `About {{ $value | printf "%.0f" }} events of pipeline {{ $labels.pipeline }}${IN_JOB} were removed from the history unread within 10 minutes.`,
  },
  {
    name: "HoldfastPipelineRetention",
    severity: "critical",
    expr: `min by (namespace, job, pipeline) (holdfast_pipeline_retention_left) < 0.2`,
    for: "1m",
    summary: "A pipeline of Holdfast will lose events soon",
    description: `Pipeline {{ $labels.pipeline }}${IN_JOB} is so far behind that only {{ $value | humanizePercentage }} of the history lies between it and the oldest event.`,
  },
  {
    name: "HoldfastPipelineStopped",
    severity: "critical",
    expr: `sum by (namespace, job, pipeline) (holdfast_pipeline_partitions)
<
max by (namespace, job, pipeline) (holdfast_pipeline_partitions_wanted)`,
    for: "1m",
    summary: "A part of a pipeline of Holdfast runs on no node",
    description: `Only {{ $value }} partitions of pipeline {{ $labels.pipeline }}${IN_JOB} run.`,
  },
  {
    name: "HoldfastPipelineHeldBack",
    severity: "warning",
    expr: `sum by (namespace, job, pipeline) (holdfast_pipeline_held_back) > 0`,
    for: "5m",
    summary: "A sink holds a pipeline of Holdfast back",
    description: `{{ $value }} partitions of pipeline {{ $labels.pipeline }}${IN_JOB} take no events, because a sink does not take their results.`,
  },
  {
    name: "HoldfastPipelineDeadLetters",
    severity: "warning",
    expr: `sum by (namespace, job, pipeline) (rate(holdfast_pipeline_events_total{fate="dead"}[10m]))
/
sum by (namespace, job, pipeline) (rate(holdfast_pipeline_events_total{fate="received"}[10m]))
> 0.01`,
    for: "10m",
    summary: "Many events of a pipeline of Holdfast are dead letters",
    description: `{{ $value | humanizePercentage }} of the events of pipeline {{ $labels.pipeline }}${IN_JOB} became dead letters.`,
  },
  {
    name: "HoldfastSinkUnavailable",
    severity: "warning",
    expr: `max by (namespace, job, pipeline, sink, output) (holdfast_sink_breaker_open) > 0`,
    for: "2m",
    summary: "A sink of a pipeline of Holdfast takes nothing",
    description: `Sink {{ $labels.sink }} (output {{ $labels.output }}) of pipeline {{ $labels.pipeline }}${IN_JOB} has refused or failed each attempt for minutes.`,
  },
  {
    name: "HoldfastSourceLost",
    severity: "critical",
    expr: `sum by (namespace, job, source) (increase(holdfast_source_lost_total[10m])) > 0`,
    summary: "A log was shortened before Holdfast had read it",
    description: `About {{ $value | printf "%.0f" }} records of source {{ $labels.source }}${IN_JOB} were removed from their log unread within 10 minutes.`,
  },
  {
    name: "HoldfastSourceStopped",
    severity: "critical",
    expr: `max by (namespace, job, source) (holdfast_source_reading) < 1
or
max by (namespace, job, source) (holdfast_source_refused) > 0`,
    for: "1m",
    summary: "No node of Holdfast reads a log",
    description: `Source {{ $labels.source }}${IN_JOB} is read by no node, or its log refuses the one that tries.`,
  },
  {
    name: "HoldfastSourceDeadRecords",
    severity: "warning",
    expr: `sum by (namespace, job, source) (rate(holdfast_source_records_total{fate=~"unreadable|name|refused"}[10m]))
/
sum by (namespace, job, source) (rate(holdfast_source_records_total[10m]))
> 0.01`,
    for: "10m",
    summary: "Many records of a log can never be published by Holdfast",
    description: `{{ $value | humanizePercentage }} of the records of source {{ $labels.source }}${IN_JOB} are in no channel.`,
  },
];
