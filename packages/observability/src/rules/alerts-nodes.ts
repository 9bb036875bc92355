// Owns: alerts about the state of nodes: gone, none ready, restarting, broken.
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const NODE_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastNoNodeReady",
    severity: "critical",
    expr: `sum by (namespace, job) (holdfast_ready) == 0
or
absent(holdfast_ready)`,
    for: "1m",
    summary: "No Holdfast node accepts connections",
    description: `Every node${IN_JOB} is not ready, or none is scraped. Clients that are connected stay. No other client can connect.`,
  },
  {
    name: "HoldfastNodeDown",
    severity: "warning",
    // Any target of a job that had one of our nodes within the hour: the name of the job is the
    // operator's own.
    expr: `up == 0
and on (namespace, job)
last_over_time(holdfast_build_info[1h])`,
    for: "2m",
    summary: "A Holdfast node cannot be scraped",
    description: `Prometheus has not reached ${AT_NODE} of job {{ $labels.job }} for two minutes. Its clients may still be connected.`,
  },
  {
    name: "HoldfastNodesDying",
    severity: "warning",
    expr: `max by (namespace, job) (increase(holdfast_node_changes_total{change="died"}[15m])) >= 2`,
    summary: "Holdfast nodes disappear without saying so",
    description: `{{ $value | printf "%.0f" }} nodes${IN_JOB} were lost without a drain within 15 minutes. They were killed, out of memory, frozen, or cut off from the broker.`,
  },
  {
    name: "HoldfastBug",
    severity: "warning",
    // A series of this metric begins with its first event, which increase() does not see.
    expr: `sum by (namespace, job, where) (increase(holdfast_bugs_total[10m])) > 0
or
sum by (namespace, job, where) (holdfast_bugs_total unless holdfast_bugs_total offset 10m) > 0`,
    summary: "A Holdfast node met a state that must not be",
    description: `The node met an impossible state at "{{ $labels.where }}"${IN_JOB}. It ended the connection or call that met it, and continued.`,
  },
];
