// Owns: retained messages for a new subscription: the state of the `latest` channel that keeps
// them, read once through a subscription of the engine that ends when everything was there.
import type { PubFrame, SubscribedFrame } from "@holdfast/protocol";
import { NOTHING } from "./bytes.ts";
import type { Qos } from "./decode.ts";
import type { Delivering } from "./delivering.ts";
import type { Discovery } from "./discovery.ts";
import type { Filter } from "./filters.ts";
import type { Messages } from "./message.ts";
import { matchesTopic } from "./topic-names.ts";
import type { Topics } from "./topics.ts";

/** What reading retained messages needs of its client. */
export interface RetainedNeeds {
  readonly topics: Topics;
  readonly discovery: Pick<Discovery, "list">;
  readonly messages: Messages;
  readonly delivering: Delivering;
  /** Asks the engine to subscribe to the channel, and ends that. */
  readChannel(channel: string): void;
  leaveChannel(channel: string): void;
  /** A filter of the client looks into the channel itself. */
  isWatched(channel: string): boolean;
  wallMs(): number;
}

interface Reading {
  readonly filters: readonly Filter[];
  /** The highest offset of the state; undefined: the engine has not answered yet. */
  head: number | undefined;
  epoch: string;
  /** Filters that came meanwhile: they are read for afterwards. */
  next: Filter[];
}

export class Retained {
  readonly #needs: RetainedNeeds;
  readonly #readings = new Map<string, Reading>();

  constructor(needs: RetainedNeeds) {
    this.#needs = needs;
  }

  /** Messages that the filter matches follow, each once. */
  read(filter: Filter): void {
    const { channels, open } = this.#needs.topics.retainedReachOf(filter.filter);
    for (const channel of channels) this.#begin(channel, [filter]);
    for (const reach of open)
      void this.#needs.discovery.list(reach.prefix).then((found) => {
        for (const channel of found) if (reach.fits(channel)) this.#begin(channel, [filter]);
      });
  }

  /** True: the frame was the answer to a read. */
  subscribed(frame: SubscribedFrame): boolean {
    const reading = this.#readings.get(frame.ch);
    if (reading === undefined || reading.head !== undefined) return false;
    reading.head = frame.head;
    reading.epoch = frame.pos.epoch;
    if (frame.head <= frame.pos.offset) this.#end(frame.ch, reading);
    return true;
  }

  /** True: the channel is being read, and was refused. */
  failed(channel: string): boolean {
    return this.#readings.delete(channel);
  }

  /** Undefined: the frame is none of a read. */
  publication(frame: PubFrame): Uint8Array | undefined {
    const reading = this.#readings.get(frame.ch);
    if (reading?.head === undefined) return undefined;
    const bytes = frame.o <= reading.head ? this.#message(frame, reading) : NOTHING;
    if (frame.o >= reading.head) this.#end(frame.ch, reading);
    return bytes;
  }

  #begin(channel: string, filters: readonly Filter[]): void {
    if (this.#needs.isWatched(channel)) return;
    const running = this.#readings.get(channel);
    if (running !== undefined) return void running.next.push(...filters);
    this.#readings.set(channel, { filters, head: undefined, epoch: "", next: [] });
    this.#needs.readChannel(channel);
  }

  #end(channel: string, { next }: Reading): void {
    this.#readings.delete(channel);
    this.#needs.leaveChannel(channel);
    if (next.length > 0) this.#begin(channel, next);
  }

  #message(frame: PubFrame, { filters, epoch }: Reading): Uint8Array {
    const message = this.#needs.messages.of(frame);
    // An empty one says that nothing is retained any more.
    if (message === undefined || message.payload.length === 0) return NOTHING;
    if (message.expiresMs !== undefined && message.expiresMs <= this.#needs.wallMs())
      return NOTHING;
    let qos = -1;
    const subscriptionIds: number[] = [];
    for (const filter of filters) {
      if (!matchesTopic(filter.filter, message.topic)) continue;
      qos = Math.max(qos, Math.min(filter.qos, message.qos));
      if (filter.subscriptionId !== undefined) subscriptionIds.push(filter.subscriptionId);
    }
    if (qos < 0) return NOTHING;
    const wanted = { qos: qos as Qos, retain: true, subscriptionIds };
    return this.#needs.delivering.deliver(frame, { message, wanted, epoch });
  }
}
