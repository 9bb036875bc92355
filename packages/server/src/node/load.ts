// Owns: the load of this process: whether it is overloaded (H8), and what it tells the other nodes
// of itself.
import { type NodeFigures, takesSessions, type Vitals } from "@holdfast/core";

/**
 * The event loop may be this late on average, over about a second. If it is later, clients wait
 * noticeably, and newcomers would make it worse.
 */
const LAG_MS_MAX = 250;
const WEIGHT = 0.25;

export class Load {
  #lagMs = 0;
  #memoryBytes = process.memoryUsage.rss();
  /** Whether the last probe of the broker arrived. */
  brokerOk = true;

  /** A sample of how late the event loop was, a few times a second. */
  lag(ms: number): void {
    this.#lagMs += (ms - this.#lagMs) * WEIGHT;
    this.#memoryBytes = process.memoryUsage.rss();
  }

  /**
   * Which load is too high, in words; undefined if none is. Newcomers must find somebody: a node
   * whose load is too high still refuses them in words, with a time to come back, and a balancer
   * without nodes does not. So this is for nodes that others can stand in for. A full node is not
   * overloaded: if it left the balancer, the rest would be full next, and then nobody would answer.
   */
  overload(others: readonly NodeFigures[]): string | undefined {
    const isReplaced = others.some((node) => takesSessions(node) && node.lagMs <= LAG_MS_MAX);
    return isReplaced && this.#lagMs > LAG_MS_MAX
      ? `the event loop is ${Math.round(this.#lagMs)} ms late, expected at most ${LAG_MS_MAX}`
      : undefined;
  }

  vitals(): Vitals {
    return {
      lagMs: Math.round(this.#lagMs),
      memoryBytes: this.#memoryBytes,
      brokerOk: this.brokerOk,
    };
  }
}
