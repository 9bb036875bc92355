// Owns: streams of channels as calls of scripts: publish, pages of history, positions.
import type { StreamOptions } from "@holdfast/contract";
import {
  HISTORY_BYTES_MAX,
  type HistoryPage,
  type HistoryQuery,
  type PublishRequest,
  type PublishResult,
  type Random,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import { type ChannelKeys, channelKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import { type Argument, listOf, numberOf, type Reply, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";
import { ENTRY_BYTES } from "./stream-scripts.ts";
import { readPage, writeRequest } from "./wire.ts";

/**
 * Characters of an epoch that identify this object (50 bits). A number follows that is used only
 * once.
 */
const EPOCH_LENGTH = 10;
/**
 * A counter outlives its publications by at least this: nodes that listen renew it every few
 * minutes.
 */
const IDLE_MS = 10 * 60_000;
/** Most channels whose keys are remembered. At the limit all are forgotten. */
const KEYS_MAX = 10_000;

export class Streams {
  readonly #prefix: string;
  readonly #scripts: Scripts;
  readonly #limits: RedisLimits;
  readonly #epochs: string;
  #lastEpoch = 0;
  readonly #keys = new Map<string, ChannelKeys>();

  constructor(options: {
    readonly prefix: string;
    readonly scripts: Scripts;
    readonly random: Random;
    readonly limits: RedisLimits;
  }) {
    this.#prefix = options.prefix;
    this.#scripts = options.scripts;
    this.#limits = options.limits;
    this.#epochs = options.random.id().slice(0, EPOCH_LENGTH);
  }

  async publish(
    channel: string,
    stream: StreamOptions,
    request: PublishRequest,
  ): Promise<PublishResult> {
    return this.publishTo(this.#keysOf(channel), stream, request);
  }

  /** With these times the keys expire sooner than a channel's. */
  async publishTo(
    keys: ChannelKeys,
    stream: StreamOptions,
    request: PublishRequest,
    times?: { readonly idleMs: number; readonly windowMs: number },
  ): Promise<PublishResult> {
    const { idempotencyWindowMs, idempotencyKeysMax } = this.#limits;
    const content = writeRequest(request);
    const reply = await this.#scripts.run({
      script: "publish",
      slot: keys.slot,
      keys: keys.stream,
      args: [
        ...this.#common(stream, times?.idleMs),
        content,
        request.key ?? "",
        request.idempotencyKey ?? "",
        times?.windowMs ?? idempotencyWindowMs,
        idempotencyKeysMax,
        keys.feed,
        request.measured === true ? 1 : 0,
      ],
    });
    const [epoch, offset, duplicate, gone, ageMs] = listOf(reply);
    const position = { epoch: textOf(epoch), offset: numberOf(offset) };
    if (duplicate === 1) return { position, duplicate: true };
    const bytes = numberOf(gone);
    return {
      position,
      duplicate: false,
      bytes: content.length + ENTRY_BYTES,
      ...(bytes === 0 ? undefined : { displaced: { bytes, ageMs: numberOf(ageMs) } }),
    };
  }

  async history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage> {
    const keys = this.#keysOf(channel);
    return readPage(await this.#page(keys, stream, query));
  }

  async removeHistory(channel: string, stream: StreamOptions): Promise<Position> {
    const keys = this.#keysOf(channel);
    return readPosition(
      await this.#scripts.run({
        script: "remove",
        slot: keys.slot,
        keys: keys.stream,
        args: [...this.#common(stream), keys.feed],
      }),
    );
  }

  /**
   * `told`: the last position that a listener here was told of. If the head is before it, the
   * server lost data, and it continues after `told`.
   */
  async position(keys: ChannelKeys, stream: StreamOptions, told?: Position): Promise<Position> {
    const args = [...this.#common(stream), told?.epoch ?? "", told?.offset ?? ""];
    return readPosition(
      await this.#scripts.run({ script: "position", slot: keys.slot, keys: keys.stream, args }),
    );
  }

  /** Making names costs as much as the library's work for a publish. */
  #keysOf(channel: string): ChannelKeys {
    const known = this.#keys.get(channel);
    if (known !== undefined) return known;
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    const keys = channelKeys(this.#prefix, channel);
    this.#keys.set(channel, keys);
    return keys;
  }

  #page(keys: ChannelKeys, stream: StreamOptions, query: HistoryQuery): Promise<Reply> {
    const limit = Math.max(0, Math.floor(query.limit));
    const bytesMax = Math.floor(query.bytesMax ?? HISTORY_BYTES_MAX);
    const where =
      "after" in query
        ? ["a", query.after, limit, bytesMax]
        : ["b", query.before ?? Number.MAX_SAFE_INTEGER, limit, bytesMax];
    return this.#scripts.run({
      script: "page",
      slot: keys.slot,
      keys: keys.stream,
      args: [...this.#common(stream), ...where],
    });
  }

  /** Arguments 2 to 6 of every script. */
  #common(stream: StreamOptions, ownIdleMs?: number): readonly Argument[] {
    const ttlMs = Math.max(1, Math.floor(stream.ttlMs));
    const keeps = stream.cls !== "volatile" && stream.sizeMax > 0;
    const shape = keeps ? (stream.cls === "latest" ? "l" : "r") : "n";
    const idleMs = ownIdleMs ?? IDLE_MS + Math.max(ttlMs, 2 * this.#limits.idempotencyWindowMs);
    this.#lastEpoch += 1;
    // Every call brings a new epoch in case it needs one: no epoch is ever used twice.
    return [this.#epochs + this.#lastEpoch.toString(36), shape, stream.sizeMax, ttlMs, idleMs];
  }
}

function readPosition(reply: Reply): Position {
  const [epoch, offset] = listOf(reply);
  return { epoch: textOf(epoch), offset: numberOf(offset) };
}
