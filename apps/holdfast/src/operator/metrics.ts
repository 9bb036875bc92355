// Owns: what counts for the operator's metrics, and their page. The table is the runtime's.
import { SIGNALS } from "@holdfast/operator";
import {
  OPERATOR_METRICS,
  type OperatorEvents,
  type OperatorLabel,
  type OperatorMetricName,
  type OperatorMetricRow,
  type OperatorState,
  type RuntimeEvents,
  type SetGauges,
} from "@holdfast/operator-runtime";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ScalerEvents } from "./scaler/server.ts";

type Labels = Partial<Record<OperatorLabel, string>>;

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const CONDITIONS = ["Settled", "Progressing", "Waiting"] as const;
const RELEASES = ["none", "advancing", "rolling-back"] as const;
const VERDICTS = ["none", "undecided", "good", "bad"] as const;
/** A counter that begins with its first event hides it from `increase`. */
const REASONS: readonly string[] = ["RolledBack", "DeadlineOver"];
const OUTCOMES = ["answered", "unreachable", "refused", "key"] as const;

/** What is shown of a set: gauges are written anew for each page. */
interface Shown {
  gauges?: SetGauges;
  isInvalid: boolean;
  isBlocked: boolean;
  isUnprotected: boolean;
  /** What it was told of. */
  readonly reasons: Set<string>;
}

