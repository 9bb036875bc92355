// Owns: a node's end of the broker link: the Broker port over a connection that may be lost and
// then reconnects.
import type { StreamOptions } from "@holdfast/contract";
import {
  type Broker,
  BrokerError,
  type BrokerUsage,
  type BusMessage,
  type ChannelListener,
  type Clock,
  type HistoryPage,
  type HistoryQuery,
  type PublishRequest,
  type PublishResult,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { LinkClientEvent, LinkClientLimits, LinkClientOptions } from "./connect-link.ts";
import { LinkDialer } from "./link-dialer.ts";
import { LinkRequests } from "./link-requests.ts";
import type { LinkSocket } from "./link-socket.ts";
import { linkStates } from "./link-states.ts";
import {
  type LinkSubscription,
  LinkSubscriptions,
  subscribeMessage,
} from "./link-subscriptions.ts";
import {
  count,
  flag,
  LINK,
  LinkFault,
  type LinkMessage,
  list,
  memberWireBytes,
  readBus,
  readChange,
  readMembersPage,
  readPage,
  readPosition,
  readPublication,
  readUsage,
  text,
  wireBytes,
  writeBus,
  writeEnterOptions,
  writeMember,
  writeQuery,
  writeRequest,
  writeStream,
} from "./link-wire.ts";

/** See `connectLink`. Not connected until `start`. */
export class LinkClient implements Broker {
  readonly durable = false;
  readonly sharesRoom = true;
  readonly presence: Broker["presence"];
  readonly states: Broker["states"];
  readonly bus: Broker["bus"];
  readonly #clock: Clock;
  readonly #limits: LinkClientLimits;
  readonly #onEvent: (event: LinkClientEvent) => void;
  readonly #onBug: (error: unknown) => void;
  readonly #dialer: LinkDialer;
  readonly #requests: LinkRequests;
  readonly #subscriptions = new LinkSubscriptions();
  readonly #reconnectTasks: (() => void)[] = [];
  readonly #busListeners: ((message: BusMessage) => void)[] = [];
  #wasReached = false;
  /** Set while every subscription exists. */
  #link: LinkSocket | undefined;
  #usage: BrokerUsage | undefined;
  #closed = false;

  constructor(
    options: LinkClientOptions,
    limits: LinkClientLimits,
    onEvent: (event: LinkClientEvent) => void,
  ) {
    this.#clock = options.clock;
    this.#limits = limits;
    this.#onEvent = onEvent;
    this.#onBug = options.onBug ?? ((error) => rethrow(options.clock, error));
    this.#requests = new LinkRequests({
      clock: options.clock,
      timeoutMs: limits.requestMs,
      countMax: limits.requestsMax,
    });
    this.#dialer = new LinkDialer({
      ...options,
      ...limits,
      limits,
      handlers: {
        welcomed: (link) => void this.#join(link),
        message: (message) => this.#handle(message),
        lost: (reason) => this.#lose(reason),
      },
    });
    this.presence = this.#presenceStore();
    this.states = linkStates((write, bytes) => this.#request(write, bytes));
    this.bus = {
      send: async (message) => {
        const written = writeBus(message);
        await this.#request((id) => [LINK.bus, id, written], wireBytes(undefined, written));
      },
      listen: (listener) => void this.#busListeners.push(listener),
    };
  }

  start(): void {
    this.#dialer.dial();
  }

  async publish(
    channel: string,
    stream: StreamOptions,
    request: PublishRequest,
  ): Promise<PublishResult> {
    const { payload, key, user, session, idempotencyKey, party, meta } = request;
    const bytes =
      wireBytes(payload, channel, key, user, session, idempotencyKey, party) +
      (meta?.byteLength ?? 0);
    const [epoch, offset, duplicate] = list(
      await this.#request(
        (id) => [LINK.publish, id, channel, writeStream(stream), writeRequest(request)],
        bytes,
      ),
    );
    return { position: { epoch: text(epoch), offset: count(offset) }, duplicate: flag(duplicate) };
  }

  async subscribe(
    channel: string,
    stream: StreamOptions,
    listener: ChannelListener,
  ): Promise<Position> {
    this.#demand();
    const subscription = this.#subscriptions.add(channel, stream, listener);
    try {
      return readPosition(
        await this.#request((id) => subscribeMessage(id, subscription), 3 * channel.length),
      );
    } catch (error) {
      // The supervisor may have made the subscription, and only the answer is late. It must not
      // stay without a listener.
      if (this.#subscriptions.has(subscription)) this.unsubscribe(channel);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    if (this.#subscriptions.remove(channel))
      this.#link?.send([LINK.unsubscribe, channel], 3 * channel.length);
  }

  async history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage> {
    return readPage(
      await this.#request(
        (id) => [LINK.history, id, channel, writeStream(stream), writeQuery(query)],
        3 * channel.length,
      ),
    );
  }

  async removeHistory(channel: string, stream: StreamOptions): Promise<Position> {
    return readPosition(
      await this.#request(
        (id) => [LINK.removeHistory, id, channel, writeStream(stream)],
        3 * channel.length,
      ),
    );
  }

  async channels(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]> {
    return list(
      await this.#request(
        (id) => [LINK.channels, id, query.prefix, query.after ?? null, query.limit],
        512,
      ),
    ).map(text);
  }

  onReconnect(task: () => void): void {
    this.#reconnectTasks.push(task);
  }

  async probe(): Promise<void> {
    this.#usage = readUsage(await this.#request((id) => [LINK.probe, id], 0));
  }

  usage(): BrokerUsage | undefined {
    return this.#usage;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#link = undefined;
    this.#subscriptions.clear();
    this.#requests.failAll(new BrokerError("closed", "the broker link was closed"));
    await this.#dialer.stop();
  }

  #presenceStore(): Broker["presence"] {
    return {
      enter: async (channel, member, owner, options = {}) => {
        const how = writeEnterOptions(options);
        await this.#request(
          (id) => [LINK.enter, id, channel, writeMember(member), owner, how],
          wireBytes(undefined, channel, owner, options.party) + memberWireBytes(member),
        );
      },
      leave: async (channel, member, owner, graceMs) => {
        await this.#request(
          (id) => [LINK.leave, id, channel, member, owner, graceMs],
          wireBytes(undefined, channel, member, owner),
        );
      },
      members: async (channel, query = {}) =>
        readMembersPage(
          await this.#request(
            (id) => [LINK.members, id, channel, query.cursor ?? null, query.bytesMax ?? null],
            wireBytes(undefined, channel, query.cursor),
          ),
        ),
      renew: async (nodeId, ttlMs) => {
        await this.#request((id) => [LINK.renew, id, nodeId, ttlMs], 256);
      },
    };
  }

  /** Sends one request and waits for its answer. `bytes` is an estimate of its size. */
  async #request(write: (id: number) => LinkMessage, bytes: number): Promise<unknown> {
    const link = this.#demand();
    if (bytes > this.#limits.frameBytesMax)
      throw new BrokerError("internal", "the call is larger than a frame of the broker link");
    if (this.#requests.isFull || link.waitingBytes + bytes > this.#limits.queueBytesMax) {
      throw new BrokerError("busy", "too many calls wait for the broker");
    }
    return this.#requests.make((id) => link.send(write(id), bytes));
  }

  #demand(): LinkSocket {
    if (this.#closed) throw new BrokerError("closed", "the broker link was closed");
    if (this.#link === undefined)
      throw new BrokerError("unavailable", "the broker's supervisor is out of reach");
    return this.#link;
  }

  /** Makes every subscription again. Only after that the link counts as reached. */
  async #join(link: LinkSocket): Promise<void> {
    const joining: readonly LinkSubscription[] = this.#subscriptions.all();
    try {
      await Promise.all(
        joining.map((subscription) =>
          this.#requests.make((id) =>
            link.send(subscribeMessage(id, subscription), 3 * subscription.channel.length),
          ),
        ),
      );
    } catch (error) {
      link.cut(
        error instanceof BrokerError ? error.message : "subscriptions could not be made again",
      );
      return;
    }
    if (this.#closed) return;
    this.#link = link;
    this.#dialer.settled();
    // Subscriptions that ended while they were being made again.
    for (const subscription of joining) {
      const { channel } = subscription;
      if (!this.#subscriptions.has(subscription))
        link.send([LINK.unsubscribe, channel], 3 * channel.length);
    }
    this.#onEvent({ kind: "reached" });
    if (this.#wasReached) {
      this.#clock.defer(() => {
        if (this.#link === link) for (const task of this.#reconnectTasks) this.#guard(task);
      });
    }
    this.#wasReached = true;
  }

  #lose(reason: string): void {
    const stood = this.#link !== undefined;
    this.#link = undefined;
    this.#requests.failAll(new BrokerError("unavailable", `the broker link was lost: ${reason}`));
    if (!this.#closed) this.#onEvent({ kind: stood ? "lost" : "failed", reason });
  }

  #handle(message: LinkMessage): void {
    if (this.#closed) return;
    const [type, first, second, third] = message;
    switch (type) {
      case LINK.ok:
      case LINK.failed:
        return this.#requests.settle(message);
      case LINK.publication: {
        const publication = readPublication(third);
        const epoch = text(second);
        const listener = this.#subscriptions.listenerOf(count(first));
        return this.#guard(() => listener?.publication(publication, epoch));
      }
      case LINK.removed: {
        const [epoch, offset] = [text(second), count(third)];
        const listener = this.#subscriptions.listenerOf(count(first));
        return this.#guard(() => listener?.removed(offset, epoch));
      }
      case LINK.presence: {
        const change = readChange(second, third);
        const listener = this.#subscriptions.listenerOf(count(first));
        return this.#guard(() => listener?.presence(change));
      }
      case LINK.heard: {
        const heard = readBus(first);
        for (const listener of this.#busListeners) this.#guard(() => listener(heard));
        return;
      }
      default:
        throw new LinkFault(`a message of type ${type}`);
    }
  }

  /** An error of a listener must not end the link. */
  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#onBug(error);
    }
  }
}

function rethrow(clock: Clock, error: unknown): void {
  clock.defer(() => {
    throw error;
  });
}
