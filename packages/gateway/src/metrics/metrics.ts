// Owns: what counts for the gateway's metrics, and their page.
import type { HeldObserver } from "@holdfast/rehoming";
import type { GatewayCounts, Route } from "@holdfast/relay/gateway";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import {
  GATEWAY_METRICS,
  type GatewayLabel,
  type GatewayMetricName,
  type GatewayMetricRow,
} from "./table.ts";

type Labels = Partial<Record<GatewayLabel, string>>;

/** From a round trip in one machine to the time after which a client is closed. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const CAUSES = ["drain", "rebalance", "lost"] as const;
const DROPS = ["room", "ended", "size"] as const;
const STATES = ["taking", "ill", "leaving", "waiting"] as const;
const ENDPOINTS_SHOWN_MAX = 200;

/** A route as its gauges show it. */
export interface RouteFigures {
  readonly name: string;
  readonly clients: number;
  readonly moving: number;
  readonly hasTrouble: boolean;
  readonly hasTlsTrouble: boolean;
  /** In ms since 1970. */
  readonly certificateEndsMs: number | undefined;
  readonly traffic: { readonly in: number; readonly out: number };
  readonly endpoints: readonly {
    readonly address: string;
    readonly state: (typeof STATES)[number];
    readonly connections: number;
  }[];
}

export interface GatewayFigures {
  readonly isReady: boolean;
  readonly isDraining: boolean;
  readonly isRefused: boolean;
  readonly clientsMax: number;
  readonly waitingBytes: number;
  readonly waitingBytesMax: number;
  /** Of the listener's certificate, in ms since 1970. */
  readonly certificateEndsMs: number | undefined;
  readonly routes: readonly RouteFigures[];
}