/** What counts, and the page. */
export interface OperatorMetrics extends ScalerEvents {
  readonly events: OperatorEvents & RuntimeEvents;
  /** `streams`: open on the external scaler; undefined: it does not listen. */
  render(
    state: OperatorState,
    streams?: number,
  ): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createOperatorMetrics(): OperatorMetrics {
  const registry = new Registry();
  const { count, end, gauge, histogram, reset } = familiesOf(registry);
  const sets = new Map<string, Shown>();
  let leads = false;
  const shownOf = (set: string): Shown => {
    const known = sets.get(set);
    if (known !== undefined) return known;
    const no = { isInvalid: false, isBlocked: false, isUnprotected: false };
    const shown = { ...no, reasons: new Set(REASONS) };
    sets.set(set, shown);
    for (const outcome of OUTCOMES) count("holdfast_operator_asked_total", { set, outcome }, 0);
    for (const reason of REASONS) count("holdfast_set_told_total", { set, reason }, 0);
    return shown;
  };
  const forget = (set: string): void => {
    const reasons = sets.get(set)?.reasons;
    if (reasons === undefined) return;
    sets.delete(set);
    for (const outcome of OUTCOMES) end("holdfast_operator_asked_total", { set, outcome });
    for (const reason of reasons) end("holdfast_set_told_total", { set, reason });
  };
  const events: OperatorEvents & RuntimeEvents = {
    reconciled({ set, outcome, tookMs, isBlocked, isUnprotected }) {
      count("holdfast_operator_reconciles_total", { outcome });
      histogram("holdfast_operator_reconcile_seconds").observe(tookMs / 1000);
      // A look may end after the term: another operator shows the set then.
      const isInvalid = outcome === "invalid";
      if (leads) Object.assign(shownOf(set), { isInvalid, isBlocked, isUnprotected });
    },
    acted: (_set, action, outcome) => count("holdfast_operator_actions_total", { action, outcome }),
    asked(set, outcome) {
      if (sets.has(set)) count("holdfast_operator_asked_total", { set, outcome });
    },
    told(set, reason) {
      if (!leads) return;
      shownOf(set).reasons.add(reason);
      count("holdfast_set_told_total", { set, reason });
    },
    figures(set, gauges) {
      if (leads) shownOf(set).gauges = gauges;
    },
    forgotten: forget,
    failed: () => count("holdfast_operator_failures_total"),
    leads() {
      leads = true;
      count("holdfast_operator_terms_total", { event: "began" });
    },
    lost() {
      leads = false;
      count("holdfast_operator_terms_total", { event: "lost" });
      for (const set of [...sets.keys()]) forget(set);
    },
    lease({ type }) {
      if (type === "failed") count("holdfast_operator_lease_failures_total");
    },
    watch: (kind, { type }) => count("holdfast_operator_watches_total", { kind, event: type }),
    noted: ({ type }) => count("holdfast_operator_events_total", { outcome: type }),
    queueFull: () => count("holdfast_operator_queue_full_total"),
  };
  return {
    events,
    scalerCalled: (call, outcome) =>
      count("holdfast_operator_scaler_calls_total", { call, outcome }),
    async render(state, streams) {
      reset();
      gauge("holdfast_operator_scaler_listens", {}, streams === undefined ? 0 : 1);
      gauge("holdfast_operator_scaler_streams", {}, streams ?? 0);
      gauge("holdfast_operator_leads", {}, leads ? 1 : 0);
      showState(state, gauge);
      for (const [set, shown] of sets) showSet(set, shown, gauge);
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

type SetGauge = (name: OperatorMetricName, labels: Labels, value: number) => void;

function showState({ sets, queue, staleMsOf }: OperatorState, gauge: SetGauge): void {
  gauge("holdfast_operator_sets", {}, sets);
  gauge("holdfast_operator_queue_sets", { state: "waiting" }, queue.waiting);
  gauge("holdfast_operator_queue_sets", { state: "working" }, queue.working);
  gauge("holdfast_operator_queue_oldest_seconds", {}, queue.oldestMs / 1000);
  for (const [kind, ms] of Object.entries(staleMsOf))
    gauge("holdfast_operator_watch_stale_seconds", { kind }, ms / 1000);
}

function showSet(set: string, { gauges, ...is }: Shown, gauge: SetGauge): void {
  gauge("holdfast_set_invalid", { set }, is.isInvalid ? 1 : 0);
  gauge("holdfast_set_blocked", { set }, is.isBlocked ? 1 : 0);
  gauge("holdfast_set_unprotected", { set }, is.isUnprotected ? 1 : 0);
  if (gauges === undefined) return;
  gauge("holdfast_set_replicas", { set }, gauges.replicas);
  gauge("holdfast_set_ready_replicas", { set }, gauges.readyReplicas);
  gauge("holdfast_set_desired_replicas", { set }, gauges.desiredReplicas);
  gauge("holdfast_set_connections", { set }, gauges.connections);
  gauge("holdfast_set_draining", { set }, gauges.draining);
  gauge("holdfast_set_draining_connections", { set }, gauges.drainingConnections);
  gauge("holdfast_set_strays", { set }, gauges.strays);
  gauge("holdfast_set_silent", { set }, gauges.silent);
  gauge("holdfast_set_release_share", { set }, gauges.releaseShare);
  gauge("holdfast_set_release_share_wanted", { set }, gauges.releaseShareWanted);
  const choose = (name: OperatorMetricName, all: readonly string[], one: string): void => {
    for (const state of all) gauge(name, { set, state }, state === one ? 1 : 0);
  };
  choose("holdfast_set_condition", CONDITIONS, gauges.condition);
  choose("holdfast_set_release", RELEASES, gauges.release);
  choose("holdfast_set_release_verdict", VERDICTS, gauges.verdict);
  for (const { revision, pods, connections } of gauges.revisions) {
    gauge("holdfast_set_revision_pods", { set, revision }, pods);
    gauge("holdfast_set_revision_connections", { set, revision }, connections);
  }
  for (const side of ["canary", "stable"] as const) {
    const tally = gauges.tallies?.[side];
    if (tally === undefined) continue;
    gauge("holdfast_set_release_connection_minutes", { set, side }, tally.connectionMinutes);
    gauge("holdfast_set_release_resumes", { set, side }, tally.resumes);
    for (const signal of SIGNALS)
      gauge("holdfast_set_release_bad", { set, side, signal }, tally.bad[signal]);
  }
}

function familiesOf(registry: Registry) {
  const counters = new Map<string, Counter<OperatorLabel>>();
  const gauges = new Map<string, Gauge<OperatorLabel>>();
  const histograms = new Map<string, Histogram>();
  const rows: readonly (readonly [string, OperatorMetricRow])[] = Object.entries(OPERATOR_METRICS);
  for (const [name, { type, labels, help }] of rows) {
    const config = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === "counter") counters.set(name, new Counter(config));
    else if (type === "gauge") gauges.set(name, new Gauge(config));
    else histograms.set(name, new Histogram({ ...config, buckets: SECONDS }));
  }
  return {
    histogram: (name: OperatorMetricName): Histogram => found(histograms, name),
    count: (name: OperatorMetricName, labels: Labels = {}, by = 1): void =>
      found(counters, name).inc(labels, by),
    end: (name: OperatorMetricName, labels: Labels): void => found(counters, name).remove(labels),
    gauge: (name: OperatorMetricName, labels: Labels, value: number): void =>
      found(gauges, name).set(labels, value),
    /** Gauges are written anew: what is gone is not shown. */
    reset: (): void => {
      for (const gauge of gauges.values()) gauge.reset();
    },
  };
}

function found<T>(families: ReadonlyMap<string, T>, name: string): T {
  const family = families.get(name);
  if (family === undefined) throw new TypeError(`no family ${name} of this type`);
  return family;
}
