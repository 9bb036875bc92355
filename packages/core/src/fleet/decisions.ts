// Owns: what follows for one node from what it knows of all: pure functions, the same on every node.
import type { NodeFigures } from "./view.ts";

/** Whether sessions can be sent there. */
export const takesSessions = ({ state, brokerOk }: NodeFigures): boolean => state === "ready" && brokerOk;

/** A of those who would take a node's sessions in: its own when it is alone, because then it takes them back itself. */
export function takersCapacity(own: number, others: readonly NodeFigures[]): number {
  const taken = others.filter(takesSessions).reduce((sum, { handshakesPerSecond }) => sum + handshakesPerSecond, 0);
  return taken > 0 ? taken : own;
}

/** This node's part of what all draining nodes together may move: in proportion to what each still holds (rule 3). */
export function drainShare(remaining: number, others: readonly NodeFigures[]): number {
  const elsewhere = others.reduce((sum, { draining }) => sum + (draining?.remaining ?? 0), 0);
  return remaining <= 0 ? 0 : remaining / (remaining + elsewhere);
}

/** Whether a node that takes sessions in is late: drains go slower then. */
export const takersPressed = (others: readonly NodeFigures[], lagMsMax: number): boolean =>
  others.some((node) => takesSessions(node) && node.lagMs > lagMsMax);

/**
 * Whether a newer revision can take what moves. The newest revision is the one whose first node started last. A node of an older one turns moving
 * sessions away then, which lose nothing by it: their old connection stays until a better place is found.
 */
export function newerRevisionReady(self: NodeFigures, others: readonly NodeFigures[]): boolean {
  const age = agesOf(self, others);
  return others.some((node) => takesSessions(node) && age(node) > age(self));
}

/** Nodes this far above the mean of those that could take sessions get hardly any from a balancer that looks at connections. */
const LIKELY_SHARE = 0.1;
const LIKELY_SESSIONS = 20;

/**
 * Who takes what this node moves away: the ready nodes; while there are ready nodes of a newer revision, those of the newest alone, because the others turn moving sessions away; and of these
 * the ones with few sessions, because that is where a balancer sends newcomers. A drain that counted the others' A as well would send these more than they can take.
 */
export function takersOfMoves(self: NodeFigures, others: readonly NodeFigures[]): readonly NodeFigures[] {
  const age = agesOf(self, others);
  const takers = others.filter(takesSessions);
  const newest = takers.reduce((latest, node) => Math.max(latest, age(node)), age(self));
  const willing = newest > age(self) ? takers.filter((node) => age(node) === newest) : takers;
  const mean = willing.reduce((sum, { sessions }) => sum + sessions, 0) / willing.length;
  return willing.filter(({ sessions }) => sessions <= mean * (1 + LIKELY_SHARE) + LIKELY_SESSIONS);
}

/** When the first node of each node's revision started: the greatest is the newest revision. */
function agesOf(self: NodeFigures, others: readonly NodeFigures[]): (node: NodeFigures) => number {
  const firstStart = new Map<string, number>();
  for (const { revision, startedAtMs } of [self, ...others]) {
    firstStart.set(revision, Math.min(firstStart.get(revision) ?? Number.POSITIVE_INFINITY, startedAtMs));
  }
  return ({ revision }) => firstStart.get(revision) ?? 0;
}

export interface RebalanceRule {
  /** Share above the mean that is let be. */
  readonly tolerance: number;
  /** Differences below this many sessions are let be. */
  readonly sessionsMin: number;
}

/**
 * Sessions that this node should give away to come down to the mean of the ready nodes; 0 when it is within the tolerance (rule 8), and while any node drains: that fills the emptier nodes
 * by itself, and whoever evens out beside it moves sessions twice.
 */
export function excessSessions(self: NodeFigures, others: readonly NodeFigures[], rule: RebalanceRule): number {
  const takers = others.filter(takesSessions);
  if (takers.length === 0 || self.state !== "ready" || others.some(({ draining }) => draining !== undefined)) return 0;
  const mean = takers.reduce((sum, { sessions }) => sum + sessions, self.sessions) / (takers.length + 1);
  const excess = self.sessions - mean;
  return excess > mean * rule.tolerance && excess >= rule.sessionsMin ? Math.floor(excess) : 0;
}
