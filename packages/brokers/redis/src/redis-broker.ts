// Owns: the Broker port over Redis or Valkey: its parts, whether the servers are in reach, the bus,
// the probe, and closing.
import type { StreamOptions } from "@holdfast/contract";
import {
  type Broker,
  BrokerError,
  type BrokerUsage,
  type BusMessage,
  type ChannelListener,
  type HistoryPage,
  type HistoryQuery,
  type PublishRequest,
  type PublishResult,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { RedisBrokerEvent, RedisBrokerOptions } from "./create-redis-broker.ts";
import { Feeds } from "./feeds.ts";
import { RedisRefusal } from "./handshake.ts";
import { type SharedKeys, sharedKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { Names } from "./names.ts";
import { Presence } from "./presence.ts";
import { PresenceSweeper } from "./presence-sweeper.ts";
import { Probe } from "./probe.ts";
import type { RedisPlace } from "./redis-url.ts";
import { createRouter, type Router } from "./router.ts";
import { Scripts } from "./scripts.ts";
import { StateSweeper } from "./state-sweeper.ts";
import { States } from "./states.ts";
import { Streams } from "./streams.ts";
import { Subscriptions } from "./subscriptions.ts";
import { readBus, writeBus } from "./wire.ts";

/** See `createRedisBroker`. */
export class RedisBroker implements Broker {
  /** A server does not know parties. */
  readonly sharesRoom = false;
  readonly presence: Broker["presence"];
  readonly states: Broker["states"];
  readonly bus: Broker["bus"];
  readonly #options: RedisBrokerOptions;
  readonly #place: RedisPlace;
  readonly #limits: RedisLimits;
  readonly #shared: SharedKeys;
  readonly #router: Router;
  readonly #scripts: Scripts;
  readonly #feeds: Feeds;
  readonly #streams: Streams;
  readonly #subscriptions: Subscriptions;
  readonly #presence: Presence;
  readonly #sweeper: PresenceSweeper;
  readonly #stateSweeper: StateSweeper;
  readonly #names: Names;
  readonly #reconnectTasks: (() => void)[] = [];
  readonly #busListeners: ((message: BusMessage) => void)[] = [];
  readonly #probe: Probe;
  #wasWhole = false;
  #isWarned = false;
  #closed = false;

  constructor(options: RedisBrokerOptions, place: RedisPlace, limits: RedisLimits) {
    const { clock, random, onBug } = options;
    const { prefix } = place;
    this.#options = options;
    this.#place = place;
    this.#limits = limits;
    this.#shared = sharedKeys(prefix);
    this.#router = createRouter({
      clock,
      random,
      limits,
      place,
      handlers: {
        up: (link) => this.#linkUp(link),
        down: (link, reason) => this.#linkDown(link, reason),
        failed: (_link, error) => this.#tell({ kind: "failed", reason: error.message }),
        message: (link, feed, message) => this.#feeds.message(link, feed, message),
        moved: (_link, feed) => this.#feeds.moved(feed),
        rerouted: () => this.#feeds.rerouted(),
      },
    });
    this.#scripts = new Scripts(this.#router, clock, limits);
    this.#feeds = new Feeds({
      router: this.#router,
      clock,
      limits,
      onBug,
      onRenewed: (names) => void this.#renewed(names),
    });
    this.#streams = new Streams({ prefix, scripts: this.#scripts, random, limits });
    this.#probe = new Probe({
      prefix,
      id: random.id().slice(0, 10),
      router: this.#router,
      streams: this.#streams,
      feeds: this.#feeds,
      clock,
      limits,
    });
    this.#names = new Names({
      prefix,
      shared: this.#shared,
      scripts: this.#scripts,
      clock,
      limits,
    });
    this.#presence = new Presence({ prefix, shared: this.#shared, scripts: this.#scripts, limits });
    this.presence = demanding(this.#presence.store, () => this.#demand());
    const states = new States({
      prefix,
      scripts: this.#scripts,
      random,
      demand: () => this.#demand(),
      taken: () => this.#stateSweeper.taken(),
    });
    this.states = states;
    this.#stateSweeper = new StateSweeper({ names: states.names, clock, random });
    this.#subscriptions = new Subscriptions({
      prefix,
      clock,
      limits,
      onBug,
      feeds: this.#feeds,
      streams: this.#streams,
      onMissed: () => this.#recheck(),
    });
    this.#sweeper = new PresenceSweeper({
      prefix,
      shared: this.#shared,
      scripts: this.#scripts,
      limits,
      clock,
      random,
      onBug,
      mayReap: () =>
        [...this.#router.links()].every(
          ({ sinceMs }) => clock.nowMs() - sinceMs >= limits.reapAfterMs,
        ),
    });
    this.bus = {
      send: async (message) => {
        this.#demand();
        await this.#scripts.command(this.#shared.slot, [
          "SPUBLISH",
          this.#shared.bus,
          writeBus(message),
        ]);
      },
      listen: (listener) => void this.#busListeners.push(listener),
    };
  }

  /**
   * Resolves when the broker is reached for the first time. If that takes too long, the broker is
   * closed, and this rejects with BrokerError.
   */
  async start(startMs: number): Promise<void> {
    const { clock } = this.#options;
    const untilMs = clock.nowMs() + startMs;
    for (;;) {
      try {
        await this.#listen();
        this.#demandWhole();
        this.#wasWhole = true;
        return this.#tell({ kind: "reached" });
      } catch (error) {
        if (clock.nowMs() < untilMs && !this.#isRefused(error)) {
          await new Promise<void>((resolve) => clock.after(START_PAUSE_MS, resolve));
          continue;
        }
        const cause =
          [...this.#router.links()].find((link) => link.error !== undefined)?.error ?? error;
        await this.close();
        throw cause instanceof BrokerError
          ? cause
          : new BrokerError("unavailable", "the broker is out of reach", { cause });
      }
    }
  }

  async publish(
    channel: string,
    stream: StreamOptions,
    request: PublishRequest,
  ): Promise<PublishResult> {
    this.#demand();
    if (stream.cls !== "volatile") this.#names.note(channel);
    return this.#streams.publish(channel, stream, request);
  }

  async subscribe(
    channel: string,
    stream: StreamOptions,
    listener: ChannelListener,
  ): Promise<Position> {
    this.#demand();
    this.#names.note(channel);
    return this.#subscriptions.subscribe(channel, stream, listener);
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.unsubscribe(channel);
  }

  async history(channel: string, stream: StreamOptions, query: HistoryQuery): Promise<HistoryPage> {
    this.#demand();
    return this.#streams.history(channel, stream, query);
  }

  async removeHistory(channel: string, stream: StreamOptions): Promise<Position> {
    this.#demand();
    return this.#streams.removeHistory(channel, stream);
  }

  async channels(query: Parameters<Broker["channels"]>[0]): Promise<readonly string[]> {
    this.#demand();
    return this.#names.list(query);
  }

  onReconnect(task: () => void): void {
    this.#reconnectTasks.push(task);
  }

  /**
   * True while every primary says that it writes an append-only file, or the operator says so
   * (`durable=trusted`).
   */
  get durable(): boolean {
    if (this.#place.durable === "trusted") return true;
    const links = [...this.#router.links()];
    return links.length > 0 && links.every(({ facts }) => facts?.persists === true);
  }

  /** A publish on every primary, until it arrives. */
  async probe(): Promise<void> {
    this.#demand();
    this.#demandWhole();
    await this.#probe.check();
  }

  usage(): BrokerUsage | undefined {
    const facts = [...this.#router.links()].map((link) => link.usage);
    if (facts.length === 0 || facts.includes(undefined)) return undefined;
    const known = facts as readonly BrokerUsage[];
    const bytesMax = known.map((one) => one.bytesMax ?? 0);
    return {
      bytes: known.reduce((sum, { bytes }) => sum + bytes, 0),
      ...(bytesMax.includes(0) ? {} : { bytesMax: bytesMax.reduce((sum, one) => sum + one, 0) }),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweeper.stop();
    this.#stateSweeper.stop();
    this.#names.close();
    this.#subscriptions.close();
    // Earlier calls are answered first, leaves of members among them. A silent server does not
    // delay this.
    await Promise.all([...this.#router.links()].map((link) => link.settled(this.#limits.closeMs)));
    this.#router.close();
    this.#feeds.close();
  }

  #demand(): void {
    if (this.#closed) throw new BrokerError("closed", "the broker's connection was closed");
  }

  #demandWhole(): void {
    const links = [...this.#router.links()];
    const down = links.find(({ isUp }) => !isUp);
    if (links.length === 0 || down !== undefined)
      throw down?.refusal() ?? new BrokerError("unavailable", "the broker is out of reach");
    if (!this.#feeds.isWhole)
      throw new BrokerError("unavailable", "subscriptions are being made again");
  }

  #isRefused(error: unknown): boolean {
    if (error instanceof BrokerError && error.code === "refused") return true;
    return [...this.#router.links()].some(({ error }) => error instanceof RedisRefusal);
  }

  /** The feed that every node listens to. */
  async #listen(): Promise<void> {
    const { slot, bus } = this.#shared;
    await this.#feeds.want({ name: bus, slot, onMessage: (message) => this.#hearBus(message) });
  }

  #hearBus(message: Buffer): void {
    if (this.#closed) return;
    const heard = readBus(message);
    for (const listener of this.#busListeners) this.#guard(() => listener(heard));
  }

  #linkUp(link: Link): void {
    const { facts } = link;
    if (facts?.keepsAll === false && !this.#isWarned) {
      this.#isWarned = true;
      this.#tell({
        kind: "warning",
        message: "the server may evict keys at its memory limit: set maxmemory-policy noeviction",
      });
    }
    this.#feeds.linkUp();
  }

  #linkDown(link: Link, reason: string): void {
    if (this.#closed) return;
    this.#names.forget();
    this.#presence.forget();
    this.#feeds.linkDown(link);
    this.#tell({ kind: "lost", reason });
  }

  /**
   * Lost feeds are subscribed to again. Positions come first: so a server that lost data continues
   * with offsets that nobody has seen.
   */
  async #renewed(feeds: readonly string[]): Promise<void> {
    try {
      await this.#subscriptions.renew(feeds);
    } catch {
      // The connection was lost again; the lease is renewed again later.
      return;
    }
    if (this.#closed || !this.#wasWhole) return;
    this.#tell({ kind: "reached" });
    this.#recheck();
  }

  #recheck(): void {
    for (const task of this.#reconnectTasks) this.#guard(task);
  }

  #tell(event: RedisBrokerEvent): void {
    this.#guard(() => this.#options.onEvent?.(event));
  }

  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#options.onBug(error);
    }
  }
}

const START_PAUSE_MS = 20;

/** The same store, but it refuses calls after the broker is closed. */
function demanding(store: Broker["presence"], demand: () => void): Broker["presence"] {
  return {
    enter: async (...args) => {
      demand();
      return store.enter(...args);
    },
    leave: async (...args) => {
      demand();
      return store.leave(...args);
    },
    members: async (...args) => {
      demand();
      return store.members(...args);
    },
    renew: async (...args) => {
      demand();
      return store.renew(...args);
    },
  };
}
