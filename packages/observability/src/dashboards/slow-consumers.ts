// Owns: the dashboard about clients that read more slowly than the node writes.
import { type DashboardSpec, line } from "./dashboard.ts";
import { EVENT_LOOP_LAG, QUEUED_BYTES, RECOVERIES } from "./panels.ts";
import { of, quantile, rate, sum } from "./queries.ts";

export const SLOW_CONSUMERS: DashboardSpec = {
  uid: "holdfast-slow-consumers",
  title: "Holdfast / Slow consumers",
  description: "Clients that read too slowly, what is queued for them, and how it ends.",
  rows: [
    {
      title: "Who lags",
      panels: [
        line("Subscriptions that began to lag", {
          description: "By policy: catch up later, conflate to the newest, drop, or disconnect.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_slow_consumers_total"), "policy"), legend: "{{policy}}" },
          ],
          alert: "HoldfastSlowConsumersClosed",
        }),
        line("Connections closed for it", {
          description:
            "They lagged for longer than flow.lagMsMax, or had more than flow.queueBytesMax queued. The client comes back at once.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_connections_ended_total", `code="slow_consumer"`), "node"),
              legend: "{{node}}",
            },
          ],
          alert: "HoldfastSlowConsumersClosed",
        }),
        QUEUED_BYTES,
        line("Queued bytes for each connection", {
          description: "The mean. A few slow clients hardly change it.",
          unit: "bytes",
          queries: [
            {
              expr: sum(
                `${of("holdfast_queue_bytes")} / (${of("holdfast_connections")} > 0)`,
                "node",
              ),
              legend: "{{node}}",
            },
          ],
        }),
        EVENT_LOOP_LAG,
        line("Deliveries by node", {
          description: "Deliveries of the nodes.",
          unit: "cps",
          queries: [{ expr: sum(rate("holdfast_deliveries_total"), "node"), legend: "{{node}}" }],
        }),
      ],
    },
    {
      title: "What becomes of them",
      panels: [
        RECOVERIES,
        line("Publications of a recovery, 95 of 100 within", {
          description: "How many publications returning clients had missed.",
          unit: "short",
          queries: [
            {
              expr: quantile(0.95, "holdfast_recovered_publications", "outcome"),
              legend: "{{outcome}}",
            },
          ],
        }),
        line("Publications inside declared gaps", {
          description: "dropped is normal for volatile channels. history and epoch are losses.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_gap_publications_total"), "reason"), legend: "{{reason}}" },
          ],
          alert: "HoldfastGaps",
        }),
      ],
    },
  ],
};
