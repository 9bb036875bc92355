// Owns: one node of a simulated deploy: what it holds, and what it told the others last.
import type { NodeFigures } from "@holdfast/core";
import { ReceivingNode, type ReceivingNodeSettings, type SetUpCosts } from "./receiving-node.ts";

/**
 * How newcomers are dealt out: to the ready node with the fewest connections, or to any ready node.
 */
export type Balancer = "least-connections" | "random";

export interface RollingNodeOptions {
  readonly receiver: ReceivingNodeSettings;
  readonly costs: SetUpCosts;
  /** Share (0 to 1) of the event loop that deliveries take. */
  readonly background: number;
}

interface Place {
  readonly index: number;
  readonly revision: string;
  readonly startedAtMs: number;
  readonly chance: () => number;
}

export class RollingNode {
  readonly index: number;
  readonly receiver: ReceivingNode;
  state: "ready" | "draining" | "stopped" = "ready";
  sessions = 0;
  /** With those that are being opened: what a balancer counts. */
  connections = 0;
  figures: NodeFigures;
  readonly #place: Place;

  constructor(options: RollingNodeOptions & Place) {
    this.index = options.index;
    this.receiver = new ReceivingNode({
      settings: options.receiver,
      costs: options.costs,
      background: options.background,
      chance: options.chance,
    });
    this.#place = options;
    this.figures = this.#now();
  }

  /** From now on the others know how it is. */
  tell(): void {
    this.figures = this.#now();
  }

  #now(): NodeFigures {
    const { index, revision, startedAtMs } = this.#place;
    return {
      node: `n${index}`,
      revision,
      startedAtMs,
      state: this.state,
      connections: this.connections,
      sessions: this.sessions,
      handshakesPerSecond: this.receiver.handshakesPerSecond,
      lagMs: this.receiver.lagMs,
      memoryBytes: 0,
      brokerOk: true,
    };
  }
}
