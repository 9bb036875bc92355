// Owns: SUBSCRIBE and UNSUBSCRIBE: filters to channels of the engine, and one answer for each
// packet when every channel was asked for.
import type { CodeName, SubscribedFrame } from "@holdfast/protocol";
import type { ClientPacket, FilterRequest, Qos } from "./decode.ts";
import type { Discovery } from "./discovery.ts";
import { type Filter, Filters } from "./filters.ts";
import { GAP_TOPIC } from "./gaps.ts";
import { REASON, subackReason } from "./reason.ts";
import type { Member, ShareName } from "./share-group.ts";
import type { Shares } from "./shares.ts";
import type { KeptFilter } from "./state.ts";
import { readShared } from "./topic-names.ts";
import type { Reach, Topics } from "./topics.ts";

/** What subscribing needs of its client. */
export interface SubscribingNeeds {
  readonly topics: Topics;
  readonly discovery: Discovery;
  /** Filters of one session, and channels that they look into together. */
  readonly filtersMax: number;
  readonly channelsMax: number;
  /** Whose share of the node they use. */
  readonly party: string;
  /**
   * Asks the engine to subscribe, or to end a subscription. `isNew`: the channel began after the
   * filter: what it keeps belongs to it.
   */
  subscribe(channel: string, isNew: boolean): void;
  unsubscribe(channel: string): void;
  suback(pid: number, reasons: readonly number[]): void;
  /** A kept filter may not be used any more. */
  lost(channel: string, code: CodeName): void;
  /** A wildcard reaches more channels than it may. */
  overflown(filter: string): void;
  /** The retained messages of a new subscription. */
  readRetained(filter: Filter): void;
  /** Whether the client may subscribe to a channel that the engine is not asked for. */
  maySubscribe(channel: string): boolean | Promise<boolean>;
  readonly shares: Pick<Shares, "join" | "leave" | "nameOf" | "woken">;
  /** A message of a shared subscription. */
  deliverShared(filter: Filter, out: Parameters<Member["deliver"]>): void;
  hasRoom(): boolean;
  /** The broker may keep a group's places for the client. */
  mayShare(): boolean;
}

type SubscribePacket = Extract<ClientPacket, { t: "subscribe" }>;

/** A SUBSCRIBE whose answer is not complete. */
interface Asked {
  readonly pid: number;
  readonly filters: readonly string[];
  /** For each filter: what was granted, or why it failed; undefined: nothing was answered yet. */
  readonly results: (number | undefined)[];
  /** Filters that are refused, whatever is said of their channels. */
  refused: Map<string, number> | undefined;
  waiting: number;
}

/** One filter that waits for the answer about a channel. */
interface Waiter {
  readonly asked: Asked;
  readonly place: number;
  readonly qos: Qos;
}

interface WatchOptions {
  readonly waiter?: Waiter | undefined;
  readonly isNew?: boolean;
}

/** Shared subscriptions of one client: each costs its node calls of the broker, all the time. */
const SHARED_MAX = 32;

export class Subscribing {
  readonly filters = new Filters();
  readonly #needs: SubscribingNeeds;
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #stops = new Map<string, () => void>();
  /** Shared subscriptions of the client. */
  readonly #shared = new Set<ShareName>();
  #isClosed = false;

  constructor(needs: SubscribingNeeds) {
    this.#needs = needs;
  }

  subscribe({ pid, filters, subscriptionId }: SubscribePacket): void {
    const asked: Asked = {
      pid,
      filters: filters.map(({ filter }) => filter),
      results: filters.map(() => undefined),
      refused: undefined,
      waiting: 1,
    };
    for (const [place, request] of filters.entries()) {
      const waiter = { asked, place, qos: request.qos };
      const refused = this.#begin(request, subscriptionId, waiter);
      if (refused !== undefined) asked.results[place] = refused;
    }
    this.#answered(asked);
  }

