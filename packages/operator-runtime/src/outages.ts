// Owns: whether the API server was away lately. What follows it in the cluster may be behind then.

/** A shorter one ends before the watches of others wait long. */
const AWAY_MS = 5000;
/**
 * Watches of client-go try again at most 30 s apart, and up to as much later by chance. So
 * EndpointSlices and the rules of balancers may be behind for a minute. Then they are made again.
 */
const LAG_MS = 75_000;

/** Times in ms by a clock that never goes back. */
export class Outages {
  #awaySinceMs: number | undefined;
  #backMs = Number.NEGATIVE_INFINITY;

  failed(nowMs: number): void {
    this.#awaySinceMs ??= nowMs;
  }

  answered(nowMs: number): void {
    if (this.#isAway(nowMs)) this.#backMs = nowMs;
    this.#awaySinceMs = undefined;
  }

  /** For how long balancers may be behind from now on. 0: they are not. */
  lagMs(nowMs: number): number {
    return this.#isAway(nowMs) ? LAG_MS : Math.max(0, this.#backMs + LAG_MS - nowMs);
  }

  #isAway(nowMs: number): boolean {
    return this.#awaySinceMs !== undefined && nowMs - this.#awaySinceMs >= AWAY_MS;
  }
}
