// Owns: handing one publication to everyone who is live in a channel, encoded once for each codec.
// The hot path: plain loops over arrays, no effect objects.
import type { Encoded, NodeCodec, ServerFrame } from "@holdfast/protocol";
import type { Clock, Groups } from "../ports.ts";
import { Group, type GroupNeeds } from "./group.ts";
import { pubEntry } from "./pub-entry.ts";
import type { Outgoing } from "./ring.ts";
import type { Subscription } from "./subscription.ts";

const CODEC_INDEXES = [0, 1] as const;

/** Bytes that went out through groups since their members' buffers were last looked at. */
export interface GroupBytes {
  published(fanOut: FanOut, bytes: number): void;
}

/** What reaching the live subscriptions of a channel needs of the node. */
export interface FanOutNeeds {
  readonly codecs: readonly [NodeCodec, NodeCodec];
  readonly groups: Groups;
  readonly groupBytes: GroupBytes;
  readonly clock: Pick<Clock, "defer">;
}

/**
 * The live subscriptions of a channel, by codec. Large lists go through the transport's own
 * fan-out.
 */
export class FanOut {
  readonly #channel: string;
  readonly #codecs: readonly [NodeCodec, NodeCodec];
  readonly #ports: GroupNeeds;
  readonly #groupBytes: GroupBytes;
  readonly #live: [Subscription[], Subscription[]] = [[], []];
  readonly #groups: [Group | undefined, Group | undefined] = [undefined, undefined];

  constructor(channel: string, ports: FanOutNeeds) {
    this.#channel = channel;
    this.#codecs = ports.codecs;
    this.#ports = ports;
    this.#groupBytes = ports.groupBytes;
  }

  get count(): number {
    return this.#live[0].length + this.#live[1].length;
  }

  /** From here on the subscription gets everything that is delivered. */
  add(subscription: Subscription, groupFrom: number): void {
    const { codecIndex } = subscription.connection;
    const list = this.#live[codecIndex];
    subscription.index = list.length;
    list.push(subscription);
    const group = this.#groups[codecIndex];
    if (group !== undefined) group.join(subscription);
    else if (list.length >= groupFrom) {
      const made = new Group(`${codecIndex}${this.#channel}`, this.#ports);
      this.#groups[codecIndex] = made;
      for (const member of list) made.join(member);
    }
  }

  remove(subscription: Subscription, groupFrom: number): void {
    const { codecIndex } = subscription.connection;
    const list = this.#live[codecIndex];
    const last = list.pop() as Subscription;
    if (last !== subscription) {
      list[subscription.index] = last;
      last.index = subscription.index;
    }
    subscription.index = -1;
    const group = this.#groups[codecIndex];
    if (group === undefined) return;
    group.leave(subscription);
    // Half as many as it takes to become a group: no flapping at the edge.
    if (list.length * 2 > groupFrom) return;
    this.#groups[codecIndex] = undefined;
    for (const member of list) group.leave(member);
  }

  deliver(entry: Outgoing): void {
    for (const codecIndex of CODEC_INDEXES) {
      const list = this.#live[codecIndex];
      if (list.length === 0) continue;
      const encoded = this.encode(entry, codecIndex);
      const group = this.#groups[codecIndex];
      if (group !== undefined) {
        group.publish(encoded);
        this.#groupBytes.published(this, encoded.length);
      } else
        for (let i = 0; i < list.length; i++) (list[i] as Subscription).connection.enqueue(encoded);
    }
  }

  /** One frame for all live subscriptions, before anything newer. */
  announce(frame: ServerFrame): void {
    for (const codecIndex of CODEC_INDEXES) {
      const list = this.#live[codecIndex];
      if (list.length === 0) continue;
      const encoded = this.#codecs[codecIndex].encode(frame);
      const group = this.#groups[codecIndex];
      if (group !== undefined) group.publish(encoded);
      else for (const subscription of list) subscription.connection.enqueue(encoded);
    }
  }

  encode(entry: Outgoing, codecIndex: 0 | 1): Encoded {
    let encoded = entry.encoded[codecIndex];
    if (encoded === undefined) {
      encoded = this.#codecs[codecIndex].encode({
        t: "pub",
        ch: this.#channel,
        ...pubEntry(entry.publication),
      });
      entry.encoded[codecIndex] = encoded;
    }
    return encoded;
  }

  /** Every live subscription; the list may be changed by the visitor. */
  visit(visit: (subscription: Subscription) => void): void {
    for (const list of this.#live) for (const subscription of list.slice()) visit(subscription);
  }
}
