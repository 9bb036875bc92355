// Owns: the memory broker's channels: their streams and subscriptions, their limits, and the
// removal of those that nobody needs.

import type { StreamOptions } from "@holdfast/contract";
import type { Position } from "@holdfast/protocol";
import { type Charge, PartyBytes } from "../pacing/party-bytes.ts";
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
import {
  type MemoryBrokerLimits,
  ROOM_BASE_BYTES,
  SWEEP_CHANNELS_MAX,
  SWEEP_INTERVAL_MS,
} from "./limits.ts";
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
}

/** What a probe publishes, to a channel that only probes use. */
const PROBE: PublishRequest = { payload: { kind: "json", text: "1" } };
const PROBE_STREAM: StreamOptions = { cls: "ordered", sizeMax: 1, ttlMs: 1_000 };

export class Rooms {
  readonly #options: RoomsOptions;
  readonly #rooms = new Map<string, Room>();
  readonly #parties = new PartyBytes();
  #bytes = 0;
  #sweep: Iterator<[string, Room]> | undefined;
  #fullSweepMs = Number.NEGATIVE_INFINITY;

  constructor(options: RoomsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#rooms.size;
  }

  /** Estimated bytes of the channels and of what they keep. */
  get bytes(): number {
    return this.#bytes;
  }

  find(channel: string): Room | undefined {
    return this.#rooms.get(channel);
  }

  publish(channel: string, options: StreamOptions, request: PublishRequest): PublishResult {
    const isKnown = this.#rooms.has(channel);
    if (!isKnown) this.#demandShare(request.party, roomBytes(channel));
    const room = this.#open(channel, options);
    try {
      const result = this.#publishIn(room, options, request);
      if (!isKnown) this.#charge(request.party, options, { bytes: roomBytes(channel) });
      return result;
    } catch (error) {
      // A refused publish leaves nothing behind.
      if (!isKnown) this.#drop(channel, room);
      throw error;
    }
  }

  /**
   * Publishes to a channel that only probes use and that is removed afterwards. Throws what a
   * publish would throw.
   */
  probe(): void {
    const room = this.#admit("probe", PROBE_STREAM);
    try {
      this.#publishIn(room, PROBE_STREAM, PROBE);
    } finally {
      this.#bytes -= room.stream.bytes;
    }
  }

  #publishIn(room: Room, options: StreamOptions, request: PublishRequest): PublishResult {
    const { clock, fanOut, limits } = this.#options;
    const { stream } = room;
    const duplicateOf = this.#duplicateOf(stream, request.idempotencyKey);
    if (duplicateOf !== undefined)
      return { position: { epoch: stream.epoch, offset: duplicateOf }, duplicate: true };
    if (fanOut.waitingCount >= limits.undeliveredMax)
      throw new BrokerError("busy", "too many publications came in one turn");
    const growth = stream.growthBytes(options, request);
    this.#demandShare(request.party, growth);
    this.demandBytes(growth);
    const nowMs = clock.nowMs();
    const bytes = stream.addedBytes(options, request);
    const ageMs = stream.displacedAgeMs(options, request, nowMs);
    const before = stream.bytes;
    const publication = stream.append(options, request, { nowMs, wallMs: clock.wallMs() });
    const grown = stream.bytes - before;
    this.#bytes += grown;
    this.#charge(request.party, options, { bytes, displaced: { bytes: bytes - grown, ageMs } });
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
    const { stream, subscriptions } = this.#open(channel, options);
    this.#counted(stream, () => stream.removeKept());
    this.#options.fanOut.removed(subscriptions, stream.head, stream.epoch);
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

  /** Refuses a publication that would exceed the broker's bytes. */
  demandBytes(growth: number): void {
    const { limits } = this.#options;
    const free = (): number => limits.bytesMax - this.#bytes;
    if (growth <= 0 || growth <= free()) return;
    this.#sweepAll();
    if (growth > free())
      throw new BrokerError("full", `the broker keeps ${limits.bytesMax} bytes already`);
  }

  /** Refuses what would give one party more than there is left for the others. */
  #demandShare(party: string | undefined, growth: number): void {
    if (party === undefined || growth <= 0) return;
    const { clock, limits } = this.#options;
    const hasBytes = this.#parties.of(party, clock.nowMs());
    if (hasBytes + growth <= limits.bytesMax - this.#bytes) return;
    throw new BrokerError("share", `${Math.round(hasBytes)} bytes are one user's or address's`);
  }

  /** A volatile publication, which nobody keeps, charges nothing. */
  #charge(
    party: string | undefined,
    { ttlMs }: StreamOptions,
    change: Pick<Charge, "bytes" | "displaced">,
  ): void {
    if (party !== undefined && change.bytes !== 0)
      this.#parties.charge(party, { ...change, nowMs: this.#options.clock.nowMs(), ttlMs });
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
    this.#parties.clear();
    this.#bytes = 0;
    this.#sweep = undefined;
  }

  #open(channel: string, options: StreamOptions): Room {
    const known = this.#rooms.get(channel);
    if (known !== undefined) {
      known.usedMs = this.#options.clock.nowMs();
      return known;
    }
    const room = this.#admit(channel, options);
    this.#rooms.set(channel, room);
    this.#bytes += roomBytes(channel);
    return room;
  }

  /** A new room, if there is place for one more. */
  #admit(channel: string, options: StreamOptions): Room {
    const { clock, limits, random } = this.#options;
    if (this.#rooms.size >= limits.channelsMax) this.#sweepAll();
    if (this.#rooms.size >= limits.channelsMax)
      throw new BrokerError("full", `the broker has ${limits.channelsMax} channels already`);
    this.demandBytes(roomBytes(channel));
    const bounds = {
      windowMs: limits.idempotencyWindowMs,
      keysMax: limits.idempotencyKeysMax,
      keptBytesMax: limits.channelBytesMax,
    };
    return {
      stream: new Stream(random.id().slice(0, EPOCH_LENGTH), options, bounds),
      subscriptions: new Set(),
      usedMs: clock.nowMs(),
    };
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
    const isIdle = room.subscriptions.size === 0 && nowMs - room.usedMs > limits.streamIdleMs;
    if (!spent || !isIdle) return;
    this.#drop(channel, room);
  }

  #drop(channel: string, room: Room): void {
    this.#rooms.delete(channel);
    this.#bytes -= roomBytes(channel) + room.stream.bytes;
  }
}

/** Bytes of a room without its stream's, estimated from above. */
const roomBytes = (channel: string): number => ROOM_BASE_BYTES + 2 * channel.length;
