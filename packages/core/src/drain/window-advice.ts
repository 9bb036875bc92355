// Owns: telling clients a new time to come back over when the one that they know no longer fits
// (rule 2 of docs/design/holding-connections.md).
import type { Connection } from "../session/connection.ts";

/**
 * A window fits while it is not this many times longer or shorter than the one that a client knows.
 * One step of the measured capacity is less.
 */
const FIT_FACTOR = 1.5;
/** Most clients told in one tick: a write for each, and never all at once. */
const TOLD_MAX = 250;

/**
 * A pong brings the newest window, but up to a ping late: too long for a node that just lost its
 * others or found them again. So each tick looks at connections from where the last one stopped,
 * and tells those that know one which no longer fits. What each knows is kept with it, so that
 * nobody is told twice.
 */
export class WindowAdvice {
  readonly #connections: ReadonlySet<Connection>;
  #left: Iterator<Connection> | undefined;

  constructor(connections: ReadonlySet<Connection>) {
    this.#connections = connections;
  }

  /**
   * Called a few times a second with the window from now on. `leastMs`: differences up to this are
   * let be. Looks at each connection once at most.
   */
  tick(windowMs: number, leastMs: number): void {
    this.#left ??= this.#connections.values();
    for (let told = 0; told < TOLD_MAX; ) {
      const next = this.#left.next();
      if (next.done === true) {
        this.#left = undefined;
        return;
      }
      const connection = next.value;
      if (
        connection.phase !== "open" ||
        connection.toldToLeave ||
        fits(connection.windowToldMs, windowMs, leastMs)
      )
        continue;
      connection.windowToldMs = windowMs;
      connection.send({ t: "advice", windowMs });
      told += 1;
    }
  }
}

const fits = (knownMs: number, windowMs: number, leastMs: number): boolean =>
  Math.abs(knownMs - windowMs) <= leastMs ||
  (knownMs <= windowMs * FIT_FACTOR && windowMs <= knownMs * FIT_FACTOR);
