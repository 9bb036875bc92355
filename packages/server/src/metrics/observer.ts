// Owns: the engine's observer as counts. Hot calls touch cells that were found beforehand.
import type { Observer } from "@holdfast/core";
import { DELIVERY_CLASSES, type DeliveryClass, type ExperienceCounts } from "@holdfast/protocol";
import type { Cell, HistogramCell } from "./cells.ts";
import type { Families } from "./families.ts";
import type { MetricName } from "./table.ts";

const NONE = "none";

/**
 * Counts everything that engines tell. Never throws; `delivered` and `published` cost some ten
 * nanoseconds.
 */
export function createMetricsObserver(families: Families): Observer {
  const add = (name: MetricName, count: number, ...labels: readonly string[]): void => {
    families.number(name).cell(...labels).value += count;
  };
  const time = (name: MetricName, value: number, ...labels: readonly string[]): void =>
    families
      .histogram(name)
      .cell(...labels)
      .observe(value);
  initialise(families);
  const classes = hotCells(families);
  return {
    handshake(outcome, code, ms) {
      add("holdfast_handshakes_total", 1, outcome, code ?? NONE);
      time("holdfast_handshake_seconds", ms, outcome);
    },
    ended({ code, connectedMs }) {
      add("holdfast_connections_ended_total", 1, code ?? NONE);
      time("holdfast_connection_seconds", connectedMs);
    },
    published(cls, outcome, ms) {
      const hot = classes[cls];
      if (outcome === "ok") hot.ok.value += 1;
      else add("holdfast_publishes_total", 1, cls, outcome);
      hot.publish.observe(ms);
    },
    delivered(cls, count, ms) {
      const hot = classes[cls];
      hot.deliveries.value += count;
      hot.latency.observe(ms, count);
    },
    slowConsumer: (policy) => add("holdfast_slow_consumers_total", 1, policy),
    recovered(outcome, count) {
      add("holdfast_recoveries_total", 1, outcome);
      time("holdfast_recovered_publications", count, outcome);
    },
    gap(reason, count) {
      add("holdfast_gaps_total", 1, reason);
      add("holdfast_gap_publications_total", count, reason);
    },
    hole(outcome, count) {
      add("holdfast_holes_total", 1, outcome);
      add("holdfast_hole_publications_total", count, outcome);
    },
    overShare: (what) => add("holdfast_over_share_total", 1, what),
    held: (why) => add("holdfast_held_total", 1, why),
    taps: (count) => add("holdfast_taps", count),
    tapFailed: (why) => add("holdfast_tap_failures_total", 1, why),
    authFailed: (code) => add("holdfast_auth_failures_total", 1, code),
    requestFailed: (code) => add("holdfast_request_failures_total", 1, code),
    rpc(method, outcome, ms) {
      add("holdfast_rpcs_total", 1, method, outcome);
      time("holdfast_rpc_seconds", ms, method);
    },
    experienced(counts) {
      add("holdfast_client_reports_total", 1);
      for (const [member, name] of Object.entries(REPORTED))
        add(name, bounded(counts[member as keyof typeof REPORTED]));
      const resumeMs = bounded(counts.resumeMsMax);
      if (resumeMs > 0) time("holdfast_client_resume_seconds", resumeMs);
    },
    rebalanced: (count) => add("holdfast_rebalanced_sessions_total", count),
    cameBack: (why) => add("holdfast_moves_returned_total", 1, why),
    nodeChanged: (_node, change) => add("holdfast_node_changes_total", 1, change),
    drainStep: (step, count) => add("holdfast_drain_steps_total", count, step),
    shedStep: (step, count) =>
      add("holdfast_shed_steps_total", step === "migrate" ? count : 1, step),
    ordered: (order, outcome) => add("holdfast_orders_total", 1, order, outcome),
    leaseRenewed: (outcome) => add("holdfast_presence_renewals_total", 1, outcome),
    bug: (where) => add("holdfast_bugs_total", 1, where),
  };
}

const REPORTED = {
  reconnects: "holdfast_client_reconnects_total",
  migrations: "holdfast_client_migrations_total",
  duplicates: "holdfast_client_duplicates_total",
  gaps: "holdfast_client_gaps_total",
  lost: "holdfast_client_lost_total",
  undeclared: "holdfast_client_undeclared_total",
} as const satisfies Partial<Record<keyof ExperienceCounts, MetricName>>;

