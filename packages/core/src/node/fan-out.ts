// Owns: handing one publication to everyone who is live in a channel, encoded once for each codec.
// The hot path: plain loops over arrays, no effect objects.
import type { Encoded, NodeCodec, ServerFrame } from "@holdfast/protocol";
import type { Groups } from "../ports.ts";
import { pubEntry } from "./pub-entry.ts";
import type { Outgoing } from "./ring.ts";
import type { Subscription } from "./subscription.ts";

const CODEC_INDEXES = [0, 1] as const;

/** Bytes that went out through groups since their members' buffers were last looked at. */
export interface GroupBytes {
  published(fanOut: FanOut, bytes: number): void;
}

/** The live subscriptions of a channel, by codec. Large lists go through the transport's own fan-out. */
export class FanOut {
  readonly #channel: string;
  readonly #codecs: readonly [NodeCodec, NodeCodec];
  readonly #groups: Groups;
  readonly #groupBytes: GroupBytes;
  readonly #live: [Subscription[], Subscription[]] = [[], []];
  readonly #grouped: [boolean, boolean] = [false, false];

  constructor(channel: string, ports: { codecs: readonly [NodeCodec, NodeCodec]; groups: Groups; groupBytes: GroupBytes }) {
    this.#channel = channel;
    this.#codecs = ports.codecs;
    this.#groups = ports.groups;
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
    if (this.#grouped[codecIndex]) this.#join(subscription);
    else if (list.length >= groupFrom) {
      this.#grouped[codecIndex] = true;
      for (const member of list) this.#join(member);
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
    if (!this.#grouped[codecIndex]) return;
    subscription.connection.link.leave(this.#group(codecIndex));
    // Half as many as it takes to become a group: no flapping at the edge.
    if (list.length * 2 > groupFrom) return;
    this.#grouped[codecIndex] = false;
    for (const member of list) member.connection.link.leave(this.#group(codecIndex));
  }

  deliver(entry: Outgoing): void {
    for (const codecIndex of CODEC_INDEXES) {
      const list = this.#live[codecIndex];
      if (list.length === 0) continue;
      const encoded = this.encode(entry, codecIndex);
      if (this.#grouped[codecIndex]) {
        this.#groups.publish(this.#group(codecIndex), encoded);
        this.#groupBytes.published(this, encoded.length);
      } else for (let i = 0; i < list.length; i++) (list[i] as Subscription).connection.enqueue(encoded);
    }
  }

  /** One frame for all live subscriptions, before anything newer. */
  announce(frame: ServerFrame): void {
    for (const codecIndex of CODEC_INDEXES) {
      const list = this.#live[codecIndex];
      if (list.length === 0) continue;
      const encoded = this.#codecs[codecIndex].encode(frame);
      if (this.#grouped[codecIndex]) this.#groups.publish(this.#group(codecIndex), encoded);
      else for (const subscription of list) subscription.connection.enqueue(encoded);
    }
  }

  encode(entry: Outgoing, codecIndex: 0 | 1): Encoded {
    let encoded = entry.encoded[codecIndex];
    if (encoded === undefined) {
      encoded = this.#codecs[codecIndex].encode({ t: "pub", ch: this.#channel, ...pubEntry(entry.publication) });
      entry.encoded[codecIndex] = encoded;
    }
    return encoded;
  }

  /** Every live subscription; the list may be changed by the visitor. */
  visit(visit: (subscription: Subscription) => void): void {
    for (const list of this.#live) for (const subscription of list.slice()) visit(subscription);
  }

  /** What was queued for a member goes first: the group's messages do not pass through its outbox. */
  #join(subscription: Subscription): void {
    subscription.connection.flush();
    subscription.connection.link.join(this.#group(subscription.connection.codecIndex));
  }

  #group(codecIndex: 0 | 1): string {
    return `${codecIndex}${this.#channel}`;
  }
}