  /** The filters of a session that comes back; `channels`: those that it had got to know. */
  restore(kept: readonly KeptFilter[], channels: readonly string[]): void {
    for (const { subscriptionId, ...request } of kept) {
      const shared = readShared(request.filter);
      if (shared !== undefined && shared !== "malformed") {
        this.#share({ ...request, subscriptionId, channels: new Set() }, shared, undefined);
        continue;
      }
      const reach = this.#needs.topics.reachOf(request.filter);
      const filter: Filter = { ...request, subscriptionId, channels: new Set() };
      this.filters.all.set(request.filter, filter);
      for (const channel of reach.channels) this.#watch(filter, channel, {});
      if (reach.open.length === 0) continue;
      for (const channel of channels)
        if (reach.open.some((open) => open.fits(channel))) this.#watch(filter, channel, {});
      // What it had not got to know began while it was away.
      this.#search(filter, reach, { isBack: true });
    }
  }

  snapshot(): readonly KeptFilter[] {
    return [...this.filters.all.values()];
  }

  /** The reasons of UNSUBACK. */
  unsubscribe(filters: readonly string[]): readonly number[] {
    return filters.map((filter) => {
      const free = this.filters.remove(filter);
      if (free === undefined) return REASON.noSubscriptionExisted;
      this.#stops.get(filter)?.();
      this.#stops.delete(filter);
      for (const channel of free) {
        this.#needs.unsubscribe(channel);
        // Its SUBSCRIBE was right, and is answered before.
        this.#tell(channel, undefined);
      }
      return REASON.success;
    });
  }

