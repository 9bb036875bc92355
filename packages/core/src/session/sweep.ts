// Owns: the checks once a second: connections that are silent, late, expired or slow, and things
// that nobody needs any more.

import type { Flow } from "../channel/backpressure.ts";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import type { Sessions } from "./sessions.ts";

const SWEEP_MS = 1000;
/** A peer has at least this part of the idle timeout to answer a ping: a quarter. */
const ANSWER_SHARE = 4;

/** What the sweep needs of the node. */
export interface SweepNeeds {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly observer: Pick<Observer, "handshake">;
  readonly sessions: Pick<Sessions, "connections" | "end" | "endIfExpired">;
  readonly flow: Pick<Flow, "check" | "lookAtGroups">;
  settings(): NodeSettings;
}

export class Sweep {
  readonly #parts: SweepNeeds;
  /** What else to do each second. */
  readonly #tasks: readonly ((nowMs: number) => void)[];
  #cancel: () => void = () => {};

  constructor(parts: SweepNeeds, tasks: readonly ((nowMs: number) => void)[]) {
    this.#parts = parts;
    this.#tasks = tasks;
  }

  start(): void {
    this.#cancel = this.#parts.clock.after(SWEEP_MS, () => this.#sweep());
  }

  stop(): void {
    this.#cancel();
  }

  #sweep(): void {
    const { clock, flow, sessions } = this.#parts;
    const nowMs = clock.nowMs();
    for (const connection of sessions.connections) this.#look(connection, nowMs);
    flow.lookAtGroups();
    for (const task of this.#tasks) task(nowMs);
    this.start();
  }

  #look(connection: Connection, nowMs: number): void {
    const { flow, sessions, settings } = this.#parts;
    const { timeouts } = settings();
    if (connection.phase !== "open") {
      if (nowMs - connection.openedMs > timeouts.handshakeMs) this.#refuseLate(connection, nowMs);
      return;
    }
    const { idleMs = timeouts.idleMs } = connection;
    const silentMs = nowMs - connection.lastReceivedMs;
    const isAsked = connection.pingedMs > connection.lastReceivedMs;
    // A node that stood still has not read what came meanwhile: it asks before it ends anybody.
    const hadTime =
      connection.link.ping === undefined ||
      (isAsked && (nowMs - connection.pingedMs) * ANSWER_SHARE >= idleMs);
    if (silentMs * 2 > idleMs && !isAsked) {
      connection.pingedMs = nowMs;
      connection.link.ping?.();
    }
    if (silentMs > idleMs && hadTime) sessions.end(connection, "idle_timeout");
    // In addition to its timer: if the wall clock was corrected, tokens can expire earlier than the
    // timer.
    else if (!sessions.endIfExpired(connection)) flow.check(connection, nowMs);
  }

  #refuseLate(connection: Connection, nowMs: number): void {
    const { observer, sessions } = this.#parts;
    observer.handshake("refused", "handshake_timeout", nowMs - connection.openedMs);
    sessions.end(connection, "handshake_timeout");
  }
}
