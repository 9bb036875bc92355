// Owns: alerts about lost, late and dropped deliveries (H1, H2, H4).
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const DELIVERY_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastUndeclaredLoss",
    severity: "critical",
    expr: `sum by (namespace, job) (increase(holdfast_client_undeclared_total[10m])) > 0`,
    summary: "Clients of Holdfast missed publications without being told",
    description: `Clients${IN_JOB} reported holes in streams that no gap declared. Holdfast promises that this does not happen. It is a bug or a forged report.`,
  },
  {
    name: "HoldfastGaps",
    severity: "warning",
    // Volatile channels drop publications by design, so their reason, dropped, is left out.
    expr: `sum by (namespace, job, reason) (increase(holdfast_gaps_total{reason=~"history|epoch"}[10m])) > 0`,
    summary: "Subscribers of Holdfast missed publications and were told",
    description: `About {{ $value | printf "%.0f" }} gaps of reason {{ $labels.reason }}${IN_JOB} within 10 minutes. The publications that subscribers missed are not stored any more.`,
  },
  {
    name: "HoldfastDeliverySlow",
    severity: "warning",
    expr: `histogram_quantile(0.95, sum by (namespace, job, le) (rate(holdfast_delivery_latency_seconds_bucket[5m]))) > 1`,
    for: "10m",
    summary: "Deliveries by Holdfast are slow",
    description: `One delivery in twenty${IN_JOB} takes {{ $value | humanizeDuration }} or longer from the broker to the connection.`,
  },
  {
    name: "HoldfastSlowConsumersClosed",
    severity: "warning",
    expr: `rate(holdfast_connections_ended_total{code="slow_consumer"}[10m]) * 600
/ ignoring (code)
(holdfast_connections + 100)
> 0.05`,
    for: "10m",
    summary: "Holdfast closes many connections that read too slowly",
    description: `${AT_NODE} closed {{ $value | humanizePercentage }} of its connections within 10 minutes because their clients read too slowly.`,
  },
];
