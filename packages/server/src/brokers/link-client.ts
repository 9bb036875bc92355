// Owns: a node's end of the broker link: the Broker port over a connection that may be lost and made again.
import {
  type Broker,
  BrokerError,
  type BusMessage,
  type ChannelListener,
  type Clock,
  type HistoryPage,
  type HistoryQuery,
  type PresenceMember,
  type PublishRequest,
  type PublishResult,
  type Random,
  type StreamOptions,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { LinkEndpoint } from "./link-address.ts";
import { LinkDialer } from "./link-dialer.ts";
import { LinkRequests } from "./link-requests.ts";
import { LINK_SOCKET_LIMITS, type LinkSocket, type LinkSocketLimits } from "./link-socket.ts";
import {
  count,
  flag,
  LINK,
  LinkFault,
  type LinkMessage,
  list,
  payloadWireBytes,
  readBus,
  readChange,
  readMember,
  readPage,
  readPosition,
  readPublication,
  text,
  writeBus,
  writeMember,
  writeQuery,
  writeRequest,
  writeStream,
} from "./link-wire.ts";

export interface LinkClientLimits extends LinkSocketLimits {
  /** How long an answer may take; then BrokerError "timeout". */
  readonly requestMs: number;
  /** Requests without an answer. Beyond, BrokerError "limit". */
  readonly requestsMax: number;
  /** How long one attempt to connect, and to make every subscription again, may take. */
  readonly connectMs: number;
  /** How long the first connection may take, over several attempts; then `connectLink` rejects. */
  readonly firstConnectMs: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export const LINK_CLIENT_LIMITS: LinkClientLimits = {
  ...LINK_SOCKET_LIMITS,
  requestMs: 5_000,
  requestsMax: 100_000,
  connectMs: 5_000,
  firstConnectMs: 10_000,
  backoffMs: 25,
  backoffMsMax: 1_000,
};

/** `reached`: the link stands. `lost`: it stood. `failed`: an attempt to make it failed; the next one follows. */
export type LinkClientEvent = { readonly kind: "reached" } | { readonly kind: "lost" | "failed"; readonly reason: string };

export interface LinkClientOptions {
  readonly endpoint: LinkEndpoint;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<LinkClientLimits>;
  /** For the log. */
  readonly onEvent?: (event: LinkClientEvent) => void;
  /** Told what a listener or a reconnect task threw. Without it the error is thrown again from a deferred task: a listener must not throw. */
  readonly onBug?: (error: unknown) => void;
}

/**
 * Connects a node to its supervisor's broker. Resolves when the link stands; rejects with BrokerError "unavailable" after
 * `firstConnectMs`. When the link is lost afterwards, what waits for an answer and every call until it stands again are refused with
 * "unavailable"; it is made again by itself, as often as it takes, and every subscription with it, before the `onReconnect` tasks run.
 */
export function connectLink(options: LinkClientOptions): Promise<Broker> {
  const limits: LinkClientLimits = { ...LINK_CLIENT_LIMITS, ...options.limits };
  return new Promise((resolve, reject) => {
    let reason = "no answer";
    const client = new LinkClient(options, limits, (event) => {
      if (event.kind === "reached") {
        cancel();
        resolve(client);
      } else reason = event.reason;
      options.onEvent?.(event);
    });
    const cancel = options.clock.after(limits.firstConnectMs, () => {
      void client.close();
      reject(new BrokerError("unavailable", `the broker's supervisor could not be reached: ${reason}`));
    });
    client.start();
  });
}

interface Subscription {
  readonly channel: string;
  /** Names it in events; never used again. */
  readonly number: number;
  readonly stream: StreamOptions;
  readonly listener: ChannelListener;
}

class LinkClient implements Broker {
  readonly durable = false;
  readonly presence: Broker["presence"];
  readonly bus: Broker["bus"];
  readonly #clock: Clock;
  readonly #limits: LinkClientLimits;
  readonly #onEvent: (event: LinkClientEvent) => void;
  readonly #onBug: (error: unknown) => void;
  readonly #dialer: LinkDialer;
  readonly #requests: LinkRequests;
  readonly #byChannel = new Map<string, Subscription>();
  readonly #byNumber = new Map<number, Subscription>();
  readonly #reconnectTasks: (() => void)[] = [];
  readonly #busListeners: ((message: BusMessage) => void)[] = [];
  #lastNumber = 0;
  #wasReached = false;
  /** Set while every subscription stands. */
  #link: LinkSocket | undefined;
  #closed = false;

  constructor(options: LinkClientOptions, limits: LinkClientLimits, onEvent: (event: LinkClientEvent) => void) {
    this.#clock = options.clock;
    this.#limits = limits;
    this.#onEvent = onEvent;
    this.#onBug = options.onBug ?? ((error) => rethrow(options.clock, error));
    this.#requests = new LinkRequests({ clock: options.clock, timeoutMs: limits.requestMs, countMax: limits.requestsMax });
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
    this.bus = {
      send: async (message) => void (await this.#request((id) => [LINK.bus, id, writeBus(message)], 256)),
      listen: (listener) => void this.#busListeners.push(listener),
    };
  }

  start(): void {
    this.#dialer.dial();
  }

  async publish(channel: string, stream: StreamOptions, request: PublishRequest): Promise<PublishResult> {
    const bytes = 3 * channel.length + payloadWireBytes(request.payload);
    const [epoch, offset, duplicate] = list(
      await this.#request((id) => [LINK.publish, id, channel, writeStream(stream), writeRequest(request)], bytes),
    );
    return { position: { epoch: text(epoch), offset: count(offset) }, duplicate: flag(duplicate) };
  }

  async subscribe(channel: string, stream: StreamOptions, listener: ChannelListener): Promise<Position> {
    this.#demand();
    this.#lastNumber += 1;
    const subscription: Subscription = { channel, number: this.#lastNumber, stream, listener };
    this.#forget(channel);
    this.#byChannel.set(channel, subscription);
    this.#byNumber.set(subscription.number, subscription);
    try {
      return readPosition(await this.#request((id) => subscribeMessage(id, subscription), 3 * channel.length));
    } catch (error) {
      // It may have been made and only the answer be late: it must not live on without its listener being known.
      if (this.#byChannel.get(channel) === subscription) this.unsubscribe(channel);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    if (this.#forget(channel)) this.#link?.send([LINK.unsubscribe, channel], 3 * channel.length);
  }

  async history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage> {
    return readPage(await this.#request((id) => [LINK.history, id, channel, writeStream(stream), writeQuery(query)], 3 * channel.length));
  }

  async removeHistory(channel: string, stream: StreamOptions): Promise<Position> {
    return readPosition(await this.#request((id) => [LINK.removeHistory, id, channel, writeStream(stream)], 3 * channel.length));
  }

  async channels(query: { readonly prefix: string; readonly after?: string; readonly limit: number }): Promise<readonly string[]> {
    return list(await this.#request((id) => [LINK.channels, id, query.prefix, query.after ?? null, query.limit], 512)).map(text);
  }

  onReconnect(task: () => void): void {
    this.#reconnectTasks.push(task);
  }

  async probe(): Promise<void> {
    await this.#request((id) => [LINK.probe, id], 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#link = undefined;
    this.#byChannel.clear();
    this.#byNumber.clear();
    this.#requests.failAll(new BrokerError("closed", "the broker link was closed"));
    await this.#dialer.stop();
  }

  #presenceStore(): Broker["presence"] {
    return {
      enter: async (channel, member, owner) => {
        await this.#request((id) => [LINK.enter, id, channel, writeMember(member), owner], 1024 + payloadWireBytes(member.data));
      },
      leave: async (channel, member, owner, graceMs) => {
        await this.#request((id) => [LINK.leave, id, channel, member, owner, graceMs], 1024);
      },
      members: async (channel): Promise<readonly PresenceMember[]> =>
        list(await this.#request((id) => [LINK.members, id, channel], 3 * channel.length)).map(readMember),
      renew: async (nodeId, ttlMs) => {
        await this.#request((id) => [LINK.renew, id, nodeId, ttlMs], 256);
      },
    };
  }

  /** Sends one request and waits for its answer. `bytes` is an estimate of its size. */
  async #request(write: (id: number) => LinkMessage, bytes: number): Promise<unknown> {
    const link = this.#demand();
    if (bytes > this.#limits.frameBytesMax) throw new BrokerError("limit", "the request is too large for the broker link");
    if (this.#requests.isFull || link.waitingBytes + bytes > this.#limits.queueBytesMax) {
      throw new BrokerError("limit", "too many requests wait for the broker");
    }
    return this.#requests.make((id) => link.send(write(id), bytes));
  }

  #demand(): LinkSocket {
    if (this.#closed) throw new BrokerError("closed", "the broker link was closed");
    if (this.#link === undefined) throw new BrokerError("unavailable", "the broker's supervisor is out of reach");
    return this.#link;
  }

  /** Makes every subscription again; only then the link counts as reached. */
  async #join(link: LinkSocket): Promise<void> {
    const joining = [...this.#byChannel.values()];
    try {
      await Promise.all(
        joining.map((subscription) =>
          this.#requests.make((id) => link.send(subscribeMessage(id, subscription), 3 * subscription.channel.length)),
        ),
      );
    } catch (error) {
      link.cut(error instanceof BrokerError ? error.message : "subscriptions could not be made again");
      return;
    }
    if (this.#closed) return;
    this.#link = link;
    this.#dialer.settled();
    for (const { channel, number } of joining) {
      if (!this.#byNumber.has(number)) link.send([LINK.unsubscribe, channel], 3 * channel.length);
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

  #forget(channel: string): boolean {
    const subscription = this.#byChannel.get(channel);
    if (subscription === undefined) return false;
    this.#byNumber.delete(subscription.number);
    return this.#byChannel.delete(channel);
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
        const listener = this.#byNumber.get(count(first))?.listener;
        return this.#guard(() => listener?.publication(publication, epoch));
      }
      case LINK.presence: {
        const change = readChange(second, third);
        const listener = this.#byNumber.get(count(first))?.listener;
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

  /** A listener's error is not the link's fault. */
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

const subscribeMessage = (id: number, { channel, stream, number }: Subscription): LinkMessage => [
  LINK.subscribe,
  id,
  channel,
  writeStream(stream),
  number,
];
