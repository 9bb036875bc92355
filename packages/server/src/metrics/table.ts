// Owns: the one table of metrics. The scrape, docs/reference/metrics.md and their test are made
// from it.
import { BACK_END_METRICS } from "./back-end-rows.ts";
import { INGEST_METRICS } from "./ingest-rows.ts";
import { MQTT_METRICS } from "./mqtt-rows.ts";
import { PIPELINE_METRICS } from "./pipeline-rows.ts";
import { type MetricRow, row } from "./row.ts";
import { SINK_METRICS } from "./sink-rows.ts";
import { SOURCE_METRICS } from "./source-rows.ts";

export { LABELS, type LabelName } from "./labels.ts";
export type { MetricRow, MetricType } from "./row.ts";

export const METRICS = {
  holdfast_build_info: row(
    "gauge",
    "always 1",
    ["node", "revision", "version"],
    "The node's id, revision and version.",
  ),
  holdfast_node_state: row(
    "gauge",
    "0 or 1",
    ["state"],
    "1 for the present state of the node, 0 for the others.",
  ),
  holdfast_ready: row("gauge", "0 or 1", [], "Whether the last readiness check said ready."),
  holdfast_connections: row(
    "gauge",
    "connections",
    [],
    "Open client connections, also those that have not sent their connect frame yet.",
  ),
  holdfast_connections_max: row(
    "gauge",
    "connections",
    [],
    "Most connections that the node accepts: option `limits.connectionsMax`.",
  ),
  holdfast_sessions: row("gauge", "sessions", [], "Sessions on this node."),
  holdfast_subscriptions: row(
    "gauge",
    "subscriptions",
    [],
    "Subscriptions of all sessions on this node.",
  ),
  holdfast_channels: row("gauge", "channels", [], "Channels that this node carries."),
  holdfast_held_bytes: row(
    "gauge",
    "bytes",
    [],
    "Bytes of what clients sent and that waits to be carried out, with what a decoded frame takes. At most 64 MiB.",
  ),
  holdfast_queue_bytes: row(
    "gauge",
    "bytes",
    [],
    "Bytes queued for clients that the network has not taken yet.",
  ),
  holdfast_reconnect_window_seconds: row(
    "gauge",
    "seconds",
    [],
    "Window over which the node tells clients to spread their return.",
  ),

  holdfast_handshakes_total: row(
    "counter",
    "handshakes",
    ["outcome", "code"],
    "First frames that the node answered. The outcome is `connected`, `resumed`, `moved` or `refused`.",
  ),
  holdfast_handshake_seconds: row(
    "histogram",
    "seconds",
    ["outcome"],
    "Time from the opening of a socket to the answer to its first frame.",
  ),
  holdfast_sockets_refused_total: row(
    "counter",
    "requests",
    ["reason"],
    "Requests for a socket that were refused before the upgrade. The reason is `full`, `origin`, `not_websocket` or `upgrade_failed`.",
  ),
  holdfast_forwarded_unread_total: row(
    "counter",
    "requests",
    ["reason"],
    "Requests whose forwarded headers the node did not use. The reason is `untrusted` (the peer is not in `trustedProxies`) or `unreadable`.",
  ),
  holdfast_certificate_expiry_timestamp_seconds: row(
    "gauge",
    "seconds since 1970",
    [],
    "When the certificate of the public listener ends. 0 without TLS.",
  ),
  holdfast_auth_failures_total: row(
    "counter",
    "failures",
    ["code"],
    "Tokens and resume tokens that were refused.",
  ),
  holdfast_jwks_fetches_total: row(
    "counter",
    "fetches",
    ["outcome"],
    "Fetches of the JWKS URL. The outcome is `ok` or `failed`.",
  ),
  holdfast_connections_ended_total: row(
    "counter",
    "connections",
    ["code"],
    "Connections with a session that ended. The code is that of the goodbye, or `none` if the client left.",
  ),
  holdfast_connection_seconds: row(
    "histogram",
    "seconds",
    [],
    "How long connections with a session lasted.",
  ),

  holdfast_publishes_total: row(
    "counter",
    "publications",
    ["class", "outcome"],
    "Answered publishes. The outcome is `ok`, `duplicate` or the name of a code.",
  ),
  holdfast_publish_seconds: row(
    "histogram",
    "seconds",
    ["class"],
    "Time from a publish's arrival to its answer.",
  ),
  holdfast_deliveries_total: row(
    "counter",
    "deliveries",
    ["class"],
    "Publications handed to connections, counted once for each connection.",
  ),
  holdfast_delivery_latency_seconds: row(
    "histogram",
    "seconds",
    ["class"],
    "Time from the moment when the broker accepted a publication until it went to a connection, for each delivery.",
  ),
  holdfast_slow_consumers_total: row(
    "counter",
    "times",
    ["policy"],
    "Subscriptions that began to lag, by policy. For `disconnect`: connections that were closed for it.",
  ),
  holdfast_over_share_total: row(
    "counter",
    "times",
    ["reason"],
    "Times that a user or an address asked for more than its share while the node was at a " +
      "limit, by what it asked for. `held`: the client sent more while too much of its user or " +
      "address waited. `kept`: the broker keeps as much of it as it may.",
  ),
  holdfast_taps: row("gauge", "taps", [], "Taps that are open on this node. At most 1,024."),
  holdfast_tap_lag_publications: row(
    "gauge",
    "publications",
    [],
    "Publications that the taps of this node have yet to deal with: the offsets between where " +
      "each is and the newest that the node has passed on, of all taps. In `latest` channels " +
      "replaced ones count too.",
  ),
  holdfast_tap_buffered_bytes: row(
    "gauge",
    "bytes",
    [],
    "Bytes that the taps of this node hold for their consumers. At most 64 MiB.",
  ),
  holdfast_tap_failures_total: row(
    "counter",
    "times",
    ["reason"],
    "Taps that were refused (`refused`), gaps handed to taps (`gap`), and batches whose consumer rejected them (`rejected`) or was late (`late`).",
  ),
  holdfast_held_total: row(
    "counter",
    "times",
    ["reason"],
    "Times that a client's requests had to wait. The reason is `room` (its answers do not leave) or `budget`.",
  ),
  holdfast_recoveries_total: row(
    "counter",
    "recoveries",
    ["outcome"],
    "Subscriptions with a position that caught up. The outcome is `full` or `gap`.",
  ),
  holdfast_recovered_publications: row(
    "histogram",
    "publications",
    ["outcome"],
    "Publications that a recovery delivered.",
  ),
  holdfast_gaps_total: row(
    "counter",
    "gaps",
    ["reason"],
    "Gaps declared to subscribers. The reason is `history`, `epoch` or `dropped`.",
  ),
  holdfast_gap_publications_total: row(
    "counter",
    "publications",
    ["reason"],
    "Publications inside declared gaps whose size is known.",
  ),
  holdfast_holes_total: row(
    "counter",
    "holes",
    ["outcome"],
    "Holes found in what the broker sent. The outcome is `repaired` or `declared`.",
  ),
  holdfast_hole_publications_total: row(
    "counter",
    "publications",
    ["outcome"],
    "Publications inside those holes.",
  ),
  holdfast_request_failures_total: row(
    "counter",
    "requests",
    ["code"],
    "Requests of clients answered with an error.",
  ),
  holdfast_rpcs_total: row(
    "counter",
    "calls",
    ["method", "outcome"],
    "Answered RPCs. The outcome is `ok` or the name of a code.",
  ),
  holdfast_rpc_seconds: row(
    "histogram",
    "seconds",
    ["method"],
    "Time from an RPC's arrival to its answer.",
  ),

  holdfast_client_reports_total: row(
    "counter",
    "reports",
    [],
    "Reports of clients about what their applications noticed.",
  ),
  holdfast_client_reconnects_total: row(
    "counter",
    "reconnects",
    [],
    "Reconnects that clients reported.",
  ),
  holdfast_client_migrations_total: row(
    "counter",
    "migrations",
    [],
    "Migrations that clients reported.",
  ),
  holdfast_client_duplicates_total: row(
    "counter",
    "publications",
    [],
    "Duplicates that clients suppressed.",
  ),
  holdfast_client_gaps_total: row("counter", "gaps", [], "Declared gaps that clients saw."),
  holdfast_client_lost_total: row(
    "counter",
    "publications",
    [],
    "Publications that clients know to be lost.",
  ),
  holdfast_client_undeclared_total: row(
    "counter",
    "holes",
    [],
    "Holes that no gap declared. Anything above 0 is a bug.",
  ),
  holdfast_client_resume_seconds: row(
    "histogram",
    "seconds",
    [],
    "Longest time in each report from a lost connection until the client was caught up again.",
  ),

  holdfast_drain_sessions: row(
    "gauge",
    "sessions",
    [],
    "Sessions at the beginning of the drain. 0 without a drain.",
  ),
  holdfast_drain_remaining_sessions: row(
    "gauge",
    "sessions",
    [],
    "Sessions that the drain has still to move. 0 without a drain.",
  ),
  holdfast_drain_asked_sessions: row(
    "gauge",
    "sessions",
    [],
    "Sessions of the drain that were asked to move and are still here.",
  ),
  holdfast_drain_deadline_seconds: row(
    "gauge",
    "seconds",
    [],
    "Time until the running drain cuts the sessions that are left. 0 without a drain.",
  ),
  holdfast_drain_steps_total: row(
    "counter",
    "sessions, or drains for `started`, `finished`, `undone`",
    ["step"],
    "Steps of drains.",
  ),
  holdfast_shed_remaining_sessions: row(
    "gauge",
    "sessions",
    [],
    "Sessions above those that the node keeps, while it gives some up. 0 without such an order.",
  ),
  holdfast_shed_steps_total: row(
    "counter",
    "sessions, or orders for `started`, `reached`, `over`, `undone`",
    ["step"],
    "Steps of orders to give up some sessions.",
  ),
  holdfast_connection_minutes_total: row(
    "counter",
    "minutes",
    [],
    "Minutes that connections with a session have lived, added up.",
  ),
  holdfast_bad_connection_minutes_total: row(
    "counter",
    "minutes",
    ["signal"],
    "Connection-minutes in which a client felt something bad: each counts once for each signal. `lost`: a gap in an ordered or durable channel. `slow`: a delivery or an answer later than `flow.slowMs`. `closed_abnormally`: the connection vanished.",
  ),
  holdfast_resumes_total: row(
    "counter",
    "sessions",
    ["outcome"],
    "Sessions that came back or moved here. The outcome is `ok`, or `failed` if the session could not go on.",
  ),
  holdfast_orders_total: row(
    "counter",
    "orders",
    ["order", "outcome"],
    "Orders of the HTTP API to a node. The node that received an order counts `obeyed` or `refused` (for a lower token). The node that sent it counts `expired`.",
  ),

  holdfast_broker_up: row(
    "gauge",
    "0 or 1",
    [],
    "Whether the last probe that was published through the broker arrived.",
  ),
  holdfast_broker_bytes: row("gauge", "bytes", [], "Memory of the broker, as it last reported."),
  holdfast_broker_limit_bytes: row(
    "gauge",
    "bytes",
    [],
    "Memory at which the broker is full. 0: no limit.",
  ),
  holdfast_broker_presence_bytes: row(
    "gauge",
    "bytes",
    [],
    "Memory of presence in the broker. 0 with Redis.",
  ),
  holdfast_broker_channels: row("gauge", "channels", [], "Channels in the broker. 0 with Redis."),
  holdfast_broker_losses_total: row(
    "counter",
    "times",
    [],
    "Connections to the broker that were lost and made anew.",
  ),
  holdfast_presence_renewals_total: row(
    "counter",
    "renewals",
    ["outcome"],
    "Renewals of the lease of this node's members. The outcome is `ok`, `failed`, or `late`: the lease had run out, and the members had left.",
  ),

  holdfast_handshake_capacity: row(
    "gauge",
    "handshakes per second",
    [],
    "Handshakes a second that the node can take now, as it measures. docs/operations/draining.md calls it A.",
  ),
  holdfast_nodes: row(
    "gauge",
    "nodes",
    ["state"],
    "Nodes of the cluster that this node knows, itself included, by state.",
  ),
  holdfast_node_changes_total: row(
    "counter",
    "nodes",
    ["change"],
    "Other nodes that `joined`, `left` on purpose or `died`.",
  ),
  holdfast_rebalanced_sessions_total: row(
    "counter",
    "sessions",
    [],
    "Sessions that rebalancing asked to move.",
  ),
  holdfast_moves_returned_total: row(
    "counter",
    "sessions",
    ["reason"],
    "Sessions that should move, and came back to this node. `rebalance`, `drain`: they reached the node that they are on. `turned_away`: it had told them to look for a better one.",
  ),
  holdfast_bound_odds: row(
    "gauge",
    "odds",
    [],
    "The odds that the balancer binds clients to nodes, as this node has learned: 0.02 to 50. From 10 on, the node takes sessions that move at once. 0: it knows nothing.",
  ),

  holdfast_http_requests_total: row(
    "counter",
    "requests",
    ["route", "status"],
    "Answered requests to the HTTP API.",
  ),
  holdfast_http_request_seconds: row(
    "histogram",
    "seconds",
    ["route"],
    "Time from a request's arrival to its answer. Of a stream: to its beginning.",
  ),
  holdfast_http_streams: row(
    "gauge",
    "streams",
    ["route"],
    "Open streams of the HTTP API. A node takes 64, and 32 of one API key or address. `events_sse`, `events_ndjson`, `socket_stream` and `socket_poll` are clients, which count as connections.",
  ),
  holdfast_http_stream_bytes_total: row(
    "counter",
    "bytes",
    ["route"],
    "Bytes of streams handed to the network.",
  ),
  holdfast_http_streams_ended_total: row(
    "counter",
    "streams",
    ["route", "outcome"],
    "Ended streams. The outcome is `complete`, `failed`, `draining`, `left` (the client went) or `stalled` (it took nothing for 60 s).",
  ),
  ...INGEST_METRICS,
  ...MQTT_METRICS,
  ...BACK_END_METRICS,
  ...PIPELINE_METRICS,
  ...SINK_METRICS,
  ...SOURCE_METRICS,

  holdfast_event_loop_lag_seconds: row(
    "histogram",
    "seconds",
    [],
    "How late a timer fired, sampled four times a second.",
  ),
  holdfast_event_loop_lag_max_seconds: row(
    "gauge",
    "seconds",
    [],
    "The longest lag of the event loop in the last 15 to 30 seconds.",
  ),
  holdfast_heap_bytes: row("gauge", "bytes", [], "Memory that the runtime's heap uses."),
  process_resident_memory_bytes: row("gauge", "bytes", [], "Resident memory of the process."),
  process_cpu_user_seconds_total: row("counter", "seconds", [], "User CPU time of the process."),
  process_cpu_system_seconds_total: row(
    "counter",
    "seconds",
    [],
    "System CPU time of the process.",
  ),
  process_start_time_seconds: row("gauge", "seconds since 1970", [], "When the node started."),
  holdfast_bugs_total: row(
    "counter",
    "times",
    ["where"],
    "Times that the node met a state that must not be. If it is above 0, read the log.",
  ),
  holdfast_log_suppressed_total: row(
    "counter",
    "lines",
    [],
    "Log lines that the rate limit suppressed.",
  ),
} as const satisfies Record<string, MetricRow>;
export type MetricName = keyof typeof METRICS;
