// Owns: telling clients a new reconnect window if the one that they know no longer fits (rule 2 of
// docs/design/holding-connections.md).
import type { Connection } from "../session/connection.ts";

/**
 * A client's window no longer fits if the right one is this many times longer or shorter. One step
 * of the measured capacity changes it by less.
 */
const FIT_FACTOR = 1.5;
/** Most clients told in one tick. Each costs a write, so they are never told all at once. */
const TOLD_MAX = 250;

/**
 * A pong brings the newest window, but up to one ping interval late. That is too late for a node
 * that just lost the other nodes or found them again. So each tick looks at some connections and
 * continues where the last tick stopped. It tells a client its new window if the one that the
 * client knows no longer fits. Each connection remembers the window that it was told, so that
 * nobody is told twice.
 */
export class WindowAdvice {
  readonly #connections: ReadonlySet<Connection>;
  #left: Iterator<Connection> | undefined;

  constructor(connections: ReadonlySet<Connection>) {
    this.#connections = connections;
  }

  /**
   * Called a few times a second with the window that holds from now on. Differences up to `leastMs`
   * are ignored. Looks at each connection at most once.
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
