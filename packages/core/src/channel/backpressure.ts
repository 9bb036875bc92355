// Owns: what happens to a connection that reads more slowly than it is written to (H4).

import type { CodeName } from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { NodeSettings } from "../settings.ts";
import { type CatchUpNeeds, pump } from "./catch-up.ts";
import type { FanOut, GroupBytes } from "./fan-out.ts";

/** What backpressure needs of the node. */
export interface FlowNeeds {
  readonly clock: Pick<Clock, "nowMs" | "defer">;
  readonly observer: Pick<Observer, "slowConsumer">;
  readonly sessions: { end(connection: Connection, code: CodeName): void };
  readonly hubPorts: CatchUpNeeds;
  settings(): NodeSettings;
}

/**
 * A connection with more than `flow.lagBytes` unsent lags. Its subscriptions leave the live list
 * and keep their positions, which costs nothing. When the connection can take more, each
 * subscription continues as its class of channel says: from history, with the newest for each key,
 * or after a declared gap. The node closes a connection with more than `flow.queueBytesMax` unsent,
 * and one that lags for longer than `flow.lagMsMax`.
 */
export class Flow implements GroupBytes {
  readonly #parts: () => FlowNeeds;
  /** Channels that published to groups since the last look, and how many bytes. */
  readonly #published = new Set<FanOut>();
  #publishedBytes = 0;
  #lookScheduled = false;

  constructor(parts: () => FlowNeeds) {
    this.#parts = parts;
  }

  /** The link could not send all of a message. */
  pressed(connection: Connection): void {
    if (connection.phase === "ended") return;
    const { settings, sessions, observer } = this.#parts();
    const { lagBytes, queueBytesMax } = settings().flow;
    const bytes = connection.link.bufferedBytes();
    connection.queued = bytes > 0;
    if (bytes > queueBytesMax) {
      observer.slowConsumer("disconnect");
      sessions.end(connection, "slow_consumer");
    } else if (bytes > lagBytes && !connection.lagging) this.#lag(connection);
  }

  /** The link has room again. */
  writable(connection: Connection): void {
    if (connection.phase === "ended") return;
    const { settings, hubPorts } = this.#parts();
    const bytes = connection.link.bufferedBytes();
    connection.queued = bytes > 0;
    if (bytes * 2 > settings().flow.lagBytes) return;
    const wasLagging = connection.lagging;
    connection.lagging = false;
    connection.onRoom?.();
    if (!wasLagging) return;
    for (const subscription of connection.subscriptions?.values() ?? []) {
      if (subscription.state === "lagging") pump(subscription, hubPorts);
    }
  }

  /** For the engine's sweep. */
  check(connection: Connection, nowMs: number): void {
    if (!connection.lagging && !connection.queued) return;
    this.writable(connection);
    const { settings, sessions, observer } = this.#parts();
    if (!connection.lagging || nowMs - connection.lagSinceMs <= settings().flow.lagMsMax) return;
    observer.slowConsumer("disconnect");
    sessions.end(connection, "slow_consumer");
  }

  /**
   * A group does not say which of its members is slow. So the node looks at the members' buffers
   * before one of them can have grown past the limit.
   */
  published(fanOut: FanOut, bytes: number): void {
    this.#published.add(fanOut);
    this.#publishedBytes += bytes;
    const { settings, clock } = this.#parts();
    if (this.#lookScheduled || this.#publishedBytes * 2 < settings().flow.lagBytes) return;
    this.#lookScheduled = true;
    clock.defer(() => this.lookAtGroups());
  }

  lookAtGroups(): void {
    this.#lookScheduled = false;
    this.#publishedBytes = 0;
    const channels = [...this.#published];
    this.#published.clear();
    for (const fanOut of channels) fanOut.visit(({ connection }) => connection.checkPressure());
  }

  #lag(connection: Connection): void {
    const { clock, observer, sessions } = this.#parts();
    connection.lagging = true;
    connection.lagSinceMs = clock.nowMs();
    for (const { hub, state } of connection.subscriptions?.values() ?? []) {
      if (state !== "live" || hub.rules.slowConsumer !== "disconnect") continue;
      observer.slowConsumer("disconnect");
      return sessions.end(connection, "slow_consumer");
    }
    for (const subscription of connection.subscriptions?.values() ?? []) {
      if (subscription.state !== "live") continue;
      subscription.hub.demote(subscription);
      observer.slowConsumer(subscription.hub.rules.slowConsumer);
    }
  }
}
