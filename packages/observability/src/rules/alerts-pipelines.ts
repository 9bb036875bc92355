// Owns: alerts about pipelines (P1 to P4).
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
];
