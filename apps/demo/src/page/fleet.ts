// Owns: what this window knows of the nodes behind the balancer: the node of each place, and
// whether a roll is under way. Pure.
import type { FleetNode } from "../names.ts";

export interface FleetSight {
  readonly nodes: readonly FleetNode[];
  /** When a node last came, went or changed its state; the window's monotonic clock. */
  readonly changedAtMs: number;
}

/**
 * A roll that ended early leaves two revisions. After this long without a change, the roll counts
 * as over.
 */
export const ROLL_STEP_MS = 5_000;

/** What is known after an answer of dev. */
export function seeFleet(
  before: FleetSight | undefined,
  nodes: readonly FleetNode[],
  atMs: number,
): FleetSight {
  const signs = (of: readonly FleetNode[]) =>
    of.map(({ node, state }) => `${node} ${state}`).join();
  const changed = before === undefined || signs(before.nodes) !== signs(nodes);
  return { nodes, changedAtMs: changed ? atMs : before.changedAtMs };
}

/** Whether there are nodes of more than one revision, and a node came or went lately. */
export function isRolling(sight: FleetSight | undefined, nowMs: number): boolean {
  if (sight === undefined || nowMs - sight.changedAtMs > ROLL_STEP_MS) return false;
  return new Set(sight.nodes.map(({ revision }) => revision)).size > 1;
}

/** The nodes of each place; an empty place has none, one whose node is being replaced has two. */
export function placesOf(
  nodes: readonly FleetNode[],
  size: number,
): readonly (readonly FleetNode[])[] {
  return Array.from({ length: size }, (_, slot) => nodes.filter((one) => one.slot === slot));
}

const STATES: readonly unknown[] = ["starting", "ready", "draining", "stopped"];

/** Nodes as dev sends them; undefined for anything else. At most `max` are taken. */
export function readNodes(json: unknown, max: number): readonly FleetNode[] | undefined {
  if (!Array.isArray(json) || !json.every(isNode)) return undefined;
  return json.slice(0, max);
}

function isNode(one: unknown): one is FleetNode {
  if (typeof one !== "object" || one === null) return false;
  const { node, slot, revision, state, sessions } = one as Partial<
    Record<keyof FleetNode, unknown>
  >;
  const [texts, numbers] = [
    [node, revision],
    [slot, sessions],
  ];
  return (
    texts.every((text) => typeof text === "string") &&
    numbers.every((number) => Number.isInteger(number)) &&
    STATES.includes(state)
  );
}
