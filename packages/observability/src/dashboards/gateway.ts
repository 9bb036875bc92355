// Owns: the dashboard about gateways: what clients feel, the servers behind each route, and the
// gateways themselves.
import { area, type DashboardSpec, figure, line } from "./dashboard.ts";
import { counted, events, of, rate } from "./queries.ts";

const ROUTE = `route=~"$route"`;
const LIMIT = 'code=~"1012|1013"';

export const GATEWAY: DashboardSpec = {
  uid: "holdfast-gateway",
  title: "Holdfast / Gateway: what clients feel",
  description:
    "Clients that are held, moved and closed, the servers behind each route, and the gateways themselves.",
  about: "gateways",
  rows: [
    {
      title: "Is anybody hurt?",
      panels: [
        figure("Clients held", {
          description: "Open sockets of clients on the chosen routes, now.",
          unit: "short",
          queries: [{ expr: `sum(${of("holdfast_gateway_clients", ROUTE)})`, legend: "clients" }],
        }),
        figure("Closed since no server took them", {
          description:
            "Within the shown time, by the gateway, with 1012 or 1013. A gateway that is replaced closes its clients, too.",
          unit: "none",
          queries: [
            {
              expr: `sum(${counted("holdfast_gateway_closed_total", `${ROUTE},by="gateway",${LIMIT}`)})`,
              legend: "clients",
            },
          ],
          thresholds: { bad: 1 },
          alert: "HoldfastGatewayClosesClients",
        }),
        figure("Frames dropped", {
          description: "Frames of clients that no server took, within the shown time.",
          unit: "none",
          queries: [
            {
              expr: `sum(${counted("holdfast_gateway_dropped_frames_total", ROUTE)})`,
              legend: "frames",
            },
          ],
          thresholds: { bad: 1 },
          alert: "HoldfastGatewayFramesDropped",
        }),
        figure("Clients between servers", {
          description: "Without a server, or on their way to another, now.",
          unit: "none",
          queries: [
            { expr: `sum(${of("holdfast_gateway_moving_clients", ROUTE)})`, legend: "clients" },
          ],
        }),
        figure("Endpoints that take clients", {
          description: "The fewest that any route of any gateway has. 0: new clients get 503.",
          unit: "none",
          queries: [
            {
              expr: `min(sum by (instance, route) (${of("holdfast_gateway_endpoints", `${ROUTE},state="taking"`)}))`,
              legend: "endpoints",
            },
          ],
          thresholds: { bad: 0, below: true },
          alert: "HoldfastGatewayNoEndpoint",
        }),
        figure("Gateways ready", {
          description: "Those that take new clients.",
          unit: "none",
          queries: [{ expr: `sum(${of("holdfast_gateway_ready")})`, legend: "gateways" }],
          thresholds: { bad: 0, below: true },
          alert: "HoldfastGatewayNoneReady",
        }),
      ],
    },
    {
      title: "Clients",
      panels: [
        area("Clients by route", {
          description: "They should not fall while the application is released.",
          unit: "short",
          queries: [
            {
              expr: `sum by (route) (${of("holdfast_gateway_clients", ROUTE)})`,
              legend: "{{route}}",
            },
          ],
        }),
        line("Moves", {
          description: "Clients that got another server: drain, rebalance, or the server was lost.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (route, cause) (${rate("holdfast_gateway_moves_total", ROUTE)})`,
              legend: "{{route}} {{cause}}",
            },
          ],
        }),
        line("Moves between gateways", {
          description:
            "Clients with a HoldfastSocket: away from a gateway that ends, and here at another one.",
          unit: "none",
          queries: [
            {
              expr: `sum by (route) (${events("holdfast_gateway_moved_away_total", ROUTE)})`,
              legend: "{{route}} away",
            },
            {
              expr: `sum by (route) (${events("holdfast_gateway_moved_here_total", ROUTE)})`,
              legend: "{{route}} here",
            },
          ],
        }),
        line("Pause of a client that moves", {
          description: "How long no frame of it could pass.",
          unit: "s",
          queries: [0.5, 0.99].map((q) => ({
            expr: `histogram_quantile(${q}, sum by (le, cause) (${rate("holdfast_gateway_pause_seconds_bucket", ROUTE)}))`,
            legend: `p${q * 100} {{cause}}`,
          })),
          alert: "HoldfastGatewayPausesLong",
        }),
        line("Closes", {
          description: "By who closed first, and the code.",
          unit: "none",
          queries: [
            {
              expr: `sum by (by, code) (${events("holdfast_gateway_closed_total", ROUTE)})`,
              legend: "{{by}} {{code}}",
            },
          ],
          alert: "HoldfastGatewayClosesClients",
        }),
        line("Upgrades without a socket", {
          description:
            "By status. 503: no server, or no room. 429: too many at once, or of one address. Others are the application's.",
          unit: "none",
          queries: [
            {
              expr: `sum by (route, status) (${events("holdfast_gateway_refused_total", ROUTE)})`,
              legend: "{{route}} {{status}}",
            },
          ],
        }),
        line("Moves that failed", {
          width: 12,
          description: "The client stays, and it is tried again.",
          unit: "none",
          queries: [
            {
              expr: `sum by (route, cause) (${events("holdfast_gateway_move_failures_total", ROUTE)})`,
              legend: "{{route}} {{cause}}",
            },
          ],
          alert: "HoldfastGatewayMovesFailing",
        }),
        line("Frames", {
          width: 12,
          description: "Messages that passed: in from clients, out to them.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (route, direction) (${rate("holdfast_gateway_frames_total", ROUTE)})`,
              legend: "{{route}} {{direction}}",
            },
          ],
        }),
        line("Frames dropped, by reason", {
          width: 12,
          description:
            "room: too much waited. ended: the client was closed meanwhile. size: a message too long.",
          unit: "none",
          queries: [
            {
              expr: `sum by (route, why) (${events("holdfast_gateway_dropped_frames_total", ROUTE)})`,
              legend: "{{route}} {{why}}",
            },
          ],
          alert: "HoldfastGatewayFramesDropped",
        }),
        line("Requests that are no sockets", {
          width: 12,
          description: "HTTP that passes through, by status.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (route, status) (${rate("holdfast_gateway_requests_total", ROUTE)})`,
              legend: "{{route}} {{status}}",
            },
          ],
        }),
      ],
    },
    {
      title: "Servers behind the routes",
      panels: [
        line("Endpoints by state", {
          description:
            "As one gateway sees them, the most of all. leaving: its clients move away. waiting: it takes nobody and keeps its clients.",
          unit: "none",
          queries: [
            {
              expr: `max by (route, state) (${of("holdfast_gateway_endpoints", ROUTE)})`,
              legend: "{{route}} {{state}}",
            },
          ],
          alert: "HoldfastGatewayNoEndpoint",
        }),
        line("Sockets by endpoint", {
          description: "A server that is drained is a line down to 0.",
          unit: "short",
          queries: [
            {
              expr: `sum by (route, endpoint) (${of("holdfast_gateway_endpoint_connections", ROUTE)})`,
              legend: "{{route}} {{endpoint}}",
            },
          ],
        }),
        line("Sockets to servers that did not open", {
          description: "By reason. refused: the server answered with a status.",
          unit: "none",
          queries: [
            {
              expr: `sum by (route, why) (${events("holdfast_gateway_upstreams_failed_total", ROUTE)})`,
              legend: "{{route}} {{why}}",
            },
          ],
        }),
        line("Discovery in trouble", {
          description: "1 if nothing new is known: the last known endpoints stay.",
          unit: "none",
          max: 1,
          queries: [
            {
              expr: `max by (route) (${of("holdfast_gateway_discovery_trouble", ROUTE)})`,
              legend: "{{route}}",
            },
          ],
          alert: "HoldfastGatewayDiscoveryTrouble",
        }),
        line("Checks", {
          description: "Active health checks, by outcome.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (route, outcome) (${rate("holdfast_gateway_checks_total", ROUTE)})`,
              legend: "{{route}} {{outcome}}",
            },
          ],
        }),
        line("Orders of the control API", {
          description: "By outcome. outdated: a lower token than the last.",
          unit: "none",
          queries: [
            {
              expr: `sum by (outcome) (${events("holdfast_gateway_orders_total")})`,
              legend: "{{outcome}}",
            },
            {
              expr: `sum(${events("holdfast_gateway_unauthorized_total")})`,
              legend: "without a known key",
            },
          ],
        }),
      ],
    },
    {
      title: "The gateways",
      panels: [
        line("Clients of the most that are taken", {
          description: "Of each gateway. At 1 new clients get 503.",
          unit: "percentunit",
          max: 1,
          queries: [
            {
              expr: `sum by (instance) (${of("holdfast_gateway_clients")}) / sum by (instance) (${of("holdfast_gateway_clients_max")})`,
              legend: "{{instance}}",
            },
          ],
          thresholds: { bad: 0.9 },
          alert: "HoldfastGatewayNearLimit",
        }),
        line("What waits, of the room for it", {
          description: "Frames of clients without a server, and what profiles remember.",
          unit: "percentunit",
          max: 1,
          queries: [
            {
              expr: `sum by (instance) (${of("holdfast_gateway_waiting_bytes")}) / sum by (instance) (${of("holdfast_gateway_waiting_bytes_max")})`,
              legend: "{{instance}}",
            },
          ],
          thresholds: { bad: 0.8 },
          alert: "HoldfastGatewayNearLimit",
        }),
        line("Configuration", {
          description:
            "1 if the file that was read last was refused, and how often files were read.",
          unit: "none",
          queries: [
            {
              expr: `max by (instance) (${of("holdfast_gateway_configuration_refused")})`,
              legend: "{{instance}} refused",
            },
            {
              expr: `sum by (outcome) (${events("holdfast_gateway_reloads_total")})`,
              legend: "{{outcome}}",
            },
          ],
          alert: "HoldfastGatewayConfigurationRefused",
        }),
      ],
    },
  ],
};
