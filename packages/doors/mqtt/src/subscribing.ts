// Owns: SUBSCRIBE and UNSUBSCRIBE: filters to channels of the engine, and one answer for each
// packet when every channel was asked for.
import type { CodeName, SubscribedFrame } from "@holdfast/protocol";
import type { ClientPacket, FilterRequest, Qos } from "./decode.ts";
import type { Discovery } from "./discovery.ts";
import { type Filter, Filters } from "./filters.ts";
import { REASON, subackReason } from "./reason.ts";
import { readShared } from "./topic-names.ts";
import type { Topics } from "./topics.ts";

/** What subscribing needs of its client. */
export interface SubscribingNeeds {
  readonly topics: Topics;
  readonly discovery: Discovery;
  /** Filters of one session, and channels that they look into together. */
  readonly filtersMax: number;
  readonly channelsMax: number;
  /**
   * Asks the engine to subscribe, or to end a subscription. `isNew`: the channel began after the
   * filter: what it keeps belongs to it.
   */
  subscribe(channel: string, isNew: boolean): void;
  unsubscribe(channel: string): void;
  suback(pid: number, reasons: readonly number[]): void;
  /** A wildcard reaches more channels than it may. */
  overflown(filter: string): void;
}

type SubscribePacket = Extract<ClientPacket, { t: "subscribe" }>;

/** A SUBSCRIBE whose answer is not complete. */
interface Asked {
  readonly pid: number;
  /** For each filter: what was granted, or why it failed; undefined: nothing was answered yet. */
  readonly results: (number | undefined)[];
  waiting: number;
}

/** One filter that waits for the answer about a channel. */
interface Waiter {
  readonly asked: Asked;
  readonly place: number;
  readonly qos: Qos;
}

export class Subscribing {
  readonly filters = new Filters();
  readonly #needs: SubscribingNeeds;
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #stops = new Map<string, () => void>();

  constructor(needs: SubscribingNeeds) {
    this.#needs = needs;
  }

  subscribe({ pid, filters, subscriptionId }: SubscribePacket): void {
    const asked: Asked = { pid, results: filters.map(() => undefined), waiting: 1 };
    for (const [place, request] of filters.entries()) {
      const waiter = { asked, place, qos: request.qos };
      const refused = this.#begin(request, subscriptionId, waiter);
      if (refused !== undefined) asked.results[place] = refused;
    }
    this.#answered(asked);
  }

  /** The reasons of UNSUBACK. */
  unsubscribe(filters: readonly string[]): readonly number[] {
    return filters.map((filter) => {
      const free = this.filters.remove(filter);
      if (free === undefined) return REASON.noSubscriptionExisted;
      this.#stops.get(filter)?.();
      this.#stops.delete(filter);
      for (const channel of free) this.#needs.unsubscribe(channel);
      return REASON.success;
    });
  }

  subscribed(frame: SubscribedFrame): void {
    const watched = this.filters.watched.get(frame.ch);
    if (watched === undefined) return;
    watched.state = "on";
    watched.epoch = frame.pos.epoch;
    watched.stateUntil = frame.cls === "latest" ? frame.head : 0;
    this.#tell(frame.ch, undefined);
  }

  /** The engine refused a channel. */
  failed(channel: string, code: CodeName): void {
    const watched = this.filters.watched.get(channel);
    if (watched !== undefined) watched.state = "off";
    this.#tell(channel, subackReason(code));
  }

  close(): void {
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#waiters.clear();
  }

  #begin(
    request: FilterRequest,
    subscriptionId: number | undefined,
    waiter: Waiter,
  ): number | undefined {
    if (readShared(request.filter) !== undefined) return REASON.sharedNotSupported;
    const { all } = this.filters;
    if (!all.has(request.filter) && all.size >= this.#needs.filtersMax) return REASON.quotaExceeded;
    const reach = this.#needs.topics.reachOf(request.filter);
    if (reach.channels.length === 0 && reach.open.length === 0) return REASON.topicFilterInvalid;
    this.unsubscribeChannelsOf(request.filter);
    const filter: Filter = { ...request, subscriptionId, channels: new Set() };
    all.set(request.filter, filter);
    for (const channel of reach.channels) this.#watch(filter, channel, { waiter });
    if (reach.open.length === 0) return undefined;
    const { discovery } = this.#needs;
    const stops = reach.open.map((open) =>
      discovery.find(open, (channel, isNew) => this.#found(filter, channel, isNew)),
    );
    this.#stops.set(request.filter, () => {
      for (const stop of stops) stop();
    });
    // Channels that fit may come later: the filter itself is granted.
    return request.qos;
  }

  /** A filter that comes again replaces the one before; its channels stay. */
  unsubscribeChannelsOf(text: string): void {
    const before = this.filters.all.get(text);
    if (before === undefined) return;
    this.#stops.get(text)?.();
    this.#stops.delete(text);
    for (const channel of before.channels) {
      const watched = this.filters.watched.get(channel);
      watched?.wild.delete(before);
      watched?.exact.delete(text);
    }
  }

  #found(filter: Filter, channel: string, isNew: boolean): void {
    if (this.filters.all.get(filter.filter) !== filter || filter.channels.has(channel)) return;
    if (this.filters.watched.size >= this.#needs.channelsMax) {
      this.#needs.overflown(filter.filter);
      return;
    }
    this.#watch(filter, channel, { isNew });
  }

  #watch(
    filter: Filter,
    channel: string,
    { waiter, isNew = false }: { readonly waiter?: Waiter; readonly isNew?: boolean },
  ): void {
    const { watched, isNew: isFirst } = this.filters.watch(filter, channel);
    if (waiter !== undefined && watched.state === "on") {
      waiter.asked.results[waiter.place] = waiter.qos;
      return;
    }
    if (waiter !== undefined) {
      waiter.asked.waiting += 1;
      const waiters = this.#waiters.get(channel);
      if (waiters === undefined) this.#waiters.set(channel, [waiter]);
      else waiters.push(waiter);
    }
    if (!isFirst && watched.state !== "off") return;
    watched.state = "asking";
    this.#needs.subscribe(channel, isNew);
  }

  /** One channel that is granted grants the filter. */
  #tell(channel: string, refused: number | undefined): void {
    const waiters = this.#waiters.get(channel);
    if (waiters === undefined) return;
    this.#waiters.delete(channel);
    for (const { asked, place, qos } of waiters) {
      const before = asked.results[place];
      if (before === undefined || before >= 0x80) asked.results[place] = refused ?? qos;
      this.#answered(asked);
    }
  }

  #answered(asked: Asked): void {
    asked.waiting -= 1;
    if (asked.waiting > 0) return;
    this.#needs.suback(
      asked.pid,
      asked.results.map((result) => result ?? REASON.unspecified),
    );
  }
}
