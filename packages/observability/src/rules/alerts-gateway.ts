// Owns: alerts about the gateway and the applications behind it. They keep quiet if there is none.
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const GATEWAY_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastGatewayNoneReady",
    severity: "critical",
    expr: `max by (namespace, job) (holdfast_gateway_ready) == 0
or
(
  max by (namespace, job) (last_over_time(holdfast_gateway_ready[1h]))
  unless max by (namespace, job) (holdfast_gateway_ready)
)`,
    for: "1m",
    summary: "No gateway of Holdfast is ready",
    description: `No gateway${IN_JOB} is ready, or none is scraped. New clients reach nobody. Those that are held stay, if their gateway runs.`,
  },
  {
    name: "HoldfastGatewayNoEndpoint",
    severity: "critical",
    // Of each gateway by itself: one that sees nothing is hurt, whatever the others see.
    expr: `sum by (namespace, job, instance, route) (holdfast_gateway_endpoints{state="taking"}) == 0`,
    for: "1m",
    summary: "A route of a Holdfast gateway has no endpoint that takes clients",
    description: `Route {{ $labels.route }}${IN_JOB} has nobody to give clients to. New ones get 503. Those that lose their server are closed within seconds.`,
  },
  {
    name: "HoldfastGatewayClosesClients",
    severity: "warning",
    // Closes of a gateway that stops itself are meant. At least ten: one client is no event.
    expr: `(
  sum by (namespace, job, route) (
    increase(holdfast_gateway_closed_total{by="gateway",code=~"1012|1013"}[5m])
    unless on (namespace, job, instance) max_over_time(holdfast_gateway_draining[10m]) == 1
  )
  > 0.01 * sum by (namespace, job, route) (holdfast_gateway_clients)
) > 10`,
    for: "1m",
    summary: "A Holdfast gateway closes clients because their servers go",
    description: `About {{ $value | printf "%.0f" }} clients of route {{ $labels.route }}${IN_JOB} were closed within five minutes with 1012 or 1013. They could not be moved to another server.`,
  },
  {
    name: "HoldfastGatewayFramesDropped",
    severity: "warning",
    expr: `sum by (namespace, job, route, why) (increase(holdfast_gateway_dropped_frames_total[15m])) > 0`,
    summary: "Frames of clients reached no server behind a Holdfast gateway",
    description: `About {{ $value | printf "%.0f" }} frames of route {{ $labels.route }}${IN_JOB} were dropped ({{ $labels.why }}). Each such client was closed with a code that says so.`,
  },
  {
    name: "HoldfastGatewayPausesLong",
    severity: "warning",
    expr: `histogram_quantile(0.99, sum by (namespace, job, route, le) (increase(holdfast_gateway_pause_seconds_bucket{cause="drain"}[15m]))) > 1`,
    for: "5m",
    summary: "Clients of a Holdfast gateway wait long while they move",
    description: `One of a hundred clients of route {{ $labels.route }}${IN_JOB} waited {{ $value | humanizeDuration }} or longer when its server was drained.`,
  },
  {
    name: "HoldfastGatewayMovesFailing",
    severity: "warning",
    expr: `sum by (namespace, job, route) (rate(holdfast_gateway_move_failures_total[5m]))
> 2 * sum by (namespace, job, route) (rate(holdfast_gateway_moves_total[5m]))`,
    for: "5m",
    summary: "Clients of a Holdfast gateway find no other server",
    description: `For minutes most tries to move clients of route {{ $labels.route }}${IN_JOB} have failed. They stay where they are until that server ends.`,
  },
  {
    name: "HoldfastGatewayDiscoveryTrouble",
    severity: "warning",
    expr: `max by (namespace, job, instance, pod, route) (holdfast_gateway_discovery_trouble) == 1`,
    for: "5m",
    summary: "A Holdfast gateway does not learn which servers there are",
    description: `${AT_NODE} knows nothing new of route {{ $labels.route }}. It goes on with the servers of then.`,
  },
  {
    name: "HoldfastGatewayConfigurationRefused",
    severity: "warning",
    expr: `max by (namespace, job, instance, pod) (holdfast_gateway_configuration_refused) == 1
or
max by (namespace, job, instance, pod) (holdfast_gateway_tls_files_refused) == 1`,
    for: "1m",
    summary: "A Holdfast gateway refused its new configuration",
    description: `The file of ${AT_NODE}, or a file of TLS that it names, has an error. The configuration of before is in force, and a gateway that starts now would not start.`,
  },
  {
    name: "HoldfastGatewayNearLimit",
    severity: "warning",
    expr: `sum by (namespace, job, instance, pod) (holdfast_gateway_clients) / max by (namespace, job, instance, pod) (holdfast_gateway_clients_max) > 0.9
or
max by (namespace, job, instance, pod) (holdfast_gateway_waiting_bytes) / max by (namespace, job, instance, pod) (holdfast_gateway_waiting_bytes_max) > 0.8`,
    for: "2m",
    summary: "A Holdfast gateway has little room left",
    description: `${AT_NODE} uses {{ $value | humanizePercentage }} of its clients or of its room for what waits. Beyond it clients are refused or closed.`,
  },
];
