// Owns: the load of this process: whether it is overloaded (H8), and what it tells the other nodes
// of itself.
import type { Vitals } from "@holdfast/core";

/**
 * The node is overloaded if the event loop is this late on average, over about a second. Clients
 * wait noticeably then, and newcomers would make it worse.
 */
const LAG_MS_MAX = 250;
const WEIGHT = 0.25;

export class Load {
  readonly #connectionsMax: number;
  #lagMs = 0;
  #memoryBytes = process.memoryUsage.rss();
  /** Whether the last probe of the broker arrived. */
  brokerOk = true;

  constructor(connectionsMax: number) {
    this.#connectionsMax = connectionsMax;
  }

  /** A sample of how late the event loop was, a few times a second. */
  lag(ms: number): void {
    this.#lagMs += (ms - this.#lagMs) * WEIGHT;
    this.#memoryBytes = process.memoryUsage.rss();
  }

  /** Which load is too high, in words; undefined if none is. */
  overload(connections: number): string | undefined {
    if (this.#lagMs > LAG_MS_MAX)
      return `the event loop is ${Math.round(this.#lagMs)} ms late, expected at most ${LAG_MS_MAX}`;
    return connections >= this.#connectionsMax
      ? `${connections} connections, expected fewer than ${this.#connectionsMax}`
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
