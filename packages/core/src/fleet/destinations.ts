// Owns: where sessions go that an order moves to nodes of one revision. Pure functions, the same on
// every node.
import type { Destination } from "../control/control.ts";
import { likeliest, receiversCapacity, takesSessions } from "./decisions.ts";
import type { NodeFigures } from "./view.ts";

/** A node's figures, and when they were heard by the clock that never goes back. */
type Heard = NodeFigures & { readonly heardMs?: number };

/**
 * The nodes that receive what an order with a destination moves: those of the revision that have a
 * place. Undefined: all that receive other moves do, because the order names no revision, or only
 * prefers one that has no place.
 */
export function receiversAt(
  { toRevision, isPreferred }: Destination,
  others: readonly NodeFigures[],
): readonly NodeFigures[] | undefined {
  if (toRevision === undefined) return undefined;
  const named = others.filter((node) => hasPlace([node], toRevision));
  return named.length === 0 && isPreferred === true ? undefined : likeliest(named);
}

/**
 * The handshake rate (A) of those. 0 if there are none: then the deadline alone decides the pace.
 */
export const capacityAt = (receivers: readonly NodeFigures[]): number =>
  receivers.length === 0 ? 0 : receiversCapacity(0, receivers);

export interface MoveRule {
  /**
   * `take`: it belongs here. `refuse`: it belongs elsewhere, however often it comes. `look`: a
   * better place should be tried first. `free`: no order says anything.
   */
  readonly rule: "take" | "refuse" | "look" | "free";
  /** Ms until the last of the orders' windows is over. */
  readonly leftMs: number;
}

/** Whether a node of the revision can take sessions. */
export const hasPlace = (nodes: readonly NodeFigures[], revision: string): boolean =>
  nodes.some((node) => node.revision === revision && node.isFull !== true && takesSessions(node));

/**
 * What this node does with a session that moves, as far as orders say where sessions go. Nobody
 * knows which order a session follows, so all orders that run count. A node takes it if one of them
 * sends sessions to its revision. If all of them insist on other revisions, the node refuses it,
 * until their windows are over. If one of them allows any node, or only prefers a revision, the
 * node lets the session look for a better place a few times. It does so only while a better place
 * exists.
 */
export function moveRule(self: Heard, others: readonly Heard[], nowMs: number): MoveRule {
  const nodes = [self, ...others];
  const orders = nodes.flatMap((node) => ordersOf(node, nowMs));
  const named = orders.filter(({ toRevision }) => toRevision !== undefined);
  const leftMs = named.reduce((longest, order) => Math.max(longest, order.leftMs), 0);
  if (named.length === 0) return { rule: "free", leftMs };
  if (named.some(({ toRevision }) => toRevision === self.revision)) return { rule: "take", leftMs };
  if (named.length === orders.length && named.every(({ isPreferred }) => isPreferred !== true))
    return { rule: "refuse", leftMs };
  const isBetterThere = named.some(({ toRevision = "" }) => hasPlace(others, toRevision));
  return { rule: isBetterThere ? "look" : "free", leftMs };
}

/** Orders of a node that still move sessions. */
function ordersOf(
  { draining, shedding, heardMs }: Heard,
  nowMs: number,
): readonly (Destination & { readonly leftMs: number })[] {
  const ageMs = heardMs === undefined ? 0 : nowMs - heardMs;
  return [draining, shedding].flatMap((order) =>
    order === undefined || order.remaining <= 0 || order.deadlineInMs <= ageMs
      ? []
      : [{ ...order, leftMs: order.deadlineInMs - ageMs }],
  );
}