export interface GatewayMetrics {
  /** For the listener. */
  readonly counts: Omit<GatewayCounts, "told"> & { refused(status: number, route?: Route): void };
  /** For the clients of one route. */
  observerOf(route: Route): HeldObserver;
  checked(route: string, outcome: "well" | "ill"): void;
  reloaded(outcome: "taken" | "refused"): void;
  ordered(outcome: string): void;
  unauthorized(): void;
  adminRefused(): void;
  /** A route is there: its series begin at 0, so that `increase` sees their first event. */
  begin(route: string): void;
  /** A route is gone: so are its series. */
  forget(route: string): void;
  render(figures: GatewayFigures): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createGatewayMetrics(failed: GatewayCounts["failed"]): GatewayMetrics {
  const registry = new Registry();
  const families = familiesOf(registry);
  const { count, histogram } = families;
  return {
    counts: {
      refused: (status, route) =>
        count("holdfast_gateway_refused_total", {
          route: route?.name ?? "",
          status: String(status),
        }),
      held: ({ name: route }) => count("holdfast_gateway_held_total", { route }),
      closed: ({ name: route }, code, by) =>
        count("holdfast_gateway_closed_total", { route, by, code: codeText(code) }),
      answered: ({ name: route }, status) =>
        count("holdfast_gateway_requests_total", { route, status: String(status) }),
      movedAway: ({ name: route }) => count("holdfast_gateway_moved_away_total", { route }),
      movedHere: ({ name: route }) => count("holdfast_gateway_moved_here_total", { route }),
      upstreamOpened: ({ name: route }) =>
        count("holdfast_gateway_upstreams_opened_total", { route }),
      upstreamFailed: ({ name: route }, why) =>
        count("holdfast_gateway_upstreams_failed_total", { route, why }),
      failed,
    },
    observerOf: ({ name: route }) => ({
      moved(cause, pausedMs) {
        count("holdfast_gateway_moves_total", { route, cause });
        histogram("holdfast_gateway_pause_seconds").observe({ route, cause }, pausedMs / 1000);
      },
      moveFailed: (cause) => count("holdfast_gateway_move_failures_total", { route, cause }),
      dropped: (frames, why) =>
        count("holdfast_gateway_dropped_frames_total", { route, why }, frames),
      ended: () => {},
    }),
    checked: (route, outcome) => count("holdfast_gateway_checks_total", { route, outcome }),
    reloaded: (outcome) => count("holdfast_gateway_reloads_total", { outcome }),
    ordered: (outcome) => count("holdfast_gateway_orders_total", { outcome }),
    adminRefused: () => count("holdfast_gateway_admin_refused_total"),
    unauthorized: () => count("holdfast_gateway_unauthorized_total"),
    begin(route) {
      count("holdfast_gateway_held_total", { route }, 0);
      count("holdfast_gateway_moved_away_total", { route }, 0);
      count("holdfast_gateway_moved_here_total", { route }, 0);
      count("holdfast_gateway_upstreams_opened_total", { route }, 0);
      for (const why of ["timeout", "refused", "tls", "error"])
        count("holdfast_gateway_upstreams_failed_total", { route, why }, 0);
      for (const why of DROPS) count("holdfast_gateway_dropped_frames_total", { route, why }, 0);
      for (const cause of CAUSES) {
        count("holdfast_gateway_moves_total", { route, cause }, 0);
        count("holdfast_gateway_move_failures_total", { route, cause }, 0);
        histogram("holdfast_gateway_pause_seconds").zero({ route, cause });
      }
    },
    forget: (route) => families.forget(route),
    async render(figures) {
      showFigures(figures, families);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function showFigures(
  { routes, ...figures }: GatewayFigures,
  { gauge, reset, total }: ReturnType<typeof familiesOf>,
): void {
  reset();
  gauge("holdfast_gateway_ready", {}, figures.isReady ? 1 : 0);
  gauge("holdfast_gateway_draining", {}, figures.isDraining ? 1 : 0);
  gauge("holdfast_gateway_configuration_refused", {}, figures.isRefused ? 1 : 0);
  gauge("holdfast_gateway_clients_max", {}, figures.clientsMax);
  gauge("holdfast_gateway_waiting_bytes", {}, figures.waitingBytes);
  gauge("holdfast_gateway_waiting_bytes_max", {}, figures.waitingBytesMax);
  gauge(
    "holdfast_gateway_certificate_expiry_timestamp_seconds",
    {},
    (figures.certificateEndsMs ?? 0) / 1000,
  );
  for (const { name: route, traffic, endpoints, ...one } of routes) {
    gauge("holdfast_gateway_clients", { route }, one.clients);
    gauge("holdfast_gateway_moving_clients", { route }, one.moving);
    gauge("holdfast_gateway_discovery_trouble", { route }, one.hasTrouble ? 1 : 0);
    gauge("holdfast_gateway_tls_files_refused", { route }, one.hasTlsTrouble ? 1 : 0);
    gauge(
      "holdfast_gateway_upstream_certificate_expiry_timestamp_seconds",
      { route },
      (one.certificateEndsMs ?? 0) / 1000,
    );
    total("holdfast_gateway_frames_total", { route, direction: "in" }, traffic.in);
    total("holdfast_gateway_frames_total", { route, direction: "out" }, traffic.out);
    for (const state of STATES) {
      const count = endpoints.filter((endpoint) => endpoint.state === state).length;
      gauge("holdfast_gateway_endpoints", { route, state }, count);
    }
    for (const { address: endpoint, connections } of endpoints.slice(0, ENDPOINTS_SHOWN_MAX))
      gauge("holdfast_gateway_endpoint_connections", { route, endpoint }, connections);
  }
}

/** Clients choose codes from 3000 on: each of them would be a series. */
const codeText = (code: number): string =>
  code >= 3000 && code <= 4999 ? `${Math.floor(code / 1000)}xxx` : String(code);

function familiesOf(registry: Registry) {
  const counters = new Map<string, Counter<GatewayLabel>>();
  const gauges = new Map<string, Gauge<GatewayLabel>>();
  const histograms = new Map<string, Histogram<GatewayLabel>>();
  const rows: readonly (readonly [string, GatewayMetricRow])[] = Object.entries(GATEWAY_METRICS);
  for (const [name, { type, labels, help }] of rows) {
    const config = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === "counter") counters.set(name, new Counter(config));
    else if (type === "gauge") gauges.set(name, new Gauge(config));
    else histograms.set(name, new Histogram({ ...config, buckets: SECONDS }));
  }
  /** Labels of every series of a route. */
  const ofRoute = new Map<string, Map<string, readonly [name: string, labels: Labels]>>();
  const remember = (name: string, labels: Labels): void => {
    if (labels.route === undefined) return;
    const known = ofRoute.get(labels.route) ?? new Map();
    known.set(`${name} ${Object.values(labels).join(" ")}`, [name, labels]);
    ofRoute.set(labels.route, known);
  };
  return {
    count(name: GatewayMetricName, labels: Labels = {}, by = 1): void {
      remember(name, labels);
      found(counters, name).inc(labels, by);
    },
    /** A counter whose sum is kept elsewhere. */
    total(name: GatewayMetricName, labels: Labels, sum: number): void {
      remember(name, labels);
      const counter = found(counters, name);
      counter.remove(labels);
      counter.inc(labels, sum);
    },
    gauge: (name: GatewayMetricName, labels: Labels, value: number): void =>
      found(gauges, name).set(labels, value),
    histogram: (name: GatewayMetricName): Histogram<GatewayLabel> => found(histograms, name),
    /** Gauges are written anew: what is gone is not shown. */
    reset(): void {
      for (const gauge of gauges.values()) gauge.reset();
    },
    forget(route: string): void {
      for (const [name, labels] of ofRoute.get(route)?.values() ?? [])
        counters.get(name)?.remove(labels);
      ofRoute.delete(route);
      for (const histogram of histograms.values())
        for (const cause of CAUSES) histogram.remove({ route, cause });
    },
  };
}

function found<T>(families: ReadonlyMap<string, T>, name: string): T {
  const family = families.get(name);
  if (family === undefined) throw new TypeError(`no family ${name} of this type`);
  return family;
}
