// Owns: how many nodes are enough, by each limit, and which limit binds.
import type { Calibration } from "./calibration.ts";
import { loadOfNode, type NodeLoad } from "./load.ts";
import type { Scenario } from "./scenario.ts";

export type LimitName = "cpu" | "memory" | "connections" | "descriptors" | "handshakes";

export interface Limit {
  readonly name: LimitName;
  /** Least nodes that keep to it; Infinity: no number does. */
  readonly nodes: number;
}

export interface Sizing {
  /** The limit that asks for the most nodes comes first. */
  readonly limits: readonly Limit[];
  readonly nodes: number;
}

/** What survivors of a loss may use of CPU and memory. */
const SURVIVOR_SHARE = 0.9;
/** Open files that are no connections: broker, logs, listeners (docs/operations/sizing.md). */
const DESCRIPTORS_RESERVED = 256;
/** Part of A at which admission lets in (packages/core/src/pacing/admission.ts). */
export const ADMITTED_SHARE = 0.85;
const NODES_SEARCHED_MAX = 1_000_000;

/** Nodes that a loss removes: the largest zone, or one node if there is one zone. */
export const nodesLost = (nodes: number, zones: number): number =>
  zones > 1 ? Math.ceil(nodes / zones) : 1;

/**
 * The least number of nodes for every limit, on an ordinary day with the headroom and after the
 * loss of a zone (or a node) without it.
 */
export function sizeOf(scenario: Scenario, calibration: Calibration): Sizing {
  const names: readonly LimitName[] = ["cpu", "memory", "connections", "descriptors", "handshakes"];
  const limits = names
    .map((name) => ({
      name,
      nodes: leastNodes((nodes) => keeps(name, { scenario, calibration, nodes })),
    }))
    .sort((a, b) => b.nodes - a.nodes);
  return { limits, nodes: limits[0]?.nodes ?? 1 };
}

interface Question {
  readonly scenario: Scenario;
  readonly calibration: Calibration;
  readonly nodes: number;
}

/** Whether so many nodes keep to a limit. */
export function keeps(name: LimitName, { scenario, calibration, nodes }: Question): boolean {
  const { demand, node, fleet } = scenario;
  const ordinary = loadOfNode({ demand, node, calibration }, nodes);
  // One node alone has no survivors: it is sized for its ordinary day.
  const survivors = Math.max(1, nodes - nodesLost(nodes, fleet.zones));
  const alone = nodes === 1;
  const afterLoss = alone ? ordinary : loadOfNode({ demand, node, calibration }, survivors);
  const least = 1 - fleet.headroom;
  const most = alone ? least : Math.max(least, SURVIVOR_SHARE);
  switch (name) {
    case "cpu":
      return ordinary.cpuShare <= least && afterLoss.cpuShare <= most;
    case "memory":
      return (
        ordinary.memoryBytes <= node.memoryBytes * least &&
        afterLoss.memoryBytes <= node.memoryBytes * most
      );
    case "connections":
      return fits(node.connectionsMax, ordinary, afterLoss, fleet.headroom);
    case "descriptors":
      return fits(node.descriptorsMax - DESCRIPTORS_RESERVED, ordinary, afterLoss, fleet.headroom);
    case "handshakes": {
      const perSecond = Math.min(
        node.handshakesPerSecond * ADMITTED_SHARE,
        ordinary.setUpsPerSecondMax,
      );
      return (ordinary.connections * 1000) / Math.max(1e-9, perSecond) <= fleet.recoveryMsMax;
    }
  }
}

const fits = (most: number, ordinary: NodeLoad, afterLoss: NodeLoad, headroom: number): boolean =>
  ordinary.connections <= most * (1 - headroom) && afterLoss.connections <= most;

/** The least number that is enough; a load falls when it is shared by more nodes. */
function leastNodes(enough: (nodes: number) => boolean): number {
  let most = 1;
  while (!enough(most)) {
    if (most >= NODES_SEARCHED_MAX) return Number.POSITIVE_INFINITY;
    most = Math.min(NODES_SEARCHED_MAX, most * 2);
  }
  let least = Math.floor(most / 2) + 1;
  while (least < most) {
    const middle = Math.floor((least + most) / 2);
    if (enough(middle)) most = middle;
    else least = middle + 1;
  }
  return most;
}
