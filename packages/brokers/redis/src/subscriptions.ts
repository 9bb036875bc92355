// Owns: this node's subscriptions to channels: they begin without missing anything, pass on in
// offset order, and notice missed publications.
import type { StreamOptions } from "@holdfast/contract";
import { BrokerError, type ChannelListener, type Clock } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { Feeds } from "./feeds.ts";
import { type ChannelKeys, channelKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import type { Streams } from "./streams.ts";
import { type FeedEvent, readFeed } from "./wire.ts";

interface Subscription {
  readonly channel: string;
  readonly keys: ChannelKeys;
  readonly stream: StreamOptions;
  readonly listener: ChannelListener;
  /** Messages that came before the position was known; undefined afterwards. */
  early: FeedEvent[] | undefined;
  /** The last position that the listener was told. */
  epoch: string;
  offset: number;
  /** The head when the listener was last asked to compare its position. */
  checked: Position;
}

export interface SubscriptionsOptions {
  readonly prefix: string;
  readonly clock: Clock;
  readonly limits: RedisLimits;
  readonly feeds: Feeds;
  readonly streams: Streams;
  /** A publication was missed: every position must be compared. */
  readonly onMissed: () => void;
  readonly onBug: (error: unknown) => void;
}

/**
 * Most messages held while a position is asked for. The oldest are dropped: nodes read missing ones
 * from history.
 */
const EARLY_MAX = 10_000;
const VERIFY_TICK_MS = 1_000;
/** Most positions asked for at once. */
const POSITIONS_AT_ONCE = 200;

export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #byChannel = new Map<string, Subscription>();
  readonly #byFeed = new Map<string, Subscription>();
  /** Heads that were ahead of the listener at the last check. */
  readonly #suspects = new Map<Subscription, Position>();
  #round: Iterator<Subscription> | undefined;
  #cancelVerify: () => void;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
    this.#cancelVerify = options.clock.after(VERIFY_TICK_MS, () => void this.#verify());
  }

  get channels(): Iterable<string> {
    return this.#byChannel.keys();
  }

  /** See `Broker.subscribe`. */
  async subscribe(
    channel: string,
    stream: StreamOptions,
    listener: ChannelListener,
  ): Promise<Position> {
    const { feeds, streams } = this.#options;
    const keys = channelKeys(this.#options.prefix, channel);
    const subscription: Subscription = {
      channel,
      keys,
      stream,
      listener,
      early: [],
      epoch: "",
      offset: 0,
      checked: { epoch: "", offset: 0 },
    };
    this.#byChannel.set(channel, subscription);
    this.#byFeed.set(keys.feed, subscription);
    try {
      await feeds.want({
        name: keys.feed,
        slot: keys.slot,
        onMessage: (message) => this.#hear(keys.feed, message),
      });
      const position = await streams.position(keys, stream);
      this.#begin(subscription, position);
      return position;
    } catch (error) {
      if (this.#byChannel.get(channel) === subscription) this.unsubscribe(channel);
      throw error;
    }
  }

  unsubscribe(channel: string): void {
    const subscription = this.#byChannel.get(channel);
    if (subscription === undefined) return;
    this.#byChannel.delete(channel);
    this.#byFeed.delete(subscription.keys.feed);
    this.#suspects.delete(subscription);
    this.#options.feeds.unwant(subscription.keys.feed);
  }

  /**
   * Tells the servers the last positions of these feeds' listeners. A server that knows less jumps
   * ahead before anybody publishes more. Rejects with BrokerError.
   */
  async renew(feeds: readonly string[]): Promise<void> {
    const { streams } = this.#options;
    for (let from = 0; from < feeds.length; from += POSITIONS_AT_ONCE) {
      const part = feeds
        .slice(from, from + POSITIONS_AT_ONCE)
        .flatMap((name) => this.#byFeed.get(name) ?? []);
      await Promise.all(
        part.map(async (subscription) => {
          subscription.checked = await streams.position(
            subscription.keys,
            subscription.stream,
            told(subscription),
          );
        }),
      );
    }
  }

  close(): void {
    this.#cancelVerify();
    this.#byChannel.clear();
    this.#byFeed.clear();
    this.#suspects.clear();
  }

  #hear(feed: string, message: Buffer): void {
    const subscription = this.#byFeed.get(feed);
    if (subscription === undefined) return;
    const event = readFeed(message);
    if (subscription.early === undefined) return this.#handOn(subscription, event);
    if (subscription.early.length >= EARLY_MAX) subscription.early.shift();
    subscription.early.push(event);
  }

  /**
   * Early messages after the position are passed on in their own turn. Messages that come meanwhile
   * wait for them.
   */
  #begin(subscription: Subscription, { epoch, offset }: Position): void {
    subscription.epoch = epoch;
    subscription.offset = offset;
    this.#options.clock.defer(() => {
      const early = subscription.early ?? [];
      subscription.early = undefined;
      for (const event of early) {
        // A message of another epoch is older than the position, or only just newer. The next check
        // of the position finds out which.
        if (event.kind === "publication" && event.epoch !== epoch)
          this.#suspects.set(subscription, { epoch: event.epoch, offset: 0 });
        else if (this.#byChannel.get(subscription.channel) === subscription)
          this.#handOn(subscription, event);
      }
    });
  }

  #handOn(subscription: Subscription, event: FeedEvent): void {
    const { listener } = subscription;
    try {
      if (event.kind === "presence") return listener.presence(event.change);
      if (event.kind === "removed") return listener.removed(event.offset, event.epoch);
      const { epoch, publication } = event;
      if (epoch === subscription.epoch && publication.offset <= subscription.offset) return;
      subscription.epoch = epoch;
      subscription.offset = publication.offset;
      listener.publication(publication, epoch);
    } catch (error) {
      this.#options.onBug(error);
    }
  }

  /**
   * Every subscription is checked once in `verifyMs`. If the listener has not been told of a head
   * within a tick, it missed something.
   */
  async #verify(): Promise<void> {
    const { clock, limits } = this.#options;
    let missed = false;
    for (const [subscription, head] of this.#suspects) {
      if (isTold(subscription, head)) continue;
      subscription.checked = head;
      missed = true;
    }
    this.#suspects.clear();
    if (missed) this.#options.onMissed();
    const count = Math.ceil((this.#byChannel.size * VERIFY_TICK_MS) / limits.verifyMs);
    const part: Subscription[] = [];
    while (part.length < Math.min(count, POSITIONS_AT_ONCE * 10)) {
      this.#round ??= this.#byChannel.values();
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = undefined;
        break;
      }
      if (next.value.early === undefined) part.push(next.value);
    }
    await Promise.all(part.map((subscription) => this.#compare(subscription)));
    this.#cancelVerify = clock.after(VERIFY_TICK_MS, () => void this.#verify());
  }

  async #compare(subscription: Subscription): Promise<void> {
    try {
      const head = await this.#options.streams.position(
        subscription.keys,
        subscription.stream,
        told(subscription),
      );
      if (this.#byChannel.get(subscription.channel) === subscription && !isTold(subscription, head))
        this.#suspects.set(subscription, head);
    } catch (error) {
      // The server is out of reach: the link reports that, and every position is compared when it
      // is back.
      if (!(error instanceof BrokerError)) this.#options.onBug(error);
    }
  }
}

const reaches = (position: Position, head: Position): boolean =>
  position.epoch === head.epoch && position.offset >= head.offset;

/**
 * Whether the listener was told of everything up to the head, or was told to compare its position.
 */
const isTold = (subscription: Subscription, head: Position): boolean =>
  reaches(subscription, head) || reaches(subscription.checked, head);

/** The furthest position that a listener here knows. */
function told({ epoch, offset, checked }: Subscription): Position {
  return { epoch, offset: checked.epoch === epoch ? Math.max(offset, checked.offset) : offset };
}
