// Owns: one move to another node, make before break (spec/protocol.md section 7, H6).
import type { Connection } from "./connection.ts";
import type { EngineContext } from "./engine-context.ts";

/**
 * A second connection that is established but not caught up after this long is taken all the same:
 * it loses nothing, it is only late.
 */
const CATCH_UP_MS = 10_000;
const RETRY_BASE_MS = 500;
const RETRY_CAP_MS = 5_000;

export interface MigrationPort {
  /** Opens the second connection. */
  open(): Connection;
  /** Whether the connection has every stream, snapshot and entry. */
  isReady(connection: Connection): boolean;
  /**
   * Takes the connection for everything; `leftMs` until the node of the first one ends that (below
   * 0: it should have).
   */
  take(connection: Connection, leftMs: number): void;
}

/**
 * Lives from `migrate` until the second connection is taken or the deadline passes; it holds at
 * most one connection.
 */
export class Migration {
  readonly #engine: EngineContext;
  readonly #port: MigrationPort;
  #deadlineAtMs: number;
  #failures = 0;
  #second: Connection | undefined;
  #cancel: () => void = () => {};

  constructor(engine: EngineContext, port: MigrationPort, deadlineMs: number) {
    this.#engine = engine;
    this.#port = port;
    this.#deadlineAtMs = this.#now() + deadlineMs;
    this.#attempt();
  }

  get second(): Connection | undefined {
    return this.#second;
  }

  /** A further `migrate` of the same node moves the deadline. */
  extend(deadlineMs: number): void {
    this.#deadlineAtMs = this.#now() + deadlineMs;
    if (!this.#second) this.#retry(0);
  }

  /** The second connection got its `connected`. */
  connected(connection: Connection): void {
    this.#cancel = this.#engine.after(CATCH_UP_MS, () => this.#take(connection));
    this.check();
  }

  /** Something of the second connection became ready. */
  check(): void {
    const second = this.#second;
    if (second?.info && !second.ended && this.#port.isReady(second)) this.#take(second);
  }

  /**
   * The second connection ended before it was taken: the first stays, and another attempt follows
   * while there is time.
   */
  lost(retryMs: number): void {
    this.#second = undefined;
    // A node that names a time has room soon, or knows a better place: no reason to wait longer
    // each time.
    if (retryMs === 0) this.#failures++;
    this.#retry(retryMs);
  }

  /** Ends the move; the second connection, if there is one, is the caller's. */
  stop(): Connection | undefined {
    this.#cancel();
    const second = this.#second;
    this.#second = undefined;
    return second;
  }

  #take(connection: Connection): void {
    this.#cancel();
    this.#second = undefined;
    this.#port.take(connection, this.#deadlineAtMs - this.#now());
  }

  #attempt(): void {
    this.#cancel();
    this.#second = this.#port.open();
  }

  #retry(retryMs: number): void {
    const spreadMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** this.#failures);
    const delayMs = retryMs + this.#engine.chance() * spreadMs;
    this.#cancel();
    // Past the deadline the node closes the first connection, and an ordinary reconnect follows.
    if (this.#now() + delayMs < this.#deadlineAtMs)
      this.#cancel = this.#engine.after(delayMs, () => this.#attempt());
  }

  #now(): number {
    return this.#engine.nowMs();
  }
}
