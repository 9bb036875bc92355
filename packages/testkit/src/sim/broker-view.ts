// Owns: one node's view of a run's broker: it has latency and can fail in each way that a real one
// can.

import type { StreamOptions } from "@holdfast/contract";
import type { SeededRandom } from "@holdfast/core";
import {
  type Broker,
  BrokerError,
  type BusMessage,
  type ChannelListener,
  type MemoryBrokerNode,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { BrokerTruth } from "./broker-truth.ts";
import type { EventLoop, SimProcess } from "./event-loop.ts";

export interface BrokerFaults {
  /** One way, between a node and the broker. */
  latencyMs: number;
  jitterMs: number;
  /** Probability that a call fails before it took effect. */
  failBefore: number;
  /** Probability that a call takes effect and its answer is lost. */
  failAfter: number;
  /**
   * What listeners are told comes over a connection of its own, as with Redis: it overtakes answers
   * and is overtaken.
   */
  readonly feedApart: boolean;
  /** After how long a call without an answer is given up. */
  readonly timeoutMs: number;
}

interface ViewOptions {
  readonly nodeId: string;
  readonly process: SimProcess;
  readonly broker: SimProcess;
  readonly loop: EventLoop;
  readonly random: SeededRandom;
  readonly faults: BrokerFaults;
  readonly truth: BrokerTruth;
  connect(): MemoryBrokerNode;
  ended(): void;
}

const RECONNECT_MS = 500;

/**
 * One node's connection to the broker: ordered in both directions, as one TCP connection is; it can
 * be cut, and comes back with its subscriptions.
 */
export class FaultyView implements Broker {
  /** The broker of a run outlives every node. */
  readonly durable = true;
  readonly sharesRoom = true;
  readonly presence: Broker["presence"];
  readonly states: Broker["states"];
  readonly bus: Broker["bus"];
  /** Publications on their way to this node that get lost, one for each count. */
  holes = 0;
  /** When the connection was made again last. */
  reachedMs = 0;
  /** Told when a read of history begins; the result is called when it has ended. */
  onRead: (channel: string) => () => void = () => () => {};
  readonly #options: ViewOptions;
  readonly #subscriptions = new Map<
    string,
    { readonly stream: StreamOptions; readonly listener: ChannelListener }
  >();
  readonly #pending = new Set<(error: BrokerError) => void>();
  readonly #reconnectTasks: (() => void)[] = [];
  readonly #busListeners: ((message: BusMessage) => void)[] = [];
  #core: MemoryBrokerNode;
  /** Counts connections: what was sent over an earlier one does not arrive. */
  #connection = 1;
  #reached = true;
  #closed = false;
  #toBrokerMs = 0;
  #toNodeMs = 0;
  #feedMs = 0;

  constructor(options: ViewOptions) {
    this.#options = options;
    this.#core = this.#connect();
    this.presence = {
      enter: (channel, member, owner, options) =>
        this.#call((core) => core.presence.enter(channel, member, owner, options)),
      leave: (channel, member, owner, graceMs) =>
        this.#call((core) => core.presence.leave(channel, member, owner, graceMs)),
      members: (channel, query) => this.#call((core) => core.presence.members(channel, query)),
      renew: (nodeId, ttlMs) => this.#call((core) => core.presence.renew(nodeId, ttlMs)),
    };
    this.states = {
      take: (...args) => this.#call((core) => core.states.take(...args)),
      write: (...args) => this.#call((core) => core.states.write(...args)),
      renew: (...args) => this.#call((core) => core.states.renew(...args)),
      release: (...args) => this.#call((core) => core.states.release(...args)),
      read: (...args) => this.#call((core) => core.states.read(...args)),
      list: (...args) => this.#call((core) => core.states.list(...args)),
    };
    this.bus = {
      send: (message) => this.#call((core) => core.bus.send(message)),
      listen: (listener) => void this.#busListeners.push(listener),
    };
  }

  /** Whether the connection stands. */
  get reached(): boolean {
    return this.#reached;
  }

  publish(
    ...[channel, stream, request]: Parameters<Broker["publish"]>
  ): ReturnType<Broker["publish"]> {
    return this.#call(async (core) => {
      const result = await core.publish(channel, stream, request);
      this.#options.truth.took(channel, stream, request, result);
      return result;
    });
  }

  subscribe(
    channel: string,
    stream: StreamOptions,
    listener: ChannelListener,
  ): ReturnType<Broker["subscribe"]> {
    this.#subscriptions.set(channel, { stream, listener });
    return this.#call((core) => this.#subscribeAt(core, channel, { stream, listener }));
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.delete(channel);
    // Behind everything sent; whoever subscribed again meanwhile has replaced the subscription.
    this.#toBroker(this.#connection, () => {
      if (!this.#subscriptions.has(channel)) this.#core.unsubscribe(channel);
    });
  }

  history(...args: Parameters<Broker["history"]>): ReturnType<Broker["history"]> {
    const ended = this.onRead(args[0]);
    const reading = this.#call((core) => core.history(...args));
    reading.then(ended, ended);
    return reading;
  }

  removeHistory(channel: string, stream: StreamOptions): ReturnType<Broker["removeHistory"]> {
    return this.#call(async (core) => {
      const position = await core.removeHistory(channel, stream);
      this.#options.truth.removed(channel, position);
      return position;
    });
  }

  channels(query: Parameters<Broker["channels"]>[0]): ReturnType<Broker["channels"]> {
    return this.#call((core) => core.channels(query));
  }

  onReconnect(task: () => void): void {
    this.#reconnectTasks.push(task);
  }

  probe(): Promise<void> {
    return this.#call((core) => core.probe());
  }

  usage(): ReturnType<Broker["usage"]> {
    return this.#core.usage();
  }

  async close(): Promise<void> {
    this.end();
  }

  /** The node's process is gone, or closed its connection. */
  end(): void {
    this.#closed = true;
    this.#subscriptions.clear();
    this.#lose(new BrokerError("closed", "the broker's connection was closed"));
    this.#options.ended();
  }

  /**
   * The connection breaks; calls are refused until it comes back. What was under way may have taken
   * effect.
   */
  cut(): void {
    if (this.#reached)
      this.#lose(new BrokerError("unavailable", "the connection to the broker broke"));
  }

  /** A new connection after `ms`: subscriptions are made again, then the node is told. */
  reconnectAfter(ms: number): void {
    this.#options.process.at(ms, () => {
      if (this.#reached || this.#closed) return;
      this.#reached = true;
      this.reachedMs = this.#options.loop.nowMs;
      this.#connection += 1;
      this.#core = this.#connect();
      const made = [...this.#subscriptions].map(([channel, { stream, listener }]) =>
        this.#call((core) => this.#subscribeAt(core, channel, { stream, listener }), {
          certain: true,
        }),
      );
      const connection = this.#connection;
      Promise.all(made).then(
        () => {
          if (connection === this.#connection && this.#reached)
            for (const task of this.#reconnectTasks) task();
        },
        () => {
          // It did not come about: the connection is given up and another one tried.
          if (connection !== this.#connection) return;
          this.cut();
          this.reconnectAfter(RECONNECT_MS);
        },
      );
    });
  }

  #lose(error: BrokerError): void {
    this.#reached = false;
    this.#core.close();
    for (const fail of [...this.#pending]) fail(error);
  }

  #connect(): MemoryBrokerNode {
    const core = this.#options.connect();
    const connection = this.#connection;
    core.bus.listen((message) =>
      this.#toNode(connection, () => {
        for (const listener of this.#busListeners) listener(message);
      }),
    );
    return core;
  }

  /**
   * There and back: the call takes effect at the broker after one way and settles at the node after
   * the other.
   */
  #call<T>(effect: (core: MemoryBrokerNode) => Promise<T>, { certain = false } = {}): Promise<T> {
    if (this.#closed)
      return Promise.reject(new BrokerError("closed", "the broker's connection was closed"));
    if (!this.#reached)
      return Promise.reject(new BrokerError("unavailable", "the broker is out of reach"));
    const { random, faults, process, truth } = this.#options;
    const failBefore = random.next() < faults.failBefore && !certain;
    const failAfter = random.next() < faults.failAfter && !certain;
    const connection = this.#connection;
    return new Promise<T>((resolve, reject) => {
      const cancel = process.clock.after(faults.timeoutMs, () =>
        fail(new BrokerError("timeout", "the broker did not answer in time")),
      );
      const settle = (finish: () => void): void => {
        if (!this.#pending.delete(fail)) return;
        cancel();
        finish();
      };
      const fail = (error: BrokerError): void => settle(() => reject(error));
      this.#pending.add(fail);
      if (failBefore) {
        truth.note(this.#options.nodeId, "call lost");
        return;
      }
      this.#toBroker(connection, () => {
        effect(this.#core).then(
          (value) => {
            if (failAfter) truth.note(this.#options.nodeId, "answer lost");
            else this.#toNode(connection, () => settle(() => resolve(value)));
          },
          (error) => this.#toNode(connection, () => settle(() => reject(error))),
        );
      });
    });
  }

  async #subscribeAt(
    core: MemoryBrokerNode,
    channel: string,
    { stream, listener }: { readonly stream: StreamOptions; readonly listener: ChannelListener },
  ): Promise<Position> {
    const position = await core.subscribe(channel, stream, this.#behindNetwork(channel, listener));
    this.#options.truth.seen(channel, stream, position.epoch);
    return position;
  }

  #behindNetwork(channel: string, listener: ChannelListener): ChannelListener {
    const connection = this.#connection;
    const tell = (task: () => void): void =>
      this.#feed(connection, () => {
        if (this.#subscriptions.get(channel)?.listener === listener) task();
      });
    return {
      publication: (publication, epoch) => {
        if (this.holes > 0) {
          this.holes -= 1;
          this.#options.truth.note(
            this.#options.nodeId,
            `hole at ${channel} ${publication.offset}`,
          );
          return;
        }
        tell(() => listener.publication(publication, epoch));
      },
      removed: (offset, epoch) => tell(() => listener.removed(offset, epoch)),
      presence: (change) => tell(() => listener.presence(change)),
    };
  }

  #toBroker(connection: number, task: () => void): void {
    const { broker, loop } = this.#options;
    this.#toBrokerMs = Math.max(this.#toBrokerMs, loop.nowMs + this.#delayMs());
    broker.at(this.#toBrokerMs - loop.nowMs, () => {
      if (connection === this.#connection && this.#reached) task();
    });
  }

  #toNode(connection: number, task: () => void): void {
    this.#toNodeMs = Math.max(this.#toNodeMs, this.#options.loop.nowMs + this.#delayMs());
    this.#arrive(connection, this.#toNodeMs, task);
  }

  /** To a listener. */
  #feed(connection: number, task: () => void): void {
    const { faults, loop } = this.#options;
    if (!faults.feedApart) return this.#toNode(connection, task);
    this.#feedMs = Math.max(this.#feedMs, loop.nowMs + this.#delayMs());
    this.#arrive(connection, this.#feedMs, task);
  }

  #arrive(connection: number, atMs: number, task: () => void): void {
    const { process, loop } = this.#options;
    process.at(atMs - loop.nowMs, () => {
      if (connection === this.#connection && this.#reached) task();
    });
  }

  #delayMs(): number {
    const { faults, random } = this.#options;
    return faults.latencyMs + random.next() * faults.jitterMs;
  }
}
