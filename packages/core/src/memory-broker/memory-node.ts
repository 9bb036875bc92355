// Owns: one node's view of the memory broker: the Broker port over the shared engines.

import type { StreamOptions } from "@holdfast/contract";
import type { Position } from "@holdfast/protocol";
import type {
  Broker,
  BrokerUsage,
  BusMessage,
  ChannelListener,
  Clock,
  HistoryPage,
  HistoryQuery,
  PresenceChange,
  PublishRequest,
  PublishResult,
} from "../ports.ts";
import { BrokerError } from "../ports.ts";
import type { FanOut, Place, Subscription } from "./fan-out.ts";
import { memoryStates } from "./memory-states.ts";
import type { PresenceTable } from "./presence-table.ts";
import type { Rooms } from "./rooms.ts";
import type { StateTable, StateTime } from "./state-table.ts";

/**
 * A node's view: its own listeners. `cut` and `heal` take the broker out of the node's reach and
 * back, as a network would.
 */
export interface MemoryBrokerNode extends Broker {
  /**
   * From now on every call is refused with "unavailable" and no listener is called; subscriptions
   * and presence entries stay.
   */
  cut(): void;
  /**
   * Ends `cut`: calls work, listeners are called for what happens from now on, and `onReconnect`
   * tasks run at the end of the turn.
   */
  heal(): void;
}

/** What a view needs of the broker behind it. */
export interface Hub {
  readonly clock: Clock;
  readonly fanOut: FanOut;
  readonly rooms: Rooms;
  readonly places: Set<Place>;
  /** Makes sure that a sweep is on its way. Cheap: called for every publish. */
  scheduleSweep(): void;
  /** Ends the graces and leases whose time has come, then runs a change of the table. */
  presence<T>(change: (table: PresenceTable, nowMs: number) => T): T;
  /** Ends the states whose time has come, then runs a change of the table. */
  states<T>(change: (table: StateTable, time: StateTime) => T): T;
  tell(channel: string, change: PresenceChange | undefined): void;
  usage(): BrokerUsage;
  ended(view: MemoryNode): void;
}

const ENTER_REFUSALS = {
  limit: "the channel has as many members as it may have",
  full: "the broker has as many members, bytes of them, or nodes as it may have",
  share: "the user or address has as much of presence as it may have",
} as const;

/** A view. Methods are async so that a refusal is a rejection. */
export class MemoryNode implements MemoryBrokerNode, Place {
  readonly nodeId: string;
  readonly durable = false;
  readonly sharesRoom = true;
  readonly presence: Broker["presence"];
  readonly states: Broker["states"];
  readonly bus: Broker["bus"];
  readonly #hub: Hub;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #reconnectTasks: (() => void)[] = [];
  readonly #busListeners: ((message: BusMessage) => void)[] = [];
  #closed = false;
  sinceSequence: number;

  constructor(hub: Hub, nodeId: string) {
    this.nodeId = nodeId;
    this.#hub = hub;
    this.sinceSequence = hub.fanOut.sequence;
    this.presence = this.#presenceStore();
    this.states = memoryStates(
      (change) => hub.states(change),
      () => this.#demand(),
    );
    this.bus = {
      send: async (message) => {
        this.#demand();
        hub.fanOut.bus(hub.places, message);
      },
      listen: (listener) => {
        this.#busListeners.push(listener);
      },
    };
    hub.places.add(this);
  }

  async publish(
    channel: string,
    stream: StreamOptions,
    request: PublishRequest,
  ): Promise<PublishResult> {
    this.#demand();
    const result = this.#hub.rooms.publish(channel, stream, request);
    this.#hub.scheduleSweep();
    return result;
  }

  async subscribe(
    channel: string,
    stream: StreamOptions,
    listener: ChannelListener,
  ): Promise<Position> {
    this.#demand();
    const subscription: Subscription = {
      place: this,
      listener,
      sinceSequence: this.#hub.fanOut.sequence,
    };
    const position = this.#hub.rooms.subscribe(channel, stream, subscription);
    const replaced = this.#subscriptions.get(channel);
    if (replaced !== undefined) this.#hub.rooms.unsubscribe(channel, replaced);
    this.#subscriptions.set(channel, subscription);
    this.#hub.scheduleSweep();
    return position;
  }

  unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) return;
    this.#subscriptions.delete(channel);
    this.#hub.rooms.unsubscribe(channel, subscription);
  }

  async history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage> {
    this.#demand();
    return this.#hub.rooms.page(channel, stream, query);
  }

  async removeHistory(channel: string, stream: StreamOptions): Promise<Position> {
    this.#demand();
    return this.#hub.rooms.removeHistory(channel, stream);
  }

  async channels(query: Parameters<Broker["channels"]>[0]): Promise<readonly string[]> {
    this.#demand();
    return this.#hub.rooms.names(query);
  }

  onReconnect(task: () => void): void {
    this.#reconnectTasks.push(task);
  }

  async probe(): Promise<void> {
    this.#demand();
    this.#hub.rooms.probe();
  }

  usage(): BrokerUsage {
    return this.#hub.usage();
  }

  async close(): Promise<void> {
    this.end();
  }

  cut(): void {
    this.sinceSequence = Number.POSITIVE_INFINITY;
  }

  heal(): void {
    if (this.#isReached || this.#closed) return;
    this.sinceSequence = this.#hub.fanOut.sequence;
    this.#hub.clock.defer(() => {
      if (this.#isReached) for (const task of this.#reconnectTasks) task();
    });
  }

  hear(message: BusMessage): void {
    for (const listener of this.#busListeners) listener(message);
  }

  end(): void {
    for (const channel of [...this.#subscriptions.keys()]) this.unsubscribe(channel);
    this.#closed = true;
    this.sinceSequence = Number.POSITIVE_INFINITY;
    this.#hub.places.delete(this);
    this.#hub.ended(this);
  }

  get #isReached(): boolean {
    return this.sinceSequence < Number.POSITIVE_INFINITY;
  }

  #demand(): void {
    if (this.#closed) throw new BrokerError("closed", "the broker's connection was closed");
    if (!this.#isReached) throw new BrokerError("unavailable", "the broker is out of reach");
  }

  #presenceStore(): Broker["presence"] {
    const hub = this.#hub;
    return {
      enter: async (channel, member, owner, options) => {
        this.#demand();
        const change = hub.presence((table, nowMs) =>
          table.enter(channel, member, owner, { ...options, nowMs }),
        );
        if (typeof change === "string") throw new BrokerError(change, ENTER_REFUSALS[change]);
        hub.tell(channel, change);
      },
      leave: async (channel, member, owner, graceMs) => {
        this.#demand();
        hub.tell(
          channel,
          hub.presence((table, nowMs) => table.leave(channel, member, owner, { graceMs, nowMs })),
        );
      },
      members: async (channel, query) => {
        this.#demand();
        return hub.presence((table) => table.members(channel, query));
      },
      renew: async (nodeId, ttlMs) => {
        this.#demand();
        if (!hub.presence((table, nowMs) => table.renew(nodeId, ttlMs, nowMs)))
          throw new BrokerError("full", "the broker has as many nodes as it may have");
      },
    };
  }
}
