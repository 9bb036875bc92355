// Owns: the dashboard about the operator's sets: who is hurt, how releases and drains go, and how
// the operator itself fares.
import { area, type DashboardSpec, figure, line } from "./dashboard.ts";
import { counted, of } from "./queries.ts";

/** A metric of the chosen sets. Only the operator that leads has them. */
const ofSet = (metric: string, matchers = ""): string =>
  `${metric}{set=~"$set"${matchers === "" ? "" : `,${matchers}`}}`;
const most = (metric: string, labels: string, matchers = ""): string =>
  `max by (${labels}) (${ofSet(metric, matchers)})`;
/** Sets that are in a state now. 0, if there are none. */
const setsIn = (metric: string, state: string): string =>
  `sum(${most(metric, "set", `state="${state}"`)})`;
/** Of all operators: which one leads does not matter. */
const perSecond = (metric: string, labels: string): string =>
  `sum by (${labels}) (rate(${metric}[$__rate_interval]))`;
const BAD = "holdfast_set_release_bad";
// What is bad is counted at once, and its minute as it goes by: the verdict, too, takes 1 at most.
const share = (bad: string, of: string): string =>
  `max by (set, side, signal) (clamp_max(${bad} / on (namespace, job, instance, set, side) group_left () (${of} > 0), 1))`;

