// Owns: the dashboard about the broker.
import { area, type DashboardSpec, line } from "./dashboard.ts";
import { of, quantile, rate, sum } from "./queries.ts";

export const BROKER: DashboardSpec = {
  uid: "holdfast-broker",
  title: "Holdfast / Broker",
  description:
    "Whether nodes reach the broker, what they publish through it, and what they had to read again.",
  rows: [
    {
      title: "Reach",
      panels: [
        line("Broker reached", {
          description:
            "1 if the last probe that the node published through the broker arrived. A node at 0 is not ready.",
          unit: "none",
          queries: [{ expr: sum(of("holdfast_broker_up"), "node"), legend: "{{node}}" }],
          thresholds: { bad: 1, below: true },
          max: 1,
          alert: "HoldfastBrokerCutOff",
        }),
        line("Connections to the broker that were lost", {
          description: "After each one, the node compares its positions with the broker's.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_broker_losses_total"), "node"), legend: "{{node}}" },
          ],
          alert: "HoldfastBrokerUnstable",
        }),
        line("Other nodes that joined, left or died", {
          description:
            "As each node sees them through the broker. died: the node said nothing for the time of its lease.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_node_changes_total"), "change"), legend: "{{change}}" },
          ],
          alert: "HoldfastNodesDying",
        }),
      ],
    },
    {
      title: "Room",
      panels: [
        line("Memory of the broker", {
          description: "What the broker holds and, if it has a limit, what it may hold.",
          unit: "bytes",
          queries: [
            { expr: `max(${of("holdfast_broker_bytes")})`, legend: "held" },
            { expr: `max(${of("holdfast_broker_limit_bytes")}) > 0`, legend: "limit" },
          ],
          alert: "HoldfastBrokerNearFull",
        }),
        line("Publishes that found no room", {
          description: "Refused as broker_full. Clients repeat them with the same key.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_publishes_total", `outcome="broker_full"`), "node"),
              legend: "{{node}}",
            },
          ],
          alert: "HoldfastBrokerFull",
        }),
        line("Presence in the embedded broker", {
          description: "Estimated memory of members. 0 with Redis.",
          unit: "bytes",
          queries: [{ expr: `max(${of("holdfast_broker_presence_bytes")})`, legend: "held" }],
        }),
      ],
    },
    {
      title: "Publishing",
      panels: [
        area("Publishes by class", {
          description: "Publishes that the broker accepted.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_publishes_total", `outcome="ok"`), "class"),
              legend: "{{class}}",
            },
          ],
        }),
        line("Publishes that failed", {
          description:
            "By code. broker_unavailable: it may have been published. Clients repeat it with the same key.",
          unit: "cps",
          queries: [
            {
              expr: `${sum(rate("holdfast_publishes_total", `outcome!~"ok|duplicate"`), "outcome")} > 0`,
              legend: "{{outcome}}",
            },
          ],
          alert: "HoldfastPublishesFailing",
        }),
        line("Publish, from arrival to answer", {
          description: "The broker's round trip is the larger part of it.",
          unit: "s",
          queries: [0.5, 0.99].map((q) => ({
            expr: quantile(q, "holdfast_publish_seconds", "class"),
            legend: `p${q * 100} {{class}}`,
          })),
        }),
      ],
    },
    {
      title: "Delivering and mending",
      panels: [
        line("Delivery latency by class, 99 of 100 within", {
          description:
            "Time from the moment when the broker accepted a publication until it went to a connection.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "holdfast_delivery_latency_seconds", "class"),
              legend: "{{class}}",
            },
          ],
          alert: "HoldfastDeliverySlow",
        }),
        line("Holes in what the broker sent", {
          description:
            "repaired: the node read it from history, and nobody noticed. declared: it could not, and subscribers were told a gap.",
          unit: "cps",
          queries: [{ expr: sum(rate("holdfast_holes_total"), "outcome"), legend: "{{outcome}}" }],
          alert: "HoldfastGaps",
        }),
        line("Publications inside those holes", {
          description: "Publications that were missing.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_hole_publications_total"), "outcome"),
              legend: "{{outcome}}",
            },
          ],
        }),
        line("Renewals of the presence lease", {
          description:
            "failed: the broker did not answer. late: the lease had run out, and this node's members were shown as left.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_presence_renewals_total"), "outcome"),
              legend: "{{outcome}}",
            },
          ],
          alert: "HoldfastPresenceLeaseFailing",
        }),
        line("Gaps by reason", {
          description:
            "history: it was not stored any more. epoch: the broker lost its data. dropped: a volatile channel under pressure.",
          unit: "cps",
          queries: [{ expr: sum(rate("holdfast_gaps_total"), "reason"), legend: "{{reason}}" }],
          alert: "HoldfastGaps",
        }),
        line("Channels by node", {
          description: "Channels that a node carries. It subscribes to each in the broker.",
          unit: "short",
          queries: [{ expr: sum(of("holdfast_channels"), "node"), legend: "{{node}}" }],
        }),
      ],
    },
  ],
};
