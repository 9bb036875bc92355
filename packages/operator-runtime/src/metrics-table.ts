// Owns: the table of the operator's metrics. Nothing here counts: the program does.

export const OPERATOR_LABELS = {
  set: "`NAMESPACE/NAME` of a RealtimeSet",
  event: "terms: `began`, `lost`; watches: `listed`, `watching`, `ended`, `failed`, `threw`",
  outcome:
    "looks: `done`, `overtaken`, `not-leading`, `failed`, `invalid`; actions: `done`, `unanswered`, `overtaken`, `failed`; questions: `answered`, `unreachable`, `refused`, `key`; Events: `written`, `counted`, `limited`, `dropped`, `failed`; calls: `answered`, or a code of gRPC such as `not-found`",
  action: "the kinds of actions in packages/operator",
  kind: "`sets`, `pods`, `replicasets`, `releases`, `budgets`, `machines`",
  state:
    "condition: `Settled`, `Progressing`, `Waiting`; release: `none`, `advancing`, `rolling-back`; verdict: `none`, `undecided`, `good`, `bad`; queue: `waiting`, `working`",
  revision: "the hash of a pod template",
  reason: "the reasons of Events about a set",
  side: "`canary`: the new revision; `stable`: the old one",
  call: "the calls of KEDA's external scaler, such as `GetMetrics`",
  signal: "`crashes`, `lost`, `slow`, `resumesFailed`, `closedAbnormally`",
} as const;

export type OperatorLabel = keyof typeof OPERATOR_LABELS;

export interface OperatorMetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly OperatorLabel[];
  readonly help: string;
}

const row = (
  type: OperatorMetricRow["type"],
  labels: readonly OperatorLabel[],
  help: string,
): OperatorMetricRow => ({ type, labels, help });

/** Series with a `set` are there while this operator leads and the set exists. */
export const OPERATOR_METRICS = {
  holdfast_operator_leads: row("gauge", [], "1 if this operator leads."),
  holdfast_operator_terms_total: row("counter", ["event"], "Terms that began and were lost."),
  holdfast_operator_lease_failures_total: row(
    "counter",
    [],
    "Tries to take or renew the Lease that failed.",
  ),
  holdfast_operator_sets: row("gauge", [], "RealtimeSets that this operator knows."),
  holdfast_operator_queue_sets: row(
    "gauge",
    ["state"],
    "Sets that are due and wait for a worker, and those that are worked on.",
  ),
  holdfast_operator_queue_oldest_seconds: row(
    "gauge",
    [],
    "How long the oldest look that runs has taken so far. 0: none runs.",
  ),
  holdfast_operator_queue_full_total: row(
    "counter",
    [],
    "Sets that the queue did not take: it holds 10,000.",
  ),
  holdfast_operator_reconciles_total: row(
    "counter",
    ["outcome"],
    "Looks at sets, by what became of them.",
  ),
  holdfast_operator_reconcile_seconds: row("histogram", [], "How long a look took."),
  holdfast_operator_actions_total: row(
    "counter",
    ["action", "outcome"],
    "Actions that were tried, by what became of them. `unanswered`: an order that the data plane did not take; it is given again.",
  ),
  holdfast_operator_asked_total: row(
    "counter",
    ["set", "outcome"],
    "Questions to data planes, by what became of them. `key`: the API key was refused, or its Secret cannot be read.",
  ),
  holdfast_operator_watches_total: row(
    "counter",
    ["kind", "event"],
    "Lists, watches, their ends and failures.",
  ),
  holdfast_operator_watch_stale_seconds: row(
    "gauge",
    ["kind"],
    "Time since the API server was heard of, by the quietest watch of the kind. +Inf: never.",
  ),
  holdfast_operator_events_total: row(
    "counter",
    ["outcome"],
    "Events of Kubernetes, by what became of them. `counted`: a repetition. `limited`: too many of one object. `dropped`: 200 waited.",
  ),
  holdfast_operator_failures_total: row("counter", [], "Work that failed and is tried again."),
  holdfast_operator_scaler_listens: row(
    "gauge",
    [],
    "1 if KEDA's external scaler listens: it does on the operator that leads, if it is on.",
  ),
  holdfast_operator_scaler_calls_total: row(
    "counter",
    ["call", "outcome"],
    "Calls of KEDA's external scaler, by what became of them.",
  ),
  holdfast_operator_scaler_streams: row(
    "gauge",
    [],
    "Streams that are open on KEDA's external scaler.",
  ),
  holdfast_set_told_total: row("counter", ["set", "reason"], "What people were told of the set."),
  holdfast_set_replicas: row("gauge", ["set"], "Pods of the set."),
  holdfast_set_ready_replicas: row("gauge", ["set"], "Pods of the set that are ready."),
  holdfast_set_desired_replicas: row("gauge", ["set"], "Pods that are wished."),
  holdfast_set_connections: row("gauge", ["set"], "Connections on all pods of the set."),
  holdfast_set_draining: row("gauge", ["set"], "Pods of the set that drain."),
  holdfast_set_draining_connections: row(
    "gauge",
    ["set"],
    "Connections that are left on pods that drain.",
  ),
  holdfast_set_silent: row(
    "gauge",
    ["set"],
    "Pods that run, and whose data plane has not answered for 10 s.",
  ),
  holdfast_set_invalid: row(
    "gauge",
    ["set"],
    "1 if nothing is decided: the operator cannot read the object, or no pod can be made of a new set's template.",
  ),
  holdfast_set_blocked: row("gauge", ["set"], "1 if ten writes in a row were refused."),
  holdfast_set_unprotected: row(
    "gauge",
    ["set"],
    "1 if no PodDisruptionBudget keeps its pods from being evicted: it is refused.",
  ),
  holdfast_set_strays: row(
    "gauge",
    ["set"],
    "Pods that have the set's label for a minute and none of its ReplicaSets. Nobody drains them.",
  ),
  holdfast_set_condition: row("gauge", ["set", "state"], "1 for the condition of the set."),
  holdfast_set_revision_pods: row("gauge", ["set", "revision"], "Pods of the revision."),
  holdfast_set_revision_connections: row(
    "gauge",
    ["set", "revision"],
    "Connections on the pods of the revision.",
  ),
  holdfast_set_release: row("gauge", ["set", "state"], "1 for the state of its release."),
  holdfast_set_release_share: row(
    "gauge",
    ["set"],
    "Share of the connections on the release's new revision, 0 to 1.",
  ),
  holdfast_set_release_share_wanted: row(
    "gauge",
    ["set"],
    "The share that the release's step is meant to have, 0 to 1.",
  ),
  holdfast_set_release_verdict: row("gauge", ["set", "state"], "1 for the verdict of the release."),
  holdfast_set_release_connection_minutes: row(
    "gauge",
    ["set", "side"],
    "Connection-minutes since the step of the release began.",
  ),
  holdfast_set_release_resumes: row(
    "gauge",
    ["set", "side"],
    "Resumes that were tried since the step of the release began.",
  ),
  holdfast_set_release_bad: row(
    "gauge",
    ["set", "side", "signal"],
    "Bad connection-minutes since the step of the release began. Of `resumesFailed`: resumes.",
  ),
} as const satisfies Readonly<Record<string, OperatorMetricRow>>;

export type OperatorMetricName = keyof typeof OPERATOR_METRICS;
