// Owns: the table of the gateway's metrics.

export const GATEWAY_LABELS = {
  route: "the route's name; empty: no route was found",
  cause: "`drain`, `rebalance`, `lost`",
  status: "the HTTP status of the answer",
  why: "dropped frames: `room` (too much waited), `ended` (the client was closed meanwhile), `size` (a message too long); upstreams: `timeout`, `refused`, `tls`, `error`",
  code: "the close code; 3xxx and 4xxx stand for all codes of 3000 to 3999 and 4000 to 4999",
  by: "`client`: it closed or broke first; `gateway`: its upstream, a limit or a drain closed it",
  state:
    "`taking`; `ill`: taken out for a while; `leaving`: its clients move away; `waiting`: it takes nobody and keeps its clients",
  endpoint: "host:port of an endpoint",
  direction: "`in`: from clients; `out`: to clients",
  outcome:
    "reloads: `taken`, `refused`; orders: `obeyed`, `unknown`, `outdated`, `drained`; checks: `well`, `ill`",
} as const;

export type GatewayLabel = keyof typeof GATEWAY_LABELS;

export interface GatewayMetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly GatewayLabel[];
  readonly help: string;
}

const row = (
  type: GatewayMetricRow["type"],
  labels: readonly GatewayLabel[],
  help: string,
): GatewayMetricRow => ({ type, labels, help });

/** Series with a `route` end with the route. */
export const GATEWAY_METRICS = {
  holdfast_gateway_ready: row("gauge", [], "1 if `/readyz` answers 200."),
  holdfast_gateway_draining: row("gauge", [], "1 from a signal to stop on."),
  holdfast_gateway_clients: row("gauge", ["route"], "Clients that are held."),
  holdfast_gateway_clients_max: row(
    "gauge",
    [],
    "Most clients that are taken (limits.clientsMax).",
  ),
  holdfast_gateway_moving_clients: row(
    "gauge",
    ["route"],
    "Clients without an upstream, or on their way to another.",
  ),
  holdfast_gateway_held_total: row("counter", ["route"], "Clients that were taken."),
  holdfast_gateway_refused_total: row(
    "counter",
    ["route", "status"],
    "Upgrade requests that got no socket, by the status of the answer.",
  ),
  holdfast_gateway_requests_total: row(
    "counter",
    ["route", "status"],
    "Requests that asked for no socket, by the status of the answer.",
  ),
  holdfast_gateway_closed_total: row(
    "counter",
    ["route", "by", "code"],
    "Clients whose socket was closed.",
  ),
  holdfast_gateway_moves_total: row(
    "counter",
    ["route", "cause"],
    "Clients that got another upstream.",
  ),
  holdfast_gateway_move_failures_total: row(
    "counter",
    ["route", "cause"],
    "Tries to get another upstream that failed. The client stays, and it is tried again.",
  ),
  holdfast_gateway_pause_seconds: row(
    "histogram",
    ["route", "cause"],
    "How long no frame of a client that moved could pass.",
  ),
  holdfast_gateway_dropped_frames_total: row(
    "counter",
    ["route", "why"],
    "Frames of clients that no upstream took. Each such client was closed.",
  ),
  holdfast_gateway_waiting_bytes: row(
    "gauge",
    [],
    "What waits for upstreams, and what profiles remember, of all clients.",
  ),
  holdfast_gateway_waiting_bytes_max: row(
    "gauge",
    [],
    "Most that may wait (limits.waitingBytesTotalMax).",
  ),
  holdfast_gateway_frames_total: row(
    "counter",
    ["route", "direction"],
    "Messages that passed between clients and the gateway.",
  ),
  holdfast_gateway_moved_away_total: row(
    "counter",
    ["route"],
    "Clients with a HoldfastSocket that went to another gateway, because this one ends.",
  ),
  holdfast_gateway_moved_here_total: row(
    "counter",
    ["route"],
    "Clients with a HoldfastSocket that came from another gateway.",
  ),
  holdfast_gateway_upstreams_opened_total: row(
    "counter",
    ["route"],
    "Sockets to endpoints that opened.",
  ),
  holdfast_gateway_upstreams_failed_total: row(
    "counter",
    ["route", "why"],
    "Sockets to endpoints that did not open. `refused`: the endpoint answered with a status. `tls`: a certificate was not believed.",
  ),
  holdfast_gateway_tls_files_refused: row(
    "gauge",
    ["route"],
    "1 if the files of `upstreamTls` cannot be used now: those before are in force.",
  ),
  holdfast_gateway_upstream_certificate_expiry_timestamp_seconds: row(
    "gauge",
    ["route"],
    "When the certificate by which endpoints know the gateway ends. 0 without one.",
  ),
  holdfast_gateway_certificate_expiry_timestamp_seconds: row(
    "gauge",
    [],
    "When the certificate of the listener for clients ends. 0 without TLS.",
  ),
  holdfast_gateway_endpoints: row("gauge", ["route", "state"], "Endpoints of the service."),
  holdfast_gateway_endpoint_connections: row(
    "gauge",
    ["route", "endpoint"],
    "Open and opening sockets to an endpoint. The first 200 endpoints of a route are shown.",
  ),
  holdfast_gateway_checks_total: row(
    "counter",
    ["route", "outcome"],
    "Active health checks of endpoints.",
  ),
  holdfast_gateway_discovery_trouble: row(
    "gauge",
    ["route"],
    "1 if nothing new is known about the service: the last known endpoints stay.",
  ),
  holdfast_gateway_reloads_total: row(
    "counter",
    ["outcome"],
    "Configurations that were read again. A refused one changes nothing.",
  ),
  holdfast_gateway_configuration_refused: row(
    "gauge",
    [],
    "1 if the configuration that was read last was refused: the one before is in force.",
  ),
  holdfast_gateway_orders_total: row(
    "counter",
    ["outcome"],
    "Orders of the control API about endpoints. `outdated`: a lower token than the last. `drained`: a `shed` of an endpoint that drains.",
  ),
  holdfast_gateway_admin_refused_total: row(
    "counter",
    [],
    "Requests to the admin listener that were refused because too many were under way.",
  ),
  holdfast_gateway_unauthorized_total: row(
    "counter",
    [],
    "Requests to the control API without a known key.",
  ),
} as const;

export type GatewayMetricName = keyof typeof GATEWAY_METRICS;
