// Owns: what one node decides from what it knows of all nodes. Pure functions, the same on every
// node.
import type { Destination } from "../control/control.ts";
import type { NodeFigures } from "./view.ts";

/** Whether sessions can be sent there. */
export const takesSessions = ({ state, brokerOk }: NodeFigures): boolean =>
  state === "ready" && brokerOk;

/**
 * The handshake rate (A) of the nodes that would receive this node's sessions. If the node is
 * alone, its own rate, because the sessions come back to it.
 */
export function receiversCapacity(own: number, others: readonly NodeFigures[]): number {
  const taken = others
    .filter(takesSessions)
    .reduce((sum, { handshakesPerSecond }) => sum + handshakesPerSecond, 0);
  return taken > 0 ? taken : own;
}

/**
 * This node's share of what all draining nodes together may move to the same nodes. It is in
 * proportion to the sessions that each still holds (rule 3 of docs/design/holding-connections.md).
 */
export function drainShare(
  remaining: number,
  others: readonly NodeFigures[],
  { toRevision }: Destination = {},
): number {
  const elsewhere = others
    .flatMap(({ draining, shedding }) => [draining ?? [], shedding ?? []].flat())
    .filter(
      (order) =>
        toRevision === undefined ||
        order.toRevision === undefined ||
        order.toRevision === toRevision,
    )
    .reduce((sum, order) => sum + order.remaining, 0);
  return remaining <= 0 ? 0 : remaining / (remaining + elsewhere);
}

/** Whether a node that receives sessions is late. If so, drains slow down. */
export const receiversPressed = (others: readonly NodeFigures[], lagMsMax: number): boolean =>
  others.some((node) => takesSessions(node) && node.lagMs > lagMsMax);

/**
 * A rollout is over when the newest revision has started no node for this long. After that,
 * revisions that run side by side count as equal (a canary, for example).
 */
const ROLLOUT_MS = 15 * 60_000;

/**
 * How often a node turns a moving session away before it accepts it: the balancer may have no
 * better node.
 */
export const TURNED_AWAY_MAX = 6;
/**
 * Attempts that a moving session needs on average, at most, behind a balancer that chooses at
 * random.
 */
const ATTEMPTS_MEAN_MAX = 3;

/**
 * How likely (0 to 1) this node turns a moving session away, because a newer revision can take it.
 * The newest revision is the one whose first node started last. While it is being rolled out, a
 * node of an older one turns moving sessions away, which lose nothing by it: their old connection
 * stays until a better place is found. If a third of the nodes or more are newer, it always does.
 * If fewer are newer, it does so less often, so that a balancer which chooses at random finds a
 * node in three attempts. If no newer node holds less than this one, it never does: a balancer that
 * counts connections would send the session here again. `nowMs` is wall time, as `startedAtMs` is.
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
 * Of the nodes that could receive sessions, a balancer that counts connections prefers the
 * emptiest. It sends hardly any to nodes this far above that one.
 */
const LIKELY_SHARE = 0.1;
const LIKELY_SESSIONS = 20;

/**
 * The nodes that receive what this node moves away. They are ready nodes. If there are ready nodes
 * of a newer revision, only those of the newest count, because the others turn moving sessions
 * away. Of these, only the ones with few sessions count, because a balancer sends newcomers to
 * them. If a drain counted the handshake rates of the other nodes too, it would send these more
 * than they can take. For an order with a destination see `receiversAt`.
 */
export function receiversOfMoves(
  self: NodeFigures,
  others: readonly NodeFigures[],
  nowMs: number,
): readonly NodeFigures[] {
  const age = agesOf([self, ...others], nowMs);
  const receivers = others.filter(takesSessions);
  const newest = receivers.reduce((latest, node) => Math.max(latest, age(node)), age(self));
  return likeliest(
    newest > age(self) ? receivers.filter((node) => age(node) === newest) : receivers,
  );
}

/** Of the nodes that would take a session, those to which a balancer is likely to send it. */
export function likeliest(willing: readonly NodeFigures[]): readonly NodeFigures[] {
  const least = willing.reduce(
    (fewest, { sessions }) => Math.min(fewest, sessions),
    Number.POSITIVE_INFINITY,
  );
  return willing.filter(({ sessions }) => sessions <= least * (1 + LIKELY_SHARE) + LIKELY_SESSIONS);
}

/**
 * For each node, when the first node of its revision started: the greatest belongs to the newest
 * revision. All are the same if no rollout is under way.
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
  const newest = [...starts.values()].reduce((latest, one) =>
    one.first > latest.first ? one : latest,
  );
  if (nowMs - newest.last > ROLLOUT_MS) return () => 0;
  return ({ revision }) => starts.get(revision)?.first ?? 0;
}

export interface RebalanceRule {
  /** A node up to this share above the mean keeps its sessions. */
  readonly tolerance: number;
  /** A node less than this many sessions above the mean keeps them. */
  readonly sessionsMin: number;
}

/**
 * How many sessions this node should give away to reach the mean of the ready nodes. 0 if it is
 * within the tolerance (rule 8 of docs/design/holding-connections.md). Also 0 while any node
 * drains or sheds: that fills other nodes by itself, and evening out at the same time would move
 * sessions twice.
 */
export function excessSessions(
  self: NodeFigures,
  others: readonly NodeFigures[],
  rule: RebalanceRule,
): number {
  const receivers = others.filter(takesSessions);
  const isUnderOrder = [self, ...others].some(
    ({ draining, shedding }) => draining !== undefined || shedding !== undefined,
  );
  if (self.state !== "ready" || isUnderOrder) return 0;
  const mean =
    receivers.reduce((sum, { sessions }) => sum + sessions, self.sessions) / (receivers.length + 1);
  const excess = self.sessions - mean;
  return excess > mean * rule.tolerance && excess >= rule.sessionsMin ? Math.floor(excess) : 0;
}
