// Owns: what one node knows of the others: which nodes exist, their figures, and which of them were
// silent for too long.
import type { OrderFigures } from "../control/order-messages.ts";

export type NodeState = "starting" | "ready" | "draining" | "stopped";

/** What a node tells the others of itself, about once a second. */
export interface NodeFigures {
  readonly node: string;
  readonly revision: string;
  readonly state: NodeState;
  readonly startedAtMs: number;
  readonly connections: number;
  readonly sessions: number;
  /** Handshakes per second that it can take now (A). */
  readonly handshakesPerSecond: number;
  /** How late its event loop was lately. */
  readonly lagMs: number;
  /** Resident memory. */
  readonly memoryBytes: number;
  /** Whether a publish through the broker arrived lately. */
  readonly brokerOk: boolean;
  /** It has as many connections as it may have. Absent: it has room, or does not tell. */
  readonly isFull?: true;
  /** Absent: a node of a version that does not count them. */
  readonly orders?: OrderFigures;
  /**
   * The odds that clients reach one node alone, as far as this one knows (reach.ts). Absent: it
   * knows nothing, or is of a version that learns nothing.
   */
  readonly boundOdds?: number;
  /** Sessions still to move; absent when it does not drain. */
  readonly draining?: MovesFigures;
  /** The same for an order that moves only some of its sessions. */
  readonly shedding?: MovesFigures;
}

/**
 * An order that moves sessions. Nodes of a version that knows no destinations send and heed none.
 */
export interface MovesFigures {
  readonly remaining: number;
  readonly deadlineInMs: number;
  /** As `Destination`. */
  readonly toRevision?: string;
  readonly isPreferred?: true;
}

/** A node's message about itself; `left`: its last one. */
export type FleetMessage =
  | { readonly kind: "figures"; readonly from: string; readonly figures: NodeFigures }
  | { readonly kind: "left"; readonly from: string };

/** A node as another one knows it. */
export interface KnownNode extends NodeFigures {
  readonly heardMs: number;
}

/**
 * Most nodes remembered. A larger cluster would need figures that are summed up before they are
 * sent.
 */
export const NODES_MAX = 1000;

/**
 * Members of the cluster, each by its own messages. One that says nothing for `leaseMs` is dead;
 * one that says that it left is gone at once.
 */
export class FleetView {
  readonly #self: string;
  readonly #nodes = new Map<string, KnownNode>();

  constructor(self: string) {
    this.#self = self;
  }

  heard(figures: NodeFigures, nowMs: number): void {
    if (figures.node === this.#self) return;
    if (!this.#nodes.has(figures.node) && this.#nodes.size >= NODES_MAX) return;
    this.#nodes.set(figures.node, { ...figures, heardMs: nowMs });
  }

  left(node: string): void {
    this.#nodes.delete(node);
  }

  /** Forgets the dead; answers who they were. */
  expire(nowMs: number, leaseMs: number): readonly KnownNode[] {
    const dead = [...this.#nodes.values()].filter(({ heardMs }) => nowMs - heardMs > leaseMs);
    for (const { node } of dead) this.#nodes.delete(node);
    return dead;
  }

  /** The others, by id. */
  others(): readonly KnownNode[] {
    return [...this.#nodes.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }
}
