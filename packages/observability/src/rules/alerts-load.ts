// Owns: alerts about overloaded nodes.
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const LOAD_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastEventLoopLag",
    severity: "warning",
    expr: `histogram_quantile(0.99, rate(holdfast_event_loop_lag_seconds_bucket[5m])) > 0.25`,
    for: "5m",
    summary: "A Holdfast node's event loop is late",
    description: `One turn in a hundred of ${AT_NODE} is {{ $value | humanizeDuration }} late or more. Everything that it delivers waits for that long.`,
  },
  {
    name: "HoldfastConnectionsNearLimit",
    severity: "warning",
    expr: `holdfast_connections / holdfast_connections_max > 0.85`,
    for: "10m",
    summary: "A Holdfast node is nearly full",
    description: `${AT_NODE} has {{ $value | humanizePercentage }} of the connections that it accepts. At the limit it refuses new clients.`,
  },
  {
    name: "HoldfastHandshakesNearCapacity",
    severity: "warning",
    expr: `sum without (outcome, code) (rate(holdfast_handshakes_total{outcome!="refused"}[5m])) / holdfast_handshake_capacity > 0.8`,
    for: "5m",
    summary: "A Holdfast node takes nearly as many handshakes as it can",
    description: `${AT_NODE} uses {{ $value | humanizePercentage }} of the handshakes a second that it can take. Above that, new clients are told to come back later.`,
  },
  {
    name: "HoldfastHandshakesRefused",
    severity: "critical",
    expr: `(
  sum by (namespace, job) (rate(holdfast_handshakes_total{outcome="refused",code=~"try_later|connection_limit"}[5m]))
  + sum by (namespace, job) (rate(holdfast_sockets_refused_total{reason=~"full|upgrade_failed"}[5m]))
)
/
(
  sum by (namespace, job) (rate(holdfast_handshakes_total[5m]))
  + sum by (namespace, job) (rate(holdfast_sockets_refused_total{reason=~"full|upgrade_failed"}[5m]))
)
> 0.1`,
    for: "5m",
    summary: "Holdfast refuses clients",
    description: `{{ $value | humanizePercentage }} of the clients that want to connect${IN_JOB} are refused for lack of room.`,
  },
  {
    name: "HoldfastMemoryPerConnection",
    severity: "warning",
    // 150 MB are the process itself; a connection with a subscription was measured at a tenth of
    // the threshold or less.
    expr: `(process_resident_memory_bytes - 150e6) / holdfast_connections > 100e3
and
holdfast_connections > 500`,
    for: "15m",
    summary: "Connections of a Holdfast node take much memory",
    description: `Each connection of ${AT_NODE} takes {{ $value | humanize1024 }}B. Some kilobytes are expected. The node will run out of memory long before its connection limit.`,
  },
];
