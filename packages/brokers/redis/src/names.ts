// Owns: the index of channel names, for listings: a sorted set. Names are added early and removed
// late. A listing checks each name before it answers with it.
import { BrokerError, type Clock } from "@holdfast/core";
import { channelKeys, type SharedKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import { listOf, numberOf, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";

export interface NamesOptions {
  readonly prefix: string;
  readonly shared: SharedKeys;
  readonly scripts: Scripts;
  readonly clock: Clock;
  readonly limits: RedisLimits;
}

/**
 * A name is added again after this. A name is removed only when its counter is gone, at least 10
 * minutes after its last use.
 */
const NOTED_MS = 60_000;
/** Most names remembered. At the limit all are forgotten, and added again when they are used. */
const NOTED_MAX = 200_000;
const PAGE_MAX = 500;
/** How many names are checked in the background, and how often. */
const TIDY_COUNT = 50;
const TIDY_MS = 1_000;

export class Names {
  readonly #options: NamesOptions;
  readonly #noted = new Map<string, number>();
  /** Names on their way to the server: a listing of this node waits for them. */
  readonly #noting = new Set<Promise<unknown>>();
  #cancel: () => void;

  constructor(options: NamesOptions) {
    this.#options = options;
    this.#cancel = options.clock.after(TIDY_MS, () => void this.#tidy());
  }

  /**
   * Adds the name, unless that was done a short while ago. No call waits for it: the answer to a
   * channel's first publish must not come after later ones, and no publish may fail because of a
   * listing.
   */
  note(channel: string): void {
    const { clock, scripts, shared } = this.#options;
    const nowMs = clock.nowMs();
    const notedMs = this.#noted.get(channel);
    if (notedMs !== undefined && nowMs - notedMs < NOTED_MS) return;
    if (this.#noted.size >= NOTED_MAX) this.#noted.clear();
    this.#noted.set(channel, nowMs);
    const noting = scripts
      .command(shared.slot, ["ZADD", shared.names, 0, channel])
      .catch(() => this.#noted.delete(channel))
      .finally(() => this.#noting.delete(noting));
    this.#noting.add(noting);
  }

  /** A server may have lost its data. */
  forget(): void {
    this.#noted.clear();
  }

  /** See `Broker.channels`. Sorted by code points. Rejects with BrokerError. */
  async list({
    prefix,
    after,
    limit,
  }: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<string[]> {
    const { clock, limits, shared, scripts } = this.#options;
    const untilMs = clock.nowMs() + limits.requestMs;
    const countMax = Math.max(0, Math.floor(limit));
    await Promise.all(this.#noting);
    const to =
      prefix === "" ? "+" : Buffer.concat([Buffer.from(`(${prefix}`), Uint8Array.of(0xff)]);
    const found: string[] = [];
    let from =
      after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0
        ? `(${after}`
        : `[${prefix}`;
    while (found.length < countMax) {
      if (clock.nowMs() > untilMs)
        throw new BrokerError("timeout", "too many names of channels that are gone");
      const count = Math.min(PAGE_MAX, 2 * countMax);
      const reply = await scripts.command(shared.slot, [
        "ZRANGEBYLEX",
        shared.names,
        from,
        to,
        "LIMIT",
        0,
        count,
      ]);
      const names = listOf(reply).map(textOf);
      const alive = await Promise.all(names.map((name) => this.#isAlive(name)));
      found.push(...names.filter((_, index) => alive[index]));
      const last = names.at(-1);
      if (names.length < count || last === undefined) break;
      from = `(${last}`;
    }
    return found.slice(0, countMax);
  }

  close(): void {
    this.#cancel();
  }

  /**
   * Whether something is kept, or a node listens. Values and streams expire with their newest
   * publication.
   */
  async #isAlive(channel: string): Promise<boolean> {
    const { prefix, scripts } = this.#options;
    const { slot, stream, feed } = channelKeys(prefix, channel);
    const [, entries = "", values = ""] = stream;
    const [kept, listeners] = await Promise.all([
      scripts.command(slot, ["EXISTS", entries, values]),
      scripts.command(slot, ["PUBSUB", "SHARDNUMSUB", feed]),
    ]);
    return numberOf(kept) > 0 || numberOf(listOf(listeners)[1]) > 0;
  }

  async #tidy(): Promise<void> {
    const { shared, scripts, clock } = this.#options;
    try {
      const names = listOf(
        await scripts.command(shared.slot, ["ZRANDMEMBER", shared.names, TIDY_COUNT]),
      ).map(textOf);
      await Promise.all(names.map((name) => this.#dropDead(name)));
    } catch {
      // The server is out of reach or busy: it is tried again later. Nothing depends on it.
    }
    this.#cancel = clock.after(TIDY_MS, () => void this.#tidy());
  }

  async #dropDead(channel: string): Promise<void> {
    const { prefix, scripts, shared } = this.#options;
    const { slot, stream } = channelKeys(prefix, channel);
    if (
      numberOf(await scripts.command(slot, ["EXISTS", stream[0] ?? ""])) > 0 ||
      (await this.#isAlive(channel))
    )
      return;
    await scripts.command(shared.slot, ["ZREM", shared.names, channel]);
  }
}
