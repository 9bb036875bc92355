// Owns: the memory broker's channels: their streams and subscriptions, the limits on them, and
// dropping those that are spent.

import type { StreamOptions } from "@holdfast/contract";
import type { Position } from "@holdfast/protocol";
import type {
  Clock,
  HistoryPage,
  HistoryQuery,
  PublishRequest,
  PublishResult,
  Random,
} from "../ports.ts";
import { BrokerError } from "../ports.ts";
import type { FanOut, Subscription } from "./fan-out.ts";
import { type MemoryBrokerLimits, SWEEP_CHANNELS_MAX, SWEEP_INTERVAL_MS } from "./limits.ts";
import { Stream } from "./stream.ts";

/** Characters of an epoch: 60 bits, enough to tell the lives of one channel apart. */
const EPOCH_LENGTH = 12;

export interface Room {
  readonly stream: Stream;
  readonly subscriptions: Set<Subscription>;
  usedMs: number;
}

export interface RoomsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: MemoryBrokerLimits;
  readonly fanOut: FanOut;
  /** Estimated bytes that others keep under the same limit. */
  readonly otherBytes: () => number;
}

export class Rooms {
  readonly #options: RoomsOptions;
  readonly #rooms = new Map<string, Room>();
  #bytes = 0;
  #sweep: Iterator<[string, Room]> | undefined;
  #fullSweepMs = Number.NEGATIVE_INFINITY;

  constructor(options: RoomsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#rooms.size;
  }

  /** Estimated bytes that the streams keep. */
  get bytes(): number {
    return this.#bytes;
  }

  find(channel: string): Room | undefined {
    return this.#rooms.get(channel);
  }

  publish(channel: string, options: StreamOptions, request: PublishRequest): PublishResult {
    const { clock, fanOut, limits } = this.#options;
    const room = this.#open(channel, options);
    const { stream } = room;
    const duplicateOf = this.#duplicateOf(stream, request.idempotencyKey);
    if (duplicateOf !== undefined)
      return { position: { epoch: stream.epoch, offset: duplicateOf }, duplicate: true };
    if (fanOut.waitingCount >= limits.undeliveredMax)
      throw new BrokerError("limit", "too many publications in one turn");
    this.demandBytes(stream.growthBytes(options, request));
    const before = stream.bytes;
    const publication = stream.append(options, request, {
      nowMs: clock.nowMs(),
      wallMs: clock.wallMs(),
    });
    this.#bytes += stream.bytes - before;
    fanOut.publication(room.subscriptions, publication, stream.epoch);
    return { position: { epoch: stream.epoch, offset: publication.offset }, duplicate: false };
  }

  subscribe(channel: string, options: StreamOptions, subscription: Subscription): Position {
    const room = this.#open(channel, options);
    room.subscriptions.add(subscription);
    return { epoch: room.stream.epoch, offset: room.stream.head };
  }

  unsubscribe(channel: string, subscription: Subscription): void {
    const room = this.#rooms.get(channel);
    if (room?.subscriptions.delete(subscription)) room.usedMs = this.#options.clock.nowMs();
  }

  page(channel: string, options: StreamOptions, query: HistoryQuery): HistoryPage {
    const { stream } = this.#open(channel, options);
    return this.#counted(stream, () => stream.page(options, query, this.#options.clock.nowMs()));
  }

  removeHistory(channel: string, options: StreamOptions): Position {
    const { stream } = this.#open(channel, options);
    this.#counted(stream, () => stream.removeKept());
    return { epoch: stream.epoch, offset: stream.head };
  }

  /** See `Broker.channels`; names are ordered by UTF-16 code units. */
  names(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): readonly string[] {
    const nowMs = this.#options.clock.nowMs();
    const found: string[] = [];
    for (const [name, room] of this.#rooms) {
      if (!name.startsWith(query.prefix) || (query.after !== undefined && name <= query.after))
        continue;
      if (room.subscriptions.size > 0 || this.#isKept(room, nowMs)) found.push(name);
    }
    return found.sort().slice(0, Math.max(0, Math.floor(query.limit)));
  }

  /** Refuses what would take the broker over its bytes. */
  demandBytes(growth: number): void {
    const { limits, otherBytes } = this.#options;
    const free = (): number => limits.bytesMax - this.#bytes - otherBytes();
    if (growth <= 0 || growth <= free()) return;
    this.#sweepAll();
    if (growth > free())
      throw new BrokerError("limit", `the broker keeps ${limits.bytesMax} bytes already`);
  }

  /** Looks at the next channels of the round, at most `SWEEP_CHANNELS_MAX`. */
  sweep(): void {
    this.#sweep ??= this.#rooms.entries();
    for (let looked = 0; looked < SWEEP_CHANNELS_MAX; looked++) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = undefined;
        return;
      }
      this.#sweepOne(next.value[0], next.value[1]);
    }
  }

  clear(): void {
    this.#rooms.clear();
    this.#bytes = 0;
    this.#sweep = undefined;
  }

  #open(channel: string, options: StreamOptions): Room {
    const { clock, limits, random } = this.#options;
    const known = this.#rooms.get(channel);
    if (known !== undefined) {
      known.usedMs = clock.nowMs();
      return known;
    }
    if (this.#rooms.size >= limits.channelsMax) this.#sweepAll();
    if (this.#rooms.size >= limits.channelsMax)
      throw new BrokerError("limit", `the broker has ${limits.channelsMax} channels already`);
    const idempotency = {
      windowMs: limits.idempotencyWindowMs,
      keysMax: limits.idempotencyKeysMax,
    };
    const room: Room = {
      stream: new Stream(random.id().slice(0, EPOCH_LENGTH), options, idempotency),
      subscriptions: new Set(),
      usedMs: clock.nowMs(),
    };
    this.#rooms.set(channel, room);
    return room;
  }

  #duplicateOf(stream: Stream, key: string | undefined): number | undefined {
    if (key === undefined) return undefined;
    const before = stream.bytes;
    const offset = stream.duplicateOf(key, this.#options.clock.nowMs());
    this.#bytes += stream.bytes - before;
    return offset;
  }

  #counted<T>(stream: Stream, task: () => T): T {
    const before = stream.bytes;
    const result = task();
    this.#bytes += stream.bytes - before;
    return result;
  }

  #isKept(room: Room, nowMs: number): boolean {
    if (room.stream.keptCount === 0) return false;
    this.#counted(room.stream, () => room.stream.trim(nowMs));
    return room.stream.keptCount > 0;
  }

  #sweepAll(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#fullSweepMs < SWEEP_INTERVAL_MS) return;
    this.#fullSweepMs = nowMs;
    for (const [channel, room] of this.#rooms) this.#sweepOne(channel, room);
  }

  #sweepOne(channel: string, room: Room): void {
    const { clock, limits } = this.#options;
    const nowMs = clock.nowMs();
    const spent = this.#counted(room.stream, () => room.stream.isSpent(nowMs));
    if (spent && room.subscriptions.size === 0 && nowMs - room.usedMs > limits.streamIdleMs)
      this.#rooms.delete(channel);
  }
}
