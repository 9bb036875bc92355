// Owns: the dashboard about the state of all nodes.
import { area, type DashboardSpec, figure, line } from "./dashboard.ts";
import { EVENT_LOOP_LAG, QUEUED_BYTES } from "./panels.ts";
import { counted, largest, named, of, quantile, rate, sum } from "./queries.ts";

const CONNECTIONS = of("holdfast_connections");

export const FLEET: DashboardSpec = {
  uid: "holdfast-fleet",
  title: "Holdfast / Fleet",
  description: "Connections, deliveries, latency, and what they cost the nodes.",
  rows: [
    {
      title: "Now",
      panels: [
        figure("Nodes ready", {
          description: "Nodes whose last readiness check said ready. Draining nodes are not.",
          unit: "none",
          queries: [{ expr: sum(of("holdfast_ready")), legend: "ready" }],
          thresholds: { bad: 1, below: true },
          alert: "HoldfastNoNodeReady",
        }),
        figure("Connections", {
          description: "Open client connections of the chosen nodes.",
          unit: "short",
          queries: [{ expr: sum(CONNECTIONS), legend: "connections" }],
        }),
        figure("Fullest node", {
          description: "Share of its connection limit that the fullest node uses.",
          unit: "percentunit",
          queries: [
            {
              expr: largest(`${CONNECTIONS} / ${of("holdfast_connections_max")}`),
              legend: "fullest",
            },
          ],
          thresholds: { warn: 0.7, bad: 0.85 },
          alert: "HoldfastConnectionsNearLimit",
        }),
        figure("Deliveries", {
          description: "Publications that went to connections in a second.",
          unit: "cps",
          queries: [{ expr: sum(rate("holdfast_deliveries_total")), legend: "deliveries" }],
        }),
        figure("Delivery, 99 of 100 within", {
          description:
            "Time from the moment when the broker accepted a publication until it went to a connection.",
          unit: "s",
          queries: [{ expr: quantile(0.99, "holdfast_delivery_latency_seconds"), legend: "p99" }],
          thresholds: { warn: 0.25, bad: 1 },
          alert: "HoldfastDeliverySlow",
        }),
        figure("Undeclared holes", {
          description:
            "Holes within the shown time that clients saw and no gap declared. Anything above 0 is a bug.",
          unit: "none",
          queries: [{ expr: sum(counted("holdfast_client_undeclared_total")), legend: "holes" }],
          thresholds: { bad: 1 },
          alert: "HoldfastUndeclaredLoss",
        }),
      ],
    },
    {
      title: "Connections",
      panels: [
        area("Connections by node", {
          description: "An even height of the layers means an even load.",
          unit: "short",
          queries: [{ expr: sum(CONNECTIONS, "node"), legend: "{{node}}" }],
        }),
        line("Share of the connection limit", {
          description: "At 1 a node refuses new clients.",
          unit: "percentunit",
          queries: [
            {
              expr: sum(`${CONNECTIONS} / ${of("holdfast_connections_max")}`, "node"),
              legend: "{{node}}",
            },
          ],
          thresholds: { bad: 0.85 },
          alert: "HoldfastConnectionsNearLimit",
        }),
        line("Sessions, subscriptions, channels", {
          description:
            "A session that moves has two connections for a moment. A channel is counted at every node that carries it.",
          unit: "short",
          queries: [
            { expr: sum(of("holdfast_sessions")), legend: "sessions" },
            { expr: sum(of("holdfast_subscriptions")), legend: "subscriptions" },
            { expr: sum(of("holdfast_channels")), legend: "channels" },
          ],
        }),
        line("Handshakes by outcome", {
          description:
            "Answered first frames: connected anew, resumed, moved from another node, or refused.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_handshakes_total"), "outcome"), legend: "{{outcome}}" },
          ],
          alert: "HoldfastHandshakesRefused",
        }),
        line("Ended connections by code", {
          description: "none: the client left by itself.",
          unit: "cps",
          queries: [
            {
              expr: `${sum(rate("holdfast_connections_ended_total"), "code")} > 0`,
              legend: "{{code}}",
            },
          ],
        }),
        line("Requests of clients answered with an error", {
          description:
            "By code. A steady line is a mistake of a client or the contract. A step comes from a deploy.",
          unit: "cps",
          queries: [
            {
              expr: `${sum(rate("holdfast_request_failures_total"), "code")} > 0`,
              legend: "{{code}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Sessions that move",
      panels: [
        line("Sessions that came back instead of moving", {
          description:
            "rebalance, drain: they reached the node that they were on. turned_away: the node had told them to look for a better one.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_moves_returned_total"), "reason"), legend: "{{reason}}" },
          ],
          width: 12,
        }),
        line("Odds that the balancer binds clients to nodes", {
          description:
            "As each node has learned. From 10 on it takes sessions that move at once. 0: it knows nothing.",
          unit: "short",
          queries: [{ expr: sum(of("holdfast_bound_odds"), "node"), legend: "{{node}}" }],
          thresholds: { bad: 10 },
          width: 12,
        }),
      ],
    },
    {
      title: "Deliveries",
      panels: [
        area("Deliveries by class", {
          description: "Publications that went to connections, counted once for each connection.",
          unit: "cps",
          queries: [{ expr: sum(rate("holdfast_deliveries_total"), "class"), legend: "{{class}}" }],
        }),
        line("Delivery latency", {
          description:
            "Time from the moment when the broker accepted a publication until it went to a connection. Clients that catch up count, too.",
          unit: "s",
          queries: [0.5, 0.95, 0.99].map((q) => ({
            expr: quantile(q, "holdfast_delivery_latency_seconds"),
            legend: `p${q * 100}`,
          })),
          thresholds: { bad: 1 },
          alert: "HoldfastDeliverySlow",
        }),
        line("Publishes by outcome", {
          description: "ok, duplicate (an answer that was repeated), or the code of the error.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_publishes_total"), "outcome"), legend: "{{outcome}}" },
          ],
          alert: "HoldfastPublishesFailing",
        }),
      ],
    },
    {
      title: "Nodes",
      panels: [
        EVENT_LOOP_LAG,
        line("CPU", {
          description: "Cores in use. A node works on one event loop. Near 1 it cannot do more.",
          unit: "short",
          queries: [
            {
              expr: sum(
                `${rate("process_cpu_user_seconds_total")} + ${rate("process_cpu_system_seconds_total")}`,
                "node",
              ),
              legend: "{{node}}",
            },
          ],
          thresholds: { bad: 0.9 },
          alert: "HoldfastEventLoopLag",
        }),
        line("Resident memory", {
          description: "Resident memory of each process, with the runtime.",
          unit: "bytes",
          queries: [{ expr: sum(of("process_resident_memory_bytes"), "node"), legend: "{{node}}" }],
        }),
        line("Memory for each connection", {
          description:
            "Resident memory above the 150 MB of the process itself, divided by connections. Shown from 500 connections on.",
          unit: "bytes",
          queries: [
            {
              expr: sum(
                `(${of("process_resident_memory_bytes")} - 150e6) / (${CONNECTIONS} > 500)`,
                "node",
              ),
              legend: "{{node}}",
            },
          ],
          thresholds: { bad: 100e3 },
          alert: "HoldfastMemoryPerConnection",
        }),
        QUEUED_BYTES,
        line("CPU for each delivery", {
          description:
            "CPU time of a node divided by its deliveries. It falls with larger rooms, and rises with a more expensive contract.",
          unit: "s",
          queries: [
            {
              expr: `${sum(`${rate("process_cpu_user_seconds_total")} + ${rate("process_cpu_system_seconds_total")}`, "revision")} / ${sum(rate("holdfast_deliveries_total"), "revision")}`,
              legend: "{{revision}}",
            },
          ],
        }),
        line("Time since the start", {
          description: "A line that falls to 0 is a restart. If there was no deploy, find out why.",
          unit: "s",
          queries: [
            {
              expr: sum(`time() - ${of("process_start_time_seconds")}`, "node"),
              legend: "{{node}}",
            },
          ],
          alert: "HoldfastNodesDying",
        }),
        line("Targets that Prometheus does not reach", {
          description: "By address. Nodes that are not scraped are missing from all other panels.",
          unit: "none",
          queries: [{ expr: `sum by (instance) (${of("up")} == bool 0)`, legend: "{{instance}}" }],
          thresholds: { bad: 1 },
          alert: "HoldfastNodeDown",
        }),
        line("Things that must not happen", {
          description: "If it is above 0, look at the log, event bug.",
          unit: "none",
          queries: [{ expr: named(of("holdfast_bugs_total")), legend: "{{node}} {{where}}" }],
          thresholds: { bad: 1 },
          alert: "HoldfastBug",
        }),
      ],
    },
  ],
};