  /** The client takes more messages. */
  hasRoom(): void {
    for (const name of this.#shared) this.#needs.shares.woken(name);
  }

  /** `isBack`: the session went on from where it was. */
  subscribed(frame: SubscribedFrame, isBack: boolean): void {
    const watched = this.filters.watched.get(frame.ch);
    if (watched === undefined) return;
    watched.state = "on";
    watched.epoch = frame.pos.epoch;
    watched.stateUntil = frame.cls === "latest" && !isBack ? frame.head : 0;
    this.#tell(frame.ch, undefined);
  }

  /** The engine refused a channel. */
  failed(channel: string, code: CodeName): void {
    const watched = this.filters.watched.get(channel);
    if (watched !== undefined) watched.state = "off";
    if (this.#waiters.has(channel)) this.#tell(channel, subackReason(code));
    else if (watched !== undefined && watched.exact.size > 0) this.#needs.lost(channel, code);
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#waiters.clear();
  }

  #begin(
    request: FilterRequest,
    subscriptionId: number | undefined,
    waiter: Waiter,
  ): number | undefined {
    const { all } = this.filters;
    if (request.filter === GAP_TOPIC) {
      all.set(request.filter, { ...request, subscriptionId, channels: new Set() });
      return 0;
    }
    if (!all.has(request.filter) && all.size >= this.#needs.filtersMax) return REASON.quotaExceeded;
    const shared = readShared(request.filter);
    if (shared !== undefined && shared !== "malformed")
      return this.#share({ ...request, subscriptionId, channels: new Set() }, shared, waiter);
    const reach = this.#needs.topics.reachOf(request.filter);
    if (reach.channels.length === 0 && reach.open.length === 0) return REASON.topicFilterInvalid;
    const isKnown = all.has(request.filter);
    this.unsubscribeChannelsOf(request.filter);
    const filter: Filter = { ...request, subscriptionId, channels: new Set() };
    all.set(request.filter, filter);
    if (request.retainHandling === 0 || (request.retainHandling === 1 && !isKnown))
      this.#needs.readRetained(filter);
    for (const channel of reach.channels) this.#watch(filter, channel, { waiter });
    if (reach.open.length === 0) return undefined;
    waiter.asked.waiting += 1;
    this.#search(filter, reach, { waiter });
    // Channels that fit may come later: the filter itself is granted.
    return request.qos;
  }

  /** Of one channel: several would be several groups. */
  #share(
    filter: Filter,
    shared: { readonly group: string; readonly filter: string },
    waiter: Waiter | undefined,
  ): number | undefined {
    const { topics, shares } = this.#needs;
    const hasRoom = (): boolean => this.#needs.hasRoom();
    const reach = topics.reachOf(shared.filter);
    const [channel] = reach.channels;
    if (channel === undefined || reach.channels.length > 1 || reach.open.length > 0)
      return REASON.sharedNotSupported;
    const name = shares.nameOf(shared.group, shared.filter, channel);
    if (name === undefined) return REASON.topicFilterInvalid;
    const isOver = this.#shared.size >= SHARED_MAX && !this.filters.all.has(filter.filter);
    if (isOver || !this.#needs.mayShare()) return REASON.quotaExceeded;
    this.#stops.get(filter.filter)?.();
    this.filters.all.set(filter.filter, filter);
    const deliver = (...out: Parameters<Member["deliver"]>): void =>
      this.#needs.deliverShared(filter, out);
    const member: Member = {
      get hasRoom() {
        return hasRoom();
      },
      deliver,
    };
    const begin = async (): Promise<number> => {
      if (!(await this.#needs.maySubscribe(channel))) return REASON.notAuthorized;
      if (this.#isClosed || this.filters.all.get(filter.filter) !== filter)
        return REASON.unspecified;
      this.#shared.add(name);
      this.#stops.set(filter.filter, () => {
        this.#shared.delete(name);
        shares.leave(name, member);
      });
      await shares.join(name, member);
      return filter.qos;
    };
    if (waiter !== undefined) waiter.asked.waiting += 1;
    void begin().then((result) => {
      if (result >= 0x80 && this.filters.all.get(filter.filter) === filter)
        this.filters.all.delete(filter.filter);
      if (waiter === undefined) return;
      waiter.asked.results[waiter.place] = result;
      this.#answered(waiter.asked);
    });
    return undefined;
  }

  /** The waiter is answered when every channel that is there was asked for. */
  #search(
    filter: Filter,
    { open }: Reach,
    { waiter, isBack = false }: { readonly waiter?: Waiter; readonly isBack?: boolean },
  ): void {
    const { discovery } = this.#needs;
    let first = waiter;
    let left = open.length;
    const looked = (): void => {
      left -= 1;
      if (left > 0) return;
      first = undefined;
      if (waiter !== undefined) this.#answered(waiter.asked);
    };
    const { party } = this.#needs;
    const stops = open.map((reach, place) =>
      discovery.find(
        { reach, name: `${place} ${filter.filter}`, party },
        (channel, isNew) => this.#found(filter, channel, { isNew: isNew || isBack, waiter: first }),
        looked,
      ),
    );
    this.#stops.set(filter.filter, () => {
      for (const stop of stops) stop();
    });
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

  #found(filter: Filter, channel: string, more: WatchOptions): void {
    if (this.filters.all.get(filter.filter) !== filter || filter.channels.has(channel)) return;
    if (this.filters.watched.size >= this.#needs.channelsMax && !this.filters.watched.has(channel))
      return this.#overflow(filter, more.waiter);
    this.#watch(filter, channel, more);
  }

  /** At once if the filter was not granted yet; later there is no way but to end the connection. */
  #overflow({ filter }: Filter, waiter: Waiter | undefined): void {
    if (waiter === undefined) return this.#needs.overflown(filter);
    waiter.asked.refused ??= new Map();
    waiter.asked.refused.set(filter, REASON.quotaExceeded);
    // Not within the search: what it found is given back.
    waiter.asked.waiting += 1;
    this.unsubscribe([filter]);
    this.#answered(waiter.asked);
  }

  #watch(filter: Filter, channel: string, { waiter, isNew = false }: WatchOptions): void {
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
    if (asked.waiting > 0 || this.#isClosed) return;
    const results = asked.filters.map(
      (filter, place) => asked.refused?.get(filter) ?? asked.results[place] ?? REASON.unspecified,
    );
    for (const [place, result] of results.entries())
      if (result >= 0x80) this.filters.remove(asked.filters[place] as string);
    this.#needs.suback(asked.pid, results);
  }
}
