// Owns: the recording rules: what autoscalers read.
import type { RecordingRule, RuleGroup } from "./rule.ts";

/** 1 for a node that drains, 0 for one that does not; there for every node. */
const DRAINING = `holdfast_node_state{state="draining"}`;

/** Sessions that draining nodes still hold: they will move to the others. */
const ARRIVING = `holdfast_drain_remaining_sessions * ignoring (state) ${DRAINING}`;

export const RECORDING_GROUPS: readonly RuleGroup<RecordingRule>[] = [
  {
    name: "holdfast-autoscaling",
    rules: [
      {
        record: "holdfast:connections:sum",
        expr: `sum by (namespace, job) (
  holdfast_connections * ignoring (state) (1 - ${DRAINING})
  + ignoring (state)
  ${ARRIVING}
)`,
        because: `The number of connections that the remaining nodes must carry. Divide it by the
connections that one node should have, and round up (an AverageValue target).
It leaves out the draining nodes' own connections: they end, and moving sessions would count twice.
It counts the sessions that draining nodes have still to move, because they arrive at the others.
Without them the sum would fall in every deploy, and the autoscaler would remove a node too early.
If a node dies, its connections are missing until its clients are back. Scale down slowly: make the
stabilization window longer than the reconnect window.`,
      },
      {
        record: "holdfast:connections:pod",
        expr: `(
  holdfast_connections
  + on (namespace, job) group_left ()
  sum by (namespace, job) (${ARRIVING})
  / on (namespace, job)
  clamp_min(sum by (namespace, job) (1 - ${DRAINING}), 1)
) * ignoring (state) (1 - ${DRAINING})`,
        because: `The same for each node, for autoscalers that average over pods: its own connections and
an equal share of the sessions that draining nodes will move. It is 0 for a node that drains.
The sum over all nodes is holdfast:connections:sum while one node stays.`,
      },
    ],
  },
];