/** Bounds on a client's own figures: a false report can add no more than this. */
const REPORTED_MAX = 1e6;
const bounded = (value: number): number => (value > 0 ? Math.min(value, REPORTED_MAX) : 0);

interface HotCells {
  readonly ok: Cell;
  readonly publish: HistogramCell;
  readonly deliveries: Cell;
  readonly latency: HistogramCell;
}

function hotCells(families: Families): Readonly<Record<DeliveryClass, HotCells>> {
  const make = (cls: DeliveryClass): HotCells => ({
    ok: families.number("holdfast_publishes_total").cell(cls, "ok"),
    publish: families.histogram("holdfast_publish_seconds").cell(cls),
    deliveries: families.number("holdfast_deliveries_total").cell(cls),
    latency: families.histogram("holdfast_delivery_latency_seconds").cell(cls),
  });
  return {
    volatile: make("volatile"),
    latest: make("latest"),
    ordered: make("ordered"),
    durable: make("durable"),
  };
}

/**
 * Series whose labels are known from the start begin at 0, so that a rate sees their first event.
 */
function initialise(families: Families): void {
  const known: { readonly [N in MetricName]?: readonly (readonly string[])[] } = {
    holdfast_handshakes_total: [
      ...["connected", "resumed", "moved"].map((outcome) => [outcome, NONE]),
      ...["try_later", "draining", "connection_limit", "token_invalid", "token_expired"].map(
        (code) => ["refused", code],
      ),
    ],
    holdfast_over_share_total: [
      ["newcomers"],
      ["resumes"],
      ["published"],
      ["channels"],
      ["held"],
      ["kept"],
    ],
    holdfast_taps: [[]],
    holdfast_tap_failures_total: [["refused"], ["gap"], ["rejected"], ["late"]],
    holdfast_held_total: [["room"], ["budget"]],
    holdfast_sockets_refused_total: [["full"], ["origin"], ["not_websocket"], ["upgrade_failed"]],
    holdfast_forwarded_unread_total: [["untrusted"], ["unreadable"]],
    holdfast_auth_failures_total: [
      ["token_invalid"],
      ["token_expired"],
      ["resume_rejected"],
      ["try_later"],
    ],
    holdfast_connections_ended_total: [[NONE], ["slow_consumer"], ["idle_timeout"], ["draining"]],
    holdfast_publishes_total: DELIVERY_CLASSES.flatMap((cls) => [
      [cls, "ok"],
      [cls, "duplicate"],
    ]),
    holdfast_slow_consumers_total: [["disconnect"], ["drop"], ["conflate"], ["catch-up"]],
    holdfast_recoveries_total: [["full"], ["gap"]],
    holdfast_gaps_total: [["history"], ["epoch"], ["dropped"]],
    holdfast_gap_publications_total: [["history"], ["epoch"], ["dropped"]],
    holdfast_holes_total: [["repaired"], ["declared"]],
    holdfast_hole_publications_total: [["repaired"], ["declared"]],
    holdfast_drain_steps_total: [
      ["started"],
      ["migrate"],
      ["goodbye"],
      ["cut"],
      ["finished"],
      ["undone"],
    ],
    holdfast_shed_steps_total: [["started"], ["migrate"], ["reached"], ["over"], ["undone"]],
    holdfast_orders_total: ["drain", "undrain", "shed"].flatMap((order) => [
      [order, "obeyed"],
      [order, "refused"],
      [order, "expired"],
    ]),
    holdfast_jwks_fetches_total: [["ok"], ["failed"]],
    holdfast_presence_renewals_total: [["ok"], ["late"], ["failed"]],
    holdfast_moves_returned_total: [["rebalance"], ["drain"], ["turned_away"]],
    holdfast_node_changes_total: [["joined"], ["left"], ["died"]],
  };
  for (const [name, rows] of Object.entries(known)) {
    for (const labels of rows) families.number(name as MetricName).cell(...labels);
  }
  for (const outcome of ["connected", "resumed", "moved", "refused"])
    families.histogram("holdfast_handshake_seconds").cell(outcome);
  for (const outcome of ["full", "gap"])
    families.histogram("holdfast_recovered_publications").cell(outcome);
}
