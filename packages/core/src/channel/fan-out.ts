// Owns: handing one publication to everyone who is live in a channel, encoded once for each shared
// codec. The hot path: plain loops over arrays, no effect objects.
import type { Encoded, PubFrame, ServerFrame } from "@holdfast/protocol";
import type { Clock, Groups } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import { Group, type GroupNeeds } from "./group.ts";
import { pubFrame } from "./pub-entry.ts";
import type { Outgoing } from "./ring.ts";
import type { Receiver, Subscription } from "./subscription.ts";

/** Bytes that went out through groups since their members' buffers were last looked at. */
export interface GroupBytes {
  published(fanOut: FanOut, bytes: number): void;
}

/** What reaching the live subscriptions of a channel needs of the node. */
export interface FanOutNeeds {
  readonly groups: Groups;
  readonly groupBytes: GroupBytes;
  readonly clock: Pick<Clock, "defer">;
}

/** The live subscriptions of one shared codec, or of all codecs that belong to one connection. */
interface Audience {
  readonly live: Subscription[];
  group: Group | undefined;
}

/**
 * The live subscriptions of a channel, by codec. The transport's own fan-out serves large lists.
 */
export class FanOut {
  readonly #channel: string;
  readonly #ports: GroupNeeds;
  readonly #groupBytes: GroupBytes;
  /** By the codec's number; only numbers that were ever needed here have one. */
  readonly #audiences: (Audience | undefined)[] = [];
  #count = 0;

  constructor(channel: string, ports: FanOutNeeds) {
    this.#channel = channel;
    this.#ports = ports;
    this.#groupBytes = ports.groupBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** From here on the subscription gets everything that is delivered. */
  add(subscription: Subscription, groupFrom: number): void {
    const { codecNumber } = subscription.connection;
    const audience = this.#audienceOf(codecNumber);
    const { live, group } = audience;
    this.#count += 1;
    subscription.index = live.length;
    live.push(subscription);
    if (group !== undefined) group.join(subscription);
    else if (codecNumber !== OWN && live.length >= groupFrom) {
      audience.group = new Group(`${codecNumber}${this.#channel}`, this.#ports);
      for (const member of live) audience.group.join(member);
    }
  }

  remove(subscription: Subscription, groupFrom: number): void {
    const audience = this.#audienceOf(subscription.connection.codecNumber);
    const { live, group } = audience;
    this.#count -= 1;
    const last = live.pop() as Subscription;
    if (last !== subscription) {
      live[subscription.index] = last;
      last.index = subscription.index;
    }
    subscription.index = -1;
    if (group === undefined) return;
    group.leave(subscription);
    // Half as many as are needed to become a group, so that a list near the limit does not change
    // back and forth.
    if (live.length * 2 > groupFrom) return;
    audience.group = undefined;
    for (const member of live) group.leave(member);
  }

  deliver(entry: Outgoing): void {
    const audiences = this.#audiences;
    for (let number = 0; number < audiences.length; number++) {
      const audience = audiences[number];
      const first = audience?.live[0];
      if (audience === undefined || first === undefined) continue;
      const { live, group } = audience;
      if (number === OWN) {
        const frame = this.frameOf(entry);
        for (const { connection } of live) connection.push(frame);
        continue;
      }
      const encoded = this.encode(entry, first.connection);
      if (group !== undefined) {
        group.publish(encoded);
        this.#groupBytes.published(this, encoded.length);
      } else
        for (let i = 0; i < live.length; i++) (live[i] as Subscription).connection.enqueue(encoded);
    }
  }

  /** One frame for all live subscriptions, before anything newer. */
  announce(frame: ServerFrame): void {
    for (const [number, audience] of this.#audiences.entries()) {
      const first = audience?.live[0];
      if (audience === undefined || first === undefined) continue;
      if (number === OWN) for (const { connection } of audience.live) connection.push(frame);
      else {
        const encoded = first.connection.codec.encode(frame);
        if (audience.group !== undefined) audience.group.publish(encoded);
        else for (const { connection } of audience.live) connection.enqueue(encoded);
      }
    }
  }

  frameOf({ publication }: Outgoing): PubFrame {
    return pubFrame(this.#channel, publication);
  }

  /** The publication as the receiver's shared codec has it, which is kept with it. */
  encode(entry: Outgoing, { codec, codecNumber }: Receiver): Encoded {
    let encoded = entry.encoded[codecNumber];
    if (encoded === undefined) {
      encoded = codec.encode(this.frameOf(entry));
      entry.encoded[codecNumber] = encoded;
    }
    return encoded;
  }

  /** Every live subscription. The visitor must not change which there are. */
  each(visit: (subscription: Subscription) => void): void {
    for (const audience of this.#audiences)
      for (const subscription of audience?.live ?? []) visit(subscription);
  }

  /** Every live subscription; the list may be changed by the visitor. */
  visit(visit: (subscription: Subscription) => void): void {
    for (const audience of this.#audiences)
      for (const subscription of audience?.live.slice() ?? []) visit(subscription);
  }

  #audienceOf(codecNumber: number): Audience {
    const known = this.#audiences[codecNumber];
    if (known !== undefined) return known;
    const made: Audience = { live: [], group: undefined };
    // No holes: arrays with holes are slow.
    while (this.#audiences.length < codecNumber) this.#audiences.push(undefined);
    this.#audiences[codecNumber] = made;
    return made;
  }
}
