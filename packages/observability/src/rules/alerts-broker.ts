// Owns: alerts about the broker.
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const BROKER_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastBrokerCutOff",
    severity: "critical",
    expr: `holdfast_broker_up == 0`,
    for: "30s",
    summary: "A Holdfast node cannot publish through its broker",
    description: `No publish through the broker arrives at ${AT_NODE}. The broker is out of reach, full, or refuses the node. The node is not ready. Its clients stay connected, and their publishes are refused.`,
  },
  {
    name: "HoldfastBrokerUnstable",
    severity: "warning",
    expr: `increase(holdfast_broker_losses_total[15m]) > 3`,
    summary: "A Holdfast node loses its broker again and again",
    description: `${AT_NODE} lost a connection to the broker {{ $value | printf "%.0f" }} times within 15 minutes. Each time the node reads again what it missed.`,
  },
  {
    name: "HoldfastBrokerNearFull",
    severity: "warning",
    expr: `holdfast_broker_bytes / (holdfast_broker_limit_bytes > 0) > 0.85`,
    for: "5m",
    summary: "The broker of Holdfast is nearly full",
    description: `The broker that ${AT_NODE} uses holds {{ $value | humanizePercentage }} of the memory that it may use. When it is full, publishes are refused and no node is ready.`,
  },
  {
    name: "HoldfastBrokerFull",
    severity: "critical",
    expr: `sum by (namespace, job) (rate(holdfast_publishes_total{outcome="broker_full"}[2m])) > 0`,
    for: "1m",
    summary: "The broker of Holdfast is full",
    description: `The broker has no room left. It refuses {{ $value | printf "%.1f" }} publishes a second${IN_JOB}. Stored publications are still delivered and read.`,
  },
  {
    name: "HoldfastPublishesFailing",
    severity: "critical",
    expr: `sum by (namespace, job) (rate(holdfast_publishes_total{outcome=~"broker_.+|request_failed|internal"}[5m]))
/
sum by (namespace, job) (rate(holdfast_publishes_total[5m]))
> 0.01`,
    for: "5m",
    summary: "Publishes to Holdfast fail",
    description: `{{ $value | humanizePercentage }} of the publishes${IN_JOB} were not accepted by the broker. Clients repeat them with the same key.`,
  },
  {
    name: "HoldfastPresenceLeaseFailing",
    severity: "critical",
    expr: `sum without (outcome) (increase(holdfast_presence_renewals_total{outcome=~"failed|late"}[2m])) > 1`,
    for: "30s",
    summary: "A Holdfast node cannot keep its members present",
    description: `${AT_NODE} fails to renew its lease in the broker. When the lease ends (timeouts.presenceLeaseMs, 30 s), all members of the node are shown as left. They join again later.`,
  },
];
