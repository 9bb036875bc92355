// Owns: alerts about draining nodes (H6).
import { AT_NODE } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const DRAIN_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastDrainStuck",
    severity: "critical",
    // A client moves in less than a second: at any pace, few sessions were asked and are still
    // here.
    expr: `holdfast_drain_asked_sessions >= 10
and
holdfast_drain_asked_sessions > 0.1 * holdfast_drain_sessions`,
    for: "20s",
    summary: "Sessions do not leave a draining Holdfast node",
    description: `{{ $value }} sessions of ${AT_NODE} were asked to move and are still there. At the end of the drain's window they are cut.`,
  },
  {
    name: "HoldfastDrainCutSessions",
    severity: "warning",
    expr: `increase(holdfast_drain_steps_total{step="cut"}[15m]) > 0`,
    summary: "A drain of a Holdfast node cut sessions",
    description: `About {{ $value | printf "%.0f" }} sessions had not left ${AT_NODE} when the drain's window ended. The node closed them, and they come back by themselves.`,
  },
  {
    name: "HoldfastDrainForgotten",
    severity: "warning",
    expr: `holdfast_node_state{state="draining"} == 1 and ignoring (state) holdfast_drain_remaining_sessions == 0`,
    for: "30m",
    summary: "A drained Holdfast node was left standing",
    description: `${AT_NODE} has had no sessions for half an hour and accepts no clients. An order drained it, and it was neither ended nor undrained.`,
  },
];
