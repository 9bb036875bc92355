// Owns: alerts about the operator and its sets. They keep quiet if there is no operator.
import type { AlertRule } from "./rule.ts";

export const OPERATOR_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastOperatorNoLeader",
    severity: "critical",
    // Whoever has no operator has none of these series: that is no fault.
    expr: `max by (namespace, job) (holdfast_operator_leads) == 0
or
(
  max by (namespace, job) (last_over_time(holdfast_operator_leads[1h]))
  unless max by (namespace, job) (holdfast_operator_leads)
)`,
    for: "2m",
    summary: "No operator of Holdfast leads",
    description: `No operator{{ with $labels.namespace }} in {{ . }}{{ end }} holds the Lease, or none is scraped. No release, scaling or machine drain begins. Drains that run end by themselves, and clients stay connected.`,
  },
  {
    name: "HoldfastOperatorWatchStale",
    severity: "warning",
    expr: `max by (namespace, job, kind) (holdfast_operator_watch_stale_seconds) > 300`,
    for: "1m",
    summary: "An operator of Holdfast hears nothing of the cluster",
    description: `The operator has not heard of {{ $labels.kind }} for {{ $value | humanizeDuration }}. It decides with what it knew then, or not at all. After ten minutes Kubernetes starts it anew.`,
  },
  {
    name: "HoldfastReleaseRolledBack",
    severity: "warning",
    // The counter sees a rollback between two scrapes. The state sees one that another operator
    // began.
    expr: `sum by (namespace, job, set) (increase(holdfast_set_told_total{reason="RolledBack"}[1h])) > 0
or
max by (namespace, job, set) (max_over_time(holdfast_set_release{state="rolling-back"}[1h])) > 0`,
    summary: "A release of a RealtimeSet was rolled back",
    description: `A release of {{ $labels.set }} was rolled back within the last hour. Its revision is not tried again by itself.`,
  },
  {
    name: "HoldfastSetWaiting",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_condition{state="Waiting"}) == 1`,
    for: "30m",
    summary: "A RealtimeSet waits for a person or for the cluster",
    description: `Nothing of {{ $labels.set }} has moved for half an hour, and something should. Its status says what it waits for.`,
  },
  {
    name: "HoldfastSetBlocked",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_blocked) == 1`,
    for: "5m",
    summary: "The writes of Holdfast's operator are refused again and again",
    description: `Each decision about {{ $labels.set }} ends at a write that is refused. Somebody else writes the same object, or the API server refuses what it gets.`,
  },
  {
    name: "HoldfastSetInvalid",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_invalid) == 1`,
    for: "1m",
    summary: "A RealtimeSet cannot be read by its operator",
    description: `The object {{ $labels.set }} breaks a rule, or no pod can be made of its template. The operator decides nothing about it until it is mended. Its pods serve on.`,
  },
  {
    name: "HoldfastSetPodsSilent",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_silent) > 0`,
    for: "3m",
    summary: "Data planes do not answer the operator of Holdfast",
    description: `{{ $value }} pods of {{ $labels.set }} run and have not answered the operator for minutes. They take no orders, and nobody knows who is on them.`,
  },
  {
    name: "HoldfastSetUnprotected",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_unprotected) == 1`,
    for: "5m",
    summary: "Nothing keeps pods with people on them from being evicted",
    description: `The PodDisruptionBudget of {{ $labels.set }} is refused, or somebody else's has its name. A drain of a machine may cut people.`,
  },
  {
    name: "HoldfastSetStrayPods",
    severity: "warning",
    expr: `max by (namespace, job, set) (holdfast_set_strays) > 0`,
    for: "5m",
    summary: "Pods look like a RealtimeSet's, and nobody looks after them",
    description: `{{ $value }} pods have the label of {{ $labels.set }} and none of its ReplicaSets. People may be on them. Nobody drains, counts or removes them.`,
  },
  {
    name: "HoldfastSetKeyRefused",
    severity: "warning",
    expr: `sum by (namespace, job, set) (increase(holdfast_operator_asked_total{outcome="key"}[5m])) > 0`,
    for: "5m",
    summary: "Nodes refuse the operator's API key",
    description: `The API key of {{ $labels.set }} is refused, or its Secret cannot be read. The operator can give its pods no orders.`,
  },
];