export const OPERATOR: DashboardSpec = {
  uid: "holdfast-operator",
  title: "Holdfast / Operator: releases and drains",
  description:
    "Whether anybody is hurt, which share is on which revision, drains, verdicts, and the operator itself. Namespace and job are those of the nodes.",
  about: "sets",
  rows: [
    {
      title: "Is anybody hurt?",
      panels: [
        figure("Cut at a deadline", {
          description:
            "Sessions of the chosen nodes, within the shown time, that had not left when a drain's window ended.",
          unit: "none",
          queries: [
            {
              expr: `sum(${counted("holdfast_drain_steps_total", `step="cut"`)})`,
              legend: "sessions",
            },
          ],
          thresholds: { bad: 1 },
          alert: "HoldfastDrainCutSessions",
        }),
        figure("Lost without a word", {
          description:
            "Holes within the shown time that clients of the chosen nodes saw and no gap declared. Anything above 0 is a bug.",
          unit: "none",
          queries: [
            { expr: `sum(${counted("holdfast_client_undeclared_total")})`, legend: "holes" },
          ],
          thresholds: { bad: 1 },
          alert: "HoldfastUndeclaredLoss",
        }),
        figure("Releases that go back", {
          description: "Sets whose release is being rolled back now.",
          unit: "none",
          queries: [{ expr: setsIn("holdfast_set_release", "rolling-back"), legend: "sets" }],
          thresholds: { bad: 1 },
          alert: "HoldfastReleaseRolledBack",
        }),
        figure("Sets that wait", {
          description:
            "Sets where nothing moves until a person or the cluster does something. kubectl get rts -o wide says for what.",
          unit: "none",
          queries: [{ expr: setsIn("holdfast_set_condition", "Waiting"), legend: "sets" }],
          thresholds: { bad: 1 },
          alert: "HoldfastSetWaiting",
        }),
        figure("Pods that do not answer", {
          description:
            "Pods that run, and whose data plane has not answered the operator for 10 s. They take no orders.",
          unit: "none",
          queries: [{ expr: `sum(${most("holdfast_set_silent", "set")})`, legend: "pods" }],
          thresholds: { bad: 1 },
          alert: "HoldfastSetPodsSilent",
        }),
        figure("Operators that lead", {
          description: "If it is 0, nothing new begins. What began ends by itself.",
          unit: "none",
          queries: [{ expr: "sum(holdfast_operator_leads)", legend: "lead" }],
          thresholds: { bad: 1, below: true },
          alert: "HoldfastOperatorNoLeader",
        }),
      ],
    },
    {
      title: "Releases",
      panels: [
        area("Connections by revision", {
          description:
            "People move from the layer of the old revision to the new one's. The sum should stay.",
          unit: "short",
          queries: [
            {
              expr: most("holdfast_set_revision_connections", "set, revision"),
              legend: "{{set}} {{revision}}",
            },
          ],
        }),
        line("Share of the new revision", {
          description:
            "Of the live connections: what is, and what the step is meant to have. It falls to 0 in a rollback.",
          unit: "percentunit",
          queries: [
            { expr: most("holdfast_set_release_share", "set"), legend: "{{set}}" },
            { expr: most("holdfast_set_release_share_wanted", "set"), legend: "{{set}} wanted" },
          ],
          max: 1,
          alert: "HoldfastReleaseRolledBack",
        }),
        area("Pods by revision", {
          description: "Pods of each revision, those that drain included.",
          unit: "none",
          queries: [
            {
              expr: most("holdfast_set_revision_pods", "set, revision"),
              legend: "{{set}} {{revision}}",
            },
          ],
        }),
        line("What is bad, canary beside stable", {
          description:
            "Share of the connection-minutes since the step began that were bad. The verdict compares the two sides of a signal. The text of the verdict is in the set's status.",
          unit: "percentunit",
          queries: [
            {
              expr: share(
                ofSet(BAD, `signal!="resumesFailed"`),
                ofSet("holdfast_set_release_connection_minutes"),
              ),
              legend: "{{set}} {{signal}} {{side}}",
            },
            {
              expr: share(
                ofSet(BAD, `signal="resumesFailed"`),
                ofSet("holdfast_set_release_resumes"),
              ),
              legend: "{{set}} {{signal}} {{side}}",
            },
          ],
          max: 1,
          alert: "HoldfastReleaseRolledBack",
        }),
        line("Connection-minutes of the step", {
          description:
            "What the verdict is made from, since the step began. A small canary needs longer for as many.",
          unit: "short",
          queries: [
            {
              expr: most("holdfast_set_release_connection_minutes", "set, side"),
              legend: "{{set}} {{side}}",
            },
          ],
        }),
        line("Verdict", {
          description: "1 while it holds. none: no release is judged.",
          unit: "none",
          queries: [
            {
              expr: most("holdfast_set_release_verdict", "set, state", `state!="none"`),
              legend: "{{set}} {{state}}",
            },
          ],
          max: 1,
          alert: "HoldfastReleaseRolledBack",
        }),
      ],
    },
    {
      title: "Drains and pods",
      panels: [
        line("Pods", {
          description: "Pods of each set: wished and ready.",
          unit: "none",
          queries: [
            { expr: most("holdfast_set_desired_replicas", "set"), legend: "{{set}} wished" },
            { expr: most("holdfast_set_ready_replicas", "set"), legend: "{{set}} ready" },
            { expr: most("holdfast_set_replicas", "set"), legend: "{{set}} all" },
          ],
        }),
        line("Pods that drain", {
          description: "Pods that were told to drain and are not empty yet, or are about to go.",
          unit: "none",
          queries: [{ expr: most("holdfast_set_draining", "set"), legend: "{{set}}" }],
        }),
        line("Connections left on pods that drain", {
          description: "Each drain is a line down to 0.",
          unit: "short",
          queries: [{ expr: most("holdfast_set_draining_connections", "set"), legend: "{{set}}" }],
        }),
        line("What each set does", {
          description:
            "1 for the condition. Waiting: nothing moves until a person or the cluster does something.",
          unit: "none",
          queries: [
            {
              expr: most("holdfast_set_condition", "set, state", `state!="Settled"`),
              legend: "{{set}} {{state}}",
            },
          ],
          width: 6,
          max: 1,
          alert: "HoldfastSetWaiting",
        }),
        line("Sets that are blocked", {
          description: "1 if ten writes in a row were refused. An Event Blocked names the action.",
          unit: "none",
          queries: [{ expr: most("holdfast_set_blocked", "set"), legend: "{{set}}" }],
          width: 6,
          max: 1,
          alert: "HoldfastSetBlocked",
        }),
        line("Sets that cannot be read", {
          description:
            "1 if the object breaks a rule, or no pod can be made of a new set, and so nothing is decided.",
          unit: "none",
          queries: [{ expr: most("holdfast_set_invalid", "set"), legend: "{{set}}" }],
          width: 6,
          max: 1,
          alert: "HoldfastSetInvalid",
        }),
        line("What people were told", {
          description: "Events about sets, by reason.",
          unit: "none",
          queries: [
            {
              expr: `sum by (set, reason) (increase(${ofSet("holdfast_set_told_total")}[$__rate_interval]))`,
              legend: "{{set}} {{reason}}",
            },
          ],
          width: 6,
        }),
        line("Sets without a budget", {
          description: "1 if no PodDisruptionBudget keeps their pods from being evicted.",
          unit: "none",
          queries: [{ expr: most("holdfast_set_unprotected", "set"), legend: "{{set}}" }],
          width: 12,
          max: 1,
          alert: "HoldfastSetUnprotected",
        }),
        line("Stray pods", {
          description: "Pods that have a set's label and none of its ReplicaSets.",
          unit: "none",
          queries: [{ expr: most("holdfast_set_strays", "set"), legend: "{{set}}" }],
          width: 12,
          alert: "HoldfastSetStrayPods",
        }),
      ],
    },
    {
      title: "The operator",
      panels: [
        line("Who leads", {
          description: "1 for the operator that holds the Lease.",
          unit: "none",
          queries: [
            { expr: "max by (instance) (holdfast_operator_leads)", legend: "{{instance}}" },
          ],
          max: 1,
          alert: "HoldfastOperatorNoLeader",
        }),
        line("Looks by outcome", {
          description:
            "Each set is looked at once a second. overtaken: somebody wrote first, and it decides anew.",
          unit: "cps",
          queries: [
            {
              expr: perSecond("holdfast_operator_reconciles_total", "outcome"),
              legend: "{{outcome}}",
            },
          ],
        }),
        line("How long a look takes", {
          description: "With the writes that follow from it.",
          unit: "s",
          queries: [0.5, 0.99].map((q) => ({
            expr: `histogram_quantile(${q}, ${perSecond("holdfast_operator_reconcile_seconds_bucket", "le")})`,
            legend: `p${q * 100}`,
          })),
        }),
        line("Actions", {
          description:
            "unanswered: an order that the data plane did not take; it is given again. overtaken: somebody wrote first.",
          unit: "cps",
          queries: [
            {
              expr: perSecond("holdfast_operator_actions_total", "action, outcome"),
              legend: "{{action}} {{outcome}}",
            },
          ],
          alert: "HoldfastSetBlocked",
        }),
        line("Questions to data planes", {
          description:
            "key: the API key was refused, or its Secret cannot be read. unreachable: nobody answered within 3 s.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (outcome) (rate(${ofSet("holdfast_operator_asked_total")}[$__rate_interval]))`,
              legend: "{{outcome}}",
            },
          ],
          alert: "HoldfastSetKeyRefused",
        }),
        line("Silence of watches", {
          description:
            "Time since the API server was heard of. It sends a bookmark each minute. After 130 s the watch begins anew.",
          unit: "s",
          queries: [
            { expr: "max by (kind) (holdfast_operator_watch_stale_seconds)", legend: "{{kind}}" },
          ],
          thresholds: { bad: 300 },
          alert: "HoldfastOperatorWatchStale",
        }),
        line("Sets in the queue", {
          description: "Sets that are due and wait for a worker, and those that are worked on.",
          unit: "none",
          queries: [
            { expr: "sum by (state) (holdfast_operator_queue_sets)", legend: "{{state}}" },
            { expr: "max(holdfast_operator_queue_oldest_seconds)", legend: "oldest look, seconds" },
          ],
        }),
        line("Events of Kubernetes", {
          description:
            "By what became of them. dropped and failed: people were not told. The status says it all the same.",
          unit: "cps",
          queries: [
            { expr: perSecond("holdfast_operator_events_total", "outcome"), legend: "{{outcome}}" },
          ],
        }),
        line("Failures", {
          description:
            "Work that failed and is tried again, and tries to renew the Lease that failed. The log says why.",
          unit: "cps",
          queries: [
            {
              expr: "sum(rate(holdfast_operator_failures_total[$__rate_interval]))",
              legend: "work",
            },
            {
              expr: "sum(rate(holdfast_operator_lease_failures_total[$__rate_interval]))",
              legend: "lease",
            },
            {
              expr: "sum(rate(holdfast_operator_queue_full_total[$__rate_interval]))",
              legend: "queue full",
            },
          ],
        }),
      ],
    },
    {
      title: "On the nodes",
      panels: [
        area("Connections of nodes by revision", {
          description: "As the chosen nodes count them, also if no operator runs.",
          unit: "short",
          queries: [
            {
              expr: `sum by (revision) (${of("holdfast_connections")} * on (namespace, job, instance) group_left (revision) ${of("holdfast_build_info")})`,
              legend: "{{revision}}",
            },
          ],
        }),
        line("Sessions that came back instead of moving", {
          description:
            "rebalance, drain: they reached the node that they were on. Many: the Service selects pods that should not receive.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (reason) (rate(${of("holdfast_moves_returned_total")}[$__rate_interval]))`,
              legend: "{{reason}}",
            },
          ],
        }),
        line("Bad connection-minutes", {
          description: "What clients felt, by signal, on all chosen nodes.",
          unit: "cps",
          queries: [
            {
              expr: `sum by (signal) (rate(${of("holdfast_bad_connection_minutes_total")}[$__rate_interval]))`,
              legend: "{{signal}}",
            },
          ],
        }),
      ],
    },
  ],
};
