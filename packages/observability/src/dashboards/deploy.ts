// Owns: the dashboard for a deploy: which nodes lose sessions, which nodes receive them, and what
// clients experienced.
import { area, type DashboardSpec, figure, line } from "./dashboard.ts";
import { RECOVERIES, REFUSED_HANDSHAKES } from "./panels.ts";
import { counted, events, of, quantile, rate, sum } from "./queries.ts";

const DRAINING = of("holdfast_node_state", `state="draining"`);

export const DEPLOY: DashboardSpec = {
  uid: "holdfast-deploy",
  title: "Holdfast / Deploy",
  description: "Drains, migrations, the capacity for them, and what clients noticed, by revision.",
  rows: [
    {
      title: "Now",
      panels: [
        figure("Nodes that drain", {
          description: "Nodes that drain.",
          unit: "none",
          queries: [{ expr: sum(DRAINING), legend: "draining" }],
        }),
        figure("Sessions to move", {
          description: "Sessions that draining nodes have still to move.",
          unit: "short",
          queries: [{ expr: sum(of("holdfast_drain_remaining_sessions")), legend: "sessions" }],
        }),
        figure("Asked and still here", {
          description:
            "Sessions that were asked to move and are still here. A few are normal. If there are many for long, no node accepts them.",
          unit: "short",
          queries: [{ expr: sum(of("holdfast_drain_asked_sessions")), legend: "sessions" }],
          thresholds: { warn: 10, bad: 100 },
          alert: "HoldfastDrainStuck",
        }),
        figure("Cut at a deadline", {
          description:
            "Sessions within the shown time that had not left when a drain's window ended.",
          unit: "none",
          queries: [
            { expr: sum(counted("holdfast_drain_steps_total", `step="cut"`)), legend: "sessions" },
          ],
          thresholds: { bad: 1 },
          alert: "HoldfastDrainCutSessions",
        }),
        figure("Lost without a word", {
          description:
            "Holes within the shown time that clients saw and no gap declared. Anything above 0 is a bug: stop the deploy.",
          unit: "none",
          queries: [{ expr: sum(counted("holdfast_client_undeclared_total")), legend: "holes" }],
          thresholds: { bad: 1 },
          alert: "HoldfastUndeclaredLoss",
        }),
        figure("Declared lost", {
          description:
            "Publications within the shown time that clients know they missed. Volatile channels under pressure count, too.",
          unit: "short",
          queries: [{ expr: sum(counted("holdfast_client_lost_total")), legend: "publications" }],
          thresholds: { bad: 1 },
          alert: "HoldfastGaps",
        }),
      ],
    },
    {
      title: "Who leaves",
      panels: [
        area("Connections by revision", {
          description:
            "Connections move from the old revision's layer to the new one's. The sum should stay.",
          unit: "short",
          queries: [{ expr: sum(of("holdfast_connections"), "revision"), legend: "{{revision}}" }],
        }),
        line("Drain progress", {
          description:
            "Sessions that each draining node has still to move. A straight line down is right.",
          unit: "short",
          queries: [
            {
              expr: `${sum(of("holdfast_drain_remaining_sessions"), "node", "revision")} > 0`,
              legend: "{{node}} {{revision}}",
            },
          ],
          alert: "HoldfastDrainStuck",
        }),
        line("Until the deadline", {
          description: "Seconds until a running drain cuts the sessions that are left.",
          unit: "s",
          queries: [
            {
              expr: `${sum(of("holdfast_drain_deadline_seconds"), "node")} > 0`,
              legend: "{{node}}",
            },
          ],
        }),
        line("What drains do", {
          description:
            "Notices to clients that can move (migrate) and to others (goodbye), and sessions that were cut.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_drain_steps_total", `step=~"migrate|goodbye|cut"`), "step"),
              legend: "{{step}}",
            },
          ],
          alert: "HoldfastDrainCutSessions",
        }),
        area("Nodes by state", {
          description: "The state that each node reports.",
          unit: "none",
          queries: [{ expr: sum(of("holdfast_node_state"), "state"), legend: "{{state}}" }],
          alert: "HoldfastDrainForgotten",
        }),
        line("What the autoscaler sees", {
          description:
            "Demand (recording rule): connections of nodes that do not drain, and sessions that draining nodes will move. All connections, for comparison.",
          unit: "short",
          queries: [
            { expr: `sum(${of("holdfast:connections:sum")})`, legend: "demand" },
            { expr: `sum(${of("holdfast_connections")})`, legend: "all connections" },
          ],
        }),
      ],
    },
    {
      title: "Who takes them in",
      panels: [
        line("Handshakes against capacity", {
          description:
            "Handshakes a second, and how many all nodes together can take, as they measure it. Drains use at most 0.7 of it, unless a deadline needs more.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_handshakes_total", `outcome!="refused"`), "outcome"),
              legend: "{{outcome}}",
            },
            {
              expr: `${sum(`${of("holdfast_handshake_capacity")} * on (namespace, job, instance) (1 - sum without (state) (${DRAINING}))`)}`,
              legend: "capacity",
            },
          ],
          alert: "HoldfastHandshakesNearCapacity",
        }),
        REFUSED_HANDSHAKES,
        line("Handshake, 95 of 100 within", {
          description:
            "Time from the opening of a socket to the answer to its first frame, by outcome.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.95, "holdfast_handshake_seconds", "outcome"),
              legend: "{{outcome}}",
            },
          ],
        }),
      ],
    },
    {
      title: "What clients experienced",
      panels: [
        line("Time without delivery", {
          description:
            "Time from a lost connection until the client was caught up again, the longest in each report. Clients that move have none.",
          unit: "s",
          queries: [0.5, 0.99].map((q) => ({
            expr: quantile(q, "holdfast_client_resume_seconds", "revision"),
            legend: `p${q * 100} {{revision}}`,
          })),
        }),
        line("Moved and reconnected", {
          description:
            "Migrations are moves that nobody notices. Reconnects are lost connections. By the revision that clients reported to.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_client_migrations_total"), "revision"),
              legend: "migrations {{revision}}",
            },
            {
              expr: sum(rate("holdfast_client_reconnects_total"), "revision"),
              legend: "reconnects {{revision}}",
            },
          ],
        }),
        line("Lost and duplicate publications", {
          description:
            "By revision. The client suppressed the duplicates. The application saw none.",
          unit: "short",
          queries: [
            {
              expr: sum(events("holdfast_client_lost_total"), "revision"),
              legend: "lost {{revision}}",
            },
            {
              expr: sum(events("holdfast_client_undeclared_total"), "revision"),
              legend: "undeclared holes {{revision}}",
            },
            {
              expr: sum(events("holdfast_client_duplicates_total"), "revision"),
              legend: "duplicates {{revision}}",
            },
          ],
          alert: "HoldfastUndeclaredLoss",
        }),
        RECOVERIES,
        line("Delivery latency by revision, 99 of 100 within", {
          description: "The new revision beside the old one.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "holdfast_delivery_latency_seconds", "revision"),
              legend: "{{revision}}",
            },
          ],
          alert: "HoldfastDeliverySlow",
        }),
        line("Event-loop lag by revision, 99 of 100 within", {
          description: "The new revision beside the old one.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.99, "holdfast_event_loop_lag_seconds", "revision"),
              legend: "{{revision}}",
            },
          ],
          alert: "HoldfastEventLoopLag",
        }),
      ],
    },
  ],
};
