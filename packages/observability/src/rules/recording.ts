// Owns: the recording rules: what autoscalers read.
import type { RecordingRule, RuleGroup } from "./rule.ts";

/** 1 for a node that drains, 0 for one that does not; there for every node. */
const DRAINING = `holdfast_node_state{state="draining"}`;

/** What draining nodes have still to hand over: it arrives at the others. */
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
        because: `The demand that nodes which stay have to carry: divide it by the connections that one node should have, and round up (an AverageValue target).
A draining node's connections are not counted as its own: it leaves, and its half-closed and twice-held connections are nobody's demand. The sessions that it has still to
hand over are counted, because they arrive at the others within its window: without them the sum would dip during every deploy, the autoscaler would remove a node, and that
node would drain in turn. A node that died is missing until its clients are back: scale down slowly (a stabilization window above the reconnect window).`,
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
        because: `The same demand for each node, for autoscalers that average over pods: its own connections and an equal share of what draining nodes hand over; 0 for a node that drains.
The sum over all nodes is holdfast:connections:sum as long as one node stays.`,
      },
    ],
  },
];
