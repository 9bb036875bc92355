// Owns: which channels a node is subscribed to over the broker link, and who listens.
import type { StreamOptions } from "@holdfast/contract";
import type { ChannelListener } from "@holdfast/core";
import { LINK, type LinkMessage, writeStream } from "./link-wire.ts";

export interface LinkSubscription {
  readonly channel: string;
  /**
   * The subscription's number in events. It is never used again, so that events of an ended
   * subscription reach nobody.
   */
  readonly number: number;
  readonly stream: StreamOptions;
  readonly listener: ChannelListener;
}

/** At most one subscription for each channel. */
export class LinkSubscriptions {
  readonly #byChannel = new Map<string, LinkSubscription>();
  readonly #byNumber = new Map<number, LinkSubscription>();
  #lastNumber = 0;

  /** Replaces the channel's former subscription. */
  add(channel: string, stream: StreamOptions, listener: ChannelListener): LinkSubscription {
    this.remove(channel);
    this.#lastNumber += 1;
    const subscription = { channel, number: this.#lastNumber, stream, listener };
    this.#byChannel.set(channel, subscription);
    this.#byNumber.set(subscription.number, subscription);
    return subscription;
  }

  /** False when there was none. */
  remove(channel: string): boolean {
    const subscription = this.#byChannel.get(channel);
    if (subscription === undefined) return false;
    this.#byNumber.delete(subscription.number);
    return this.#byChannel.delete(channel);
  }

  has(subscription: LinkSubscription): boolean {
    return this.#byNumber.has(subscription.number);
  }

  all(): LinkSubscription[] {
    return [...this.#byChannel.values()];
  }

  listenerOf(number: number): ChannelListener | undefined {
    return this.#byNumber.get(number)?.listener;
  }

  clear(): void {
    this.#byChannel.clear();
    this.#byNumber.clear();
  }
}

export const subscribeMessage = (
  id: number,
  { channel, stream, number }: LinkSubscription,
): LinkMessage => [LINK.subscribe, id, channel, writeStream(stream), number];
