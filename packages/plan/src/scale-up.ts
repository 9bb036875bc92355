// Owns: what happens when one node joins: whether the others give it its share, and how long that
// takes.
import { excessSessions, type NodeFigures, Rebalancer } from "@holdfast/core";
import { NODE_SETTINGS } from "./scenario.ts";

export interface ScaleUp {
  /** Sessions that move to the node that joined. */
  readonly moved: number;
  readonly tookMs: number;
  /** Set-ups a second that reach it. */
  readonly perSecond: number;
  /** Share of the mean that it has in the end. */
  readonly filledShare: number;
}

const TICK_MS = 250;
const ROUNDS_MAX = 20_000;

/**
 * `nodes` nodes that hold `sessions` each, and one more: every tick each of them asks the real rule
 * for its excess, and the real rebalancer how many sessions to move. They are alike, so one is
 * asked for all. Within the tolerance nothing moves: in a fleet of more than ten nodes one more is
 * filled by newcomers and deploys alone.
 */
export function simulateScaleUp(nodes: number, sessions: number): ScaleUp {
  const { rebalanceTolerance, rebalanceSessionsMin, rebalancePerSecond, rebalanceCooldownMs } =
    NODE_SETTINGS;
  const rebalancer = new Rebalancer({
    enabled: true,
    perSecond: rebalancePerSecond,
    cooldownMs: rebalanceCooldownMs,
  });
  let left = Math.round(sessions);
  let joined = 0;
  let endMs = 0;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const nowMs = round * TICK_MS;
    const alike = Array.from({ length: Math.min(nodes - 1, 200) }, (_, index) =>
      figuresOf(`n${index + 1}`, left),
    );
    const excess = excessSessions(figuresOf("n0", left), [...alike, figuresOf("joined", joined)], {
      tolerance: rebalanceTolerance,
      sessionsMin: rebalanceSessionsMin,
    });
    if (excess === 0 && !rebalancer.active) break;
    const due = Math.min(left, rebalancer.due(nowMs, excess));
    if (due === 0) continue;
    // The model's balancer binds nobody: each arrives elsewhere before the next tick.
    for (let moved = 0; moved < due; moved++) rebalancer.moved();
    left -= due;
    joined += due * nodes;
    endMs = nowMs;
  }
  const mean = (sessions * nodes) / (nodes + 1);
  return {
    moved: joined,
    tookMs: endMs,
    perSecond:
      joined === 0
        ? 0
        : Math.min(rebalancePerSecond * nodes, (joined * 1000) / Math.max(1000, endMs)),
    filledShare: mean === 0 ? 1 : joined / mean,
  };
}

function figuresOf(node: string, sessions: number): NodeFigures {
  return {
    node,
    revision: "1",
    state: "ready",
    startedAtMs: 0,
    connections: sessions,
    sessions,
    handshakesPerSecond: 1,
    lagMs: 0,
    memoryBytes: 0,
    brokerOk: true,
  };
}
