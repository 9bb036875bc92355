// Owns: what follows for one node from what it knows of all: pure functions, the same on every
// node.
import type { NodeFigures } from "./view.ts";

/** Whether sessions can be sent there. */
export const takesSessions = ({ state, brokerOk }: NodeFigures): boolean =>
  state === "ready" && brokerOk;

/**
 * A of those who would take a node's sessions in: its own when it is alone, because then it takes
 * them back itself.
 */
export function receiversCapacity(own: number, others: readonly NodeFigures[]): number {
  const taken = others
    .filter(takesSessions)
    .reduce((sum, { handshakesPerSecond }) => sum + handshakesPerSecond, 0);
  return taken > 0 ? taken : own;
}

/**
 * This node's part of what all draining nodes together may move: in proportion to what each still
 * holds (rule 3 of docs/design/holding-connections.md).
 */
export function drainShare(remaining: number, others: readonly NodeFigures[]): number {
  const elsewhere = others.reduce((sum, { draining }) => sum + (draining?.remaining ?? 0), 0);
  return remaining <= 0 ? 0 : remaining / (remaining + elsewhere);
}

/** Whether a node that takes sessions in is late: drains go slower then. */
export const receiversPressed = (others: readonly NodeFigures[], lagMsMax: number): boolean =>
  others.some((node) => takesSessions(node) && node.lagMs > lagMsMax);

/**
 * A rollout is under way until the newest revision has started no node for this long; afterwards
 * revisions that run side by side are equals (a canary that is held).
 */
const ROLLOUT_MS = 15 * 60_000;

/**
 * How often a node turns a moving session away before it takes it in all the same: the balancer may
 * have no better place.
 */
export const TURNED_AWAY_MAX = 6;
/**
 * Attempts that a moving session needs on average, at most, behind a balancer that chooses at
 * random.
 */
const ATTEMPTS_MEAN_MAX = 3;

/**
 * How likely (0 to 1) this node turns a moving session away, because a newer revision can take it.
 * The newest revision is the one whose first node started last. While it is being
 * rolled out, a node of an older one turns moving sessions away, which lose nothing by it: their
 * old connection stays until a better place is found. Always, where a third of the
 * nodes or more are newer; less often where they are few, so that a balancer which chooses at
 * random finds a place in three attempts; never, when none of them holds less than this
 * one, because a balancer that looks at connections would send the session here again. `nowMs` is
 * wall time, as `startedAtMs` is.
 */
export function turnAwayChance(
  self: NodeFigures,
  others: readonly NodeFigures[],
  nowMs: number,
): number {
  const age = agesOf([self, ...others], nowMs);
  const receivers = others.filter(takesSessions);
  const newer = receivers.filter((node) => age(node) > age(self));
  if (!newer.some(({ sessions }) => sessions < Math.max(1, self.sessions))) return 0;
  return Math.min(1, (1 - 1 / ATTEMPTS_MEAN_MAX) / (1 - newer.length / (receivers.length + 1)));
}

/**
 * Nodes this far above the emptiest of those that could take sessions get hardly any from a
 * balancer that looks at connections.
 */
const LIKELY_SHARE = 0.1;
const LIKELY_SESSIONS = 20;

/**
 * Who takes what this node moves away: the ready nodes; while there are ready nodes of a newer
 * revision, those of the newest alone, because the others turn moving sessions away; and of these
 * the ones with few sessions, because that is where a balancer sends newcomers. A drain that
 * counted the others' A as well would send these more than they can take.
 */
export function receiversOfMoves(
  self: NodeFigures,
  others: readonly NodeFigures[],
  nowMs: number,
): readonly NodeFigures[] {
  const age = agesOf([self, ...others], nowMs);
  const receivers = others.filter(takesSessions);
  const newest = receivers.reduce((latest, node) => Math.max(latest, age(node)), age(self));
  const willing = newest > age(self) ? receivers.filter((node) => age(node) === newest) : receivers;
  const least = willing.reduce(
    (fewest, { sessions }) => Math.min(fewest, sessions),
    Number.POSITIVE_INFINITY,
  );
  return willing.filter(({ sessions }) => sessions <= least * (1 + LIKELY_SHARE) + LIKELY_SESSIONS);
}

/**
 * When the first node of each node's revision started: the greatest is the newest revision. All the
 * same when nothing is being rolled out.
 */
function agesOf(nodes: readonly NodeFigures[], nowMs: number): (node: NodeFigures) => number {
  const starts = new Map<string, { first: number; last: number }>();
  for (const { revision, startedAtMs } of nodes) {
    const { first, last } = starts.get(revision) ?? { first: startedAtMs, last: startedAtMs };
    starts.set(revision, {
      first: Math.min(first, startedAtMs),
      last: Math.max(last, startedAtMs),
    });
  }
  const newest = [...starts.values()].reduce(
    (latest, one) => (one.first > latest.first ? one : latest),
    { first: 0, last: 0 },
  );
  if (nowMs - newest.last > ROLLOUT_MS) return () => 0;
  return ({ revision }) => starts.get(revision)?.first ?? 0;
}

export interface RebalanceRule {
  /** Share above the mean that is let be. */
  readonly tolerance: number;
  /** Differences below this many sessions are let be. */
  readonly sessionsMin: number;
}

/**
 * Sessions that this node should give away to come down to the mean of the ready nodes; 0 when it
 * is within the tolerance (rule 8 of docs/design/holding-connections.md), and while any node
 * drains: that fills the emptier nodes by itself, and whoever evens out beside it moves sessions
 * twice.
 */
export function excessSessions(
  self: NodeFigures,
  others: readonly NodeFigures[],
  rule: RebalanceRule,
): number {
  const receivers = others.filter(takesSessions);
  if (
    receivers.length === 0 ||
    self.state !== "ready" ||
    others.some(({ draining }) => draining !== undefined)
  )
    return 0;
  const mean =
    receivers.reduce((sum, { sessions }) => sum + sessions, self.sessions) / (receivers.length + 1);
  const excess = self.sessions - mean;
  return excess > mean * rule.tolerance && excess >= rule.sessionsMin ? Math.floor(excess) : 0;
}
