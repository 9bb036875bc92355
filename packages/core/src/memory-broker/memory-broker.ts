// Owns: a whole broker in one object, for one process or one simulation: nodes connect to it and
// each gets the Broker port.
import type { BrokerUsage, Clock, PresenceChange, Random } from "../ports.ts";
import { FanOut, type Place } from "./fan-out.ts";
import { MEMORY_BROKER_LIMITS, type MemoryBrokerLimits, SWEEP_INTERVAL_MS } from "./limits.ts";
import { type Hub, type MemoryBrokerNode, MemoryNode } from "./memory-node.ts";
import { PresenceTable } from "./presence-table.ts";
import { Rooms } from "./rooms.ts";
import { StateTable } from "./state-table.ts";

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Those that are absent are `MEMORY_BROKER_LIMITS`. */
  readonly limits?: Partial<MemoryBrokerLimits>;
  /**
   * Called with what a listener threw. If it is absent, the error is thrown again from a deferred
   * task: a listener must not throw.
   */
  readonly onBug?: (error: unknown) => void;
}

export interface MemoryBroker {
  /**
   * A view for a node. Presence belongs to node ids, not to views, so that a node that connects
   * again finds its members; several views may have the same id.
   * While there is no view the broker sets no timer, so that it keeps no process alive; what ends
   * meanwhile is gone when the next one connects.
   * Payloads are kept and handed on by reference: nobody may change their bytes.
   */
  connect(nodeId: string): MemoryBrokerNode;
  /** What the broker holds now. Bytes are estimates from above. */
  figures(): Required<BrokerUsage>;
  /** Ends every view; nothing is kept. */
  close(): void;
}

/**
 * A broker in memory. Calls take effect at once, and their promises settle in the same turn.
 * Listeners are called at the end of the turn, in one deferred task for all. Nothing survives the
 * object: not durable.
 */
export function createMemoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  const { clock } = options;
  const limits: MemoryBrokerLimits = { ...MEMORY_BROKER_LIMITS, ...options.limits };
  const fanOut = new FanOut(clock, options.onBug ?? ((error) => rethrow(clock, error)));
  const table = new PresenceTable(limits);
  const states = new StateTable(limits);
  const rooms = new Rooms({ clock, random: options.random, limits, fanOut });
  const places = new Set<Place>();
  const views = new Set<MemoryNode>();
  const timer = createTimer(clock);
  let sweepAtMs: number | undefined;

  const tell = (channel: string, change: PresenceChange | undefined): void => {
    const room = rooms.find(channel);
    if (room !== undefined && change !== undefined) fanOut.presence(room.subscriptions, change);
  };

  /**
   * Ends every grace and lease whose time has come, so that nobody reads or changes entries that
   * have ended.
   */
  const expire = (): void => {
    for (const { channel, change } of table.expire(clock.nowMs())) tell(channel, change);
  };

  const housekeep = (): void => {
    expire();
    states.expire(clock.nowMs());
    if (sweepAtMs !== undefined && clock.nowMs() >= sweepAtMs) {
      rooms.sweep();
      sweepAtMs = undefined;
    }
    schedule();
  };

  /**
   * Keeps one timer, for the earlier of the next sweep and the next end of a grace or lease. No
   * timer while no node is connected.
   */
  function schedule(): void {
    if (views.size === 0) return timer.stop();
    if (rooms.count > 0) sweepAtMs ??= clock.nowMs() + SWEEP_INTERVAL_MS;
    const nextMs = Math.min(
      sweepAtMs ?? Number.POSITIVE_INFINITY,
      table.nextDeadlineMs() ?? Number.POSITIVE_INFINITY,
      states.nextDeadlineMs() ?? Number.POSITIVE_INFINITY,
    );
    if (nextMs < Number.POSITIVE_INFINITY) timer.at(nextMs, housekeep);
  }

  const hub: Hub = {
    clock,
    fanOut,
    rooms,
    places,
    scheduleSweep() {
      if (sweepAtMs === undefined) schedule();
    },
    presence(change) {
      expire();
      const result = change(table, clock.nowMs());
      schedule();
      return result;
    },
    states(change) {
      const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
      states.expire(nowMs);
      const result = change(states, { nowMs, wallMs });
      schedule();
      return result;
    },
    tell,
    usage: () => usage(),
    ended(view) {
      views.delete(view);
      schedule();
    },
  };

  const usage = (): Required<BrokerUsage> => ({
    bytes: rooms.bytes + table.bytes + states.bytes,
    bytesMax: limits.bytesMax + limits.presenceBytesMax + limits.stateBytesMax,
    presenceBytes: table.bytes,
    stateBytes: states.bytes,
    states: states.count,
    channels: rooms.count,
    members: table.count,
  });

  return {
    connect(nodeId) {
      const view = new MemoryNode(hub, nodeId);
      views.add(view);
      schedule();
      return view;
    },
    figures() {
      expire();
      states.expire(clock.nowMs());
      return usage();
    },
    close() {
      for (const view of views) view.end();
      rooms.clear();
    },
  };
}

/**
 * At most one timer: if it is asked for an earlier time, it moves there; if for a later one, it
 * stays.
 */
function createTimer(clock: Clock): { at(dueMs: number, task: () => void): void; stop(): void } {
  let dueMs = Number.POSITIVE_INFINITY;
  let cancel = (): void => {};
  return {
    at(nextMs, task) {
      if (nextMs >= dueMs) return;
      cancel();
      dueMs = nextMs;
      cancel = clock.after(Math.max(0, nextMs - clock.nowMs()), () => {
        dueMs = Number.POSITIVE_INFINITY;
        task();
      });
    },
    stop() {
      cancel();
      dueMs = Number.POSITIVE_INFINITY;
    },
  };
}

/** Out of the fan-out, so that the other listeners are served first. */
function rethrow(clock: Clock, error: unknown): void {
  clock.defer(() => {
    throw error;
  });
}
