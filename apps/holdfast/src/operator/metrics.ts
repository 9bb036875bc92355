// Owns: the operator's metrics: the table, and what counts them.
import type { OperatorEvents, RuntimeEvents } from "@holdfast/operator-runtime";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

type Label = "set" | "outcome" | "kind" | "state" | "action" | "event";

export interface OperatorMetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly Label[];
  readonly help: string;
}

const row = (
  type: OperatorMetricRow["type"],
  labels: readonly Label[],
  help: string,
): OperatorMetricRow => ({ type, labels, help });

/** `set` is `NAMESPACE/NAME`; its series end when the set does. */
export const OPERATOR_METRICS = {
  holdfast_operator_leads: row("gauge", [], "1 if this operator leads."),
  holdfast_operator_terms_total: row("counter", ["event"], "Terms that began and were lost."),
  holdfast_operator_reconciles_total: row(
    "counter",
    ["outcome"],
    "Looks at sets, by what became of them.",
  ),
  holdfast_operator_reconcile_seconds: row("histogram", [], "How long a look took."),
  holdfast_operator_actions_total: row("counter", ["action"], "Actions that were decided."),
  holdfast_operator_asked_total: row(
    "counter",
    ["outcome"],
    "Questions to data planes, by what became of them.",
  ),
  holdfast_operator_watches_total: row(
    "counter",
    ["kind", "event"],
    "Lists, watches, their ends and failures.",
  ),
  holdfast_operator_failures_total: row("counter", [], "Work that failed and is tried again."),
  holdfast_set_replicas: row("gauge", ["set"], "Pods of the set."),
  holdfast_set_ready_replicas: row("gauge", ["set"], "Pods of the set that are ready."),
  holdfast_set_draining: row("gauge", ["set"], "Pods of the set that drain."),
  holdfast_set_connections: row("gauge", ["set"], "Connections on all pods of the set."),
  holdfast_set_condition: row("gauge", ["set", "state"], "1 for the condition of the set."),
  holdfast_set_release: row("gauge", ["set", "state"], "1 for the state of its release."),
  holdfast_set_release_share: row(
    "gauge",
    ["set"],
    "Share of the connections on the release's new revision, 0 to 1.",
  ),
} as const satisfies Readonly<Record<string, OperatorMetricRow>>;

type Name = keyof typeof OPERATOR_METRICS;

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const CONDITIONS = ["Settled", "Progressing", "Waiting"] as const;
const RELEASES = ["none", "advancing", "rolling-back"] as const;

/** What counts, and the page. */
export interface OperatorMetrics {
  readonly events: OperatorEvents & RuntimeEvents;
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createOperatorMetrics(): OperatorMetrics {
  const registry = new Registry();
  const families = new Map<string, Counter | Gauge | Histogram>();
  for (const [name, { type, labels, help }] of Object.entries(OPERATOR_METRICS)) {
    const config = { name, help, labelNames: [...labels], registers: [registry] };
    const family =
      type === "counter"
        ? new Counter(config)
        : type === "gauge"
          ? new Gauge(config)
          : new Histogram({ ...config, buckets: SECONDS });
    families.set(name, family);
  }
  const count = (name: Name, labels: Partial<Record<Label, string>> = {}): void =>
    (families.get(name) as Counter<Label>).inc(labels);
  const gauge = (name: Name): Gauge<Label> => families.get(name) as Gauge<Label>;
  const setGauges = Object.keys(OPERATOR_METRICS).filter((name) =>
    name.startsWith("holdfast_set_"),
  ) as Name[];
  const choose = (name: Name, set: string, all: readonly string[], one: string): void => {
    for (const state of all) gauge(name).set({ set, state }, state === one ? 1 : 0);
  };
  return {
    events: {
      reconciled({ outcome, actions, tookMs }) {
        count("holdfast_operator_reconciles_total", { outcome });
        (families.get("holdfast_operator_reconcile_seconds") as Histogram).observe(tookMs / 1000);
        for (const action of actions) count("holdfast_operator_actions_total", { action });
      },
      asked: (_set, outcome) => count("holdfast_operator_asked_total", { outcome }),
      told: () => {},
      figures(set, figures) {
        gauge("holdfast_set_replicas").set({ set }, figures.replicas);
        gauge("holdfast_set_ready_replicas").set({ set }, figures.readyReplicas);
        gauge("holdfast_set_draining").set({ set }, figures.draining);
        gauge("holdfast_set_connections").set({ set }, figures.connections);
        gauge("holdfast_set_release_share").set({ set }, figures.releaseShare);
        choose("holdfast_set_condition", set, CONDITIONS, figures.condition);
        choose("holdfast_set_release", set, RELEASES, figures.release);
      },
      forgotten(set) {
        for (const name of setGauges) {
          const states = name.endsWith("condition")
            ? CONDITIONS
            : name.endsWith("release")
              ? RELEASES
              : undefined;
          if (states === undefined) gauge(name).remove({ set });
          else for (const state of states) gauge(name).remove({ set, state });
        }
      },
      failed: () => count("holdfast_operator_failures_total"),
      leads() {
        gauge("holdfast_operator_leads").set(1);
        count("holdfast_operator_terms_total", { event: "began" });
      },
      lost() {
        gauge("holdfast_operator_leads").set(0);
        count("holdfast_operator_terms_total", { event: "lost" });
      },
      watch: (kind, { type }) => count("holdfast_operator_watches_total", { kind, event: type }),
    },
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
