// Owns: a node's link to one primary: a connection for commands and one for subscriptions. If
// either is lost, both are made again.
import { BrokerError, type BrokerUsage, type Clock, type Random } from "@holdfast/core";
import {
  demandRights,
  loadScripts,
  RedisRefusal,
  readFacts,
  readUsage,
  type ServerFacts,
  signedIn,
} from "./handshake.ts";
import type { RedisLimits } from "./limits.ts";
import type { RedisAccount } from "./redis-url.ts";
import type { Argument, Reply } from "./reply.ts";
import { lackingRights, missingRights, type RightsAsked } from "./rights.ts";
import { type RedisAddress, RedisSocket, type RedisTls, type SocketOptions } from "./socket.ts";

export interface LinkOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: RedisLimits;
  readonly tls: RedisTls | undefined;
  readonly account: RedisAccount;
  readonly database: number;
  /** Whether the server is one of a cluster: its account needs more rights. */
  readonly isCluster: boolean;
  /** The prefix of every key and channel. */
  readonly prefix: string;
  /** Where the primary is now; asked before every attempt. Rejects with BrokerError. */
  readonly locate: () => Promise<RedisAddress>;
  readonly handlers: LinkHandlers;
}

/** Each of these is called in its own turn of the event loop. */
export interface LinkHandlers {
  /** Commands can be sent and channels subscribed to. */
  readonly up: (link: Link) => void;
  /** The link's subscriptions are gone. */
  readonly down: (link: Link, reason: string) => void;
  /** An attempt to connect failed. */
  readonly failed: (link: Link, error: BrokerError) => void;
  readonly message: (link: Link, feed: string, message: Buffer) => void;
  /** The server ended a subscription by itself: its slot has moved to another server. */
  readonly moved: (link: Link, feed: string) => void;
}

interface Connected {
  readonly commands: RedisSocket;
  readonly subscriber: RedisSocket;
  readonly facts: ServerFacts;
}

/** How often a server is asked for its memory, in heartbeats. */
const USAGE_BEATS = 10;

/** Both connections begin and end together, so that "reached" has one meaning. */
export class Link {
  readonly #options: LinkOptions;
  #connected: Connected | undefined;
  #attempts = 0;
  #cancel: (() => void) | undefined;
  #closed = false;
  #beats = 0;
  #asking: Promise<readonly string[]> | undefined;
  #usage: BrokerUsage | undefined;
  /** Since when the link has been up, on the steady clock. */
  sinceMs = Number.POSITIVE_INFINITY;
  /** The last attempt's error; undefined while the link is connected. */
  error: BrokerError | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#cancel = options.clock.after(0, () => void this.#connect());
  }

  get isUp(): boolean {
    return this.#connected !== undefined;
  }

  /** Memory of the server, as it said last. */
  get usage(): BrokerUsage | undefined {
    return this.#usage;
  }

  get facts(): ServerFacts | undefined {
    return this.#connected?.facts;
  }

  /** Sends a command. Rejects with BrokerError, at once when the link is down. */
  call(command: readonly Argument[]): Promise<Reply> {
    if (this.#connected === undefined) return Promise.reject(this.refusal());
    return this.#connected.commands.call(command);
  }

  /**
   * Resolves when the feeds, all of one slot, are confirmed; an error that the server answers is
   * returned. Rejects with BrokerError.
   */
  subscribe(feeds: readonly string[]): Promise<Reply> {
    return this.#connected?.subscriber.subscribe(feeds) ?? Promise.reject(this.refusal());
  }

  unsubscribe(feeds: readonly string[]): Promise<Reply> {
    return this.#connected?.subscriber.unsubscribe(feeds) ?? Promise.reject(this.refusal());
  }

  refusal(): BrokerError {
    if (this.#closed) return new BrokerError("closed", "the broker's connection was closed");
    if (this.error instanceof RedisRefusal) return this.error;
    return new BrokerError("unavailable", "the broker is out of reach", { cause: this.error });
  }

  /** Asks the server which commands the account may not run. Rejects with BrokerError. */
  async missingRights(): Promise<readonly string[]> {
    if (this.#connected === undefined) throw this.refusal();
    const { commands, subscriber } = this.#connected;
    this.#asking ??= missingRights(this.#asked(commands, subscriber)).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Rejects with BrokerError if the account lacks a right. */
  async demandRights(): Promise<void> {
    const lacks = await this.missingRights();
    if (lacks.length > 0) throw new BrokerError("refused", lackingRights(lacks), { lacks });
  }

  /** Cuts the connections and makes them again: the server has changed its role or its data. */
  reset(reason: string): void {
    if (this.#connected === undefined) return;
    this.#connected.commands.cut(reason);
  }

  /** Resolves when everything that was sent has its answer, or after `ms`. */
  async settled(ms: number): Promise<void> {
    const { clock } = this.#options;
    const connected = this.#connected;
    if (connected === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      const done = (): void => {
        cancel();
        resolve();
      };
      connected.commands.call(["PING"]).then(done, done);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancel?.();
    const connected = this.#connected;
    this.#connected = undefined;
    connected?.commands.cut("closed");
    connected?.subscriber.cut("closed");
  }

  async #connect(): Promise<void> {
    const { clock, limits, locate, handlers } = this.#options;
    const sockets: RedisSocket[] = [];
    let over = false;
    const cancelTimeout = clock.after(limits.connectMs, () => {
      for (const socket of sockets) socket.cut("no handshake in time");
    });
    const lost = (reason: string): void => {
      over = true;
      for (const socket of sockets) socket.cut(reason);
      this.#lose(sockets, reason);
    };
    try {
      const address = await locate();
      if (this.#closed) return;
      const commands = this.#open(address, lost);
      const subscriber = this.#open(address, lost, {
        onMessage: (feed, message) => handlers.message(this, feed, message),
        onMoved: (feed) => handlers.moved(this, feed),
      });
      sockets.push(commands, subscriber);
      const facts = await this.#greet(commands, subscriber);
      if (over || this.#closed) throw this.refusal();
      this.#connected = { commands, subscriber, facts };
      this.error = undefined;
      this.#usage = facts.usage;
      this.#attempts = 0;
      this.sinceMs = clock.nowMs();
      this.#beat();
      handlers.up(this);
    } catch (error) {
      for (const socket of sockets) socket.cut("the handshake failed");
      if (this.#closed) return;
      this.error =
        error instanceof BrokerError
          ? error
          : new BrokerError("internal", "the handshake failed", { cause: error });
      handlers.failed(this, this.error);
      this.#again();
    } finally {
      cancelTimeout();
    }
  }

  #open(
    address: RedisAddress,
    onEnd: (reason: string) => void,
    ears: Pick<SocketOptions, "onMessage" | "onMoved"> = {},
  ): RedisSocket {
    const { clock, limits, tls, account, database } = this.#options;
    return new RedisSocket({ address, tls, account, database, clock, limits, onEnd, ...ears });
  }

  async #greet(commands: RedisSocket, subscriber: RedisSocket): Promise<ServerFacts> {
    await Promise.all([signedIn(commands), signedIn(subscriber)]);
    // First: whatever is refused later for want of a right is told with that right's name.
    await demandRights(this.#asked(commands, subscriber));
    const facts = await readFacts(commands);
    if (facts.isLoading) throw new BrokerError("unavailable", "the broker is reading its data");
    if (!facts.isPrimary) throw new BrokerError("unavailable", "the server is a replica");
    await loadScripts(commands);
    return facts;
  }

  #asked(commands: RedisSocket, subscriber: RedisSocket): RightsAsked {
    const { prefix, database, isCluster } = this.#options;
    return {
      prefix,
      database,
      isCluster,
      call: (command) => commands.call(command),
      subscribe: (feeds) => subscriber.subscribe(feeds),
      unsubscribe: (feeds) => subscriber.unsubscribe(feeds),
    };
  }

  /** Asks an idle connection for a sign of life; cuts one that owes an answer for too long. */
  #beat(): void {
    const { clock, limits } = this.#options;
    this.#cancel = clock.after(limits.heartbeatMs, () => {
      const connected = this.#connected;
      if (connected === undefined) return;
      const { commands, subscriber } = connected;
      const silentMs = Math.max(commands.silenceMs(), subscriber.silenceMs());
      if (silentMs >= limits.stallMs) return commands.cut(`silent for ${Math.round(silentMs)} ms`);
      commands.call(["ROLE"]).then(
        // A primary became a replica without ending its connections: writes that it accepts from
        // now on would be lost.
        (role) =>
          Array.isArray(role) &&
          String(role[0]) !== "master" &&
          this.reset("the server is no longer a primary"),
        () => {},
      );
      if (subscriber.silenceMs() === 0) subscriber.call(["PING"]).catch(() => {});
      this.#beats += 1;
      if (this.#beats % USAGE_BEATS === 0) void this.#measure(commands);
      this.#beat();
    });
  }

  async #measure(commands: RedisSocket): Promise<void> {
    this.#usage = (await readUsage(commands).catch(() => undefined)) ?? this.#usage;
  }

  #lose(sockets: readonly RedisSocket[], reason: string): void {
    const connected = this.#connected;
    if (connected === undefined || !sockets.includes(connected.commands)) return;
    this.#connected = undefined;
    this.sinceMs = Number.POSITIVE_INFINITY;
    this.#cancel?.();
    this.error = new BrokerError("unavailable", `the connection was lost: ${reason}`);
    this.#options.handlers.down(this, reason);
    this.#again();
  }

  #again(): void {
    if (this.#closed) return;
    const { clock, limits, random } = this.#options;
    const pauseMs = Math.min(
      limits.backoffMsMax,
      limits.backoffMs * 2 ** Math.min(this.#attempts, 16),
    );
    // After a refusal that will not change by itself, the next attempt comes late.
    const factor = this.error instanceof RedisRefusal ? 10 : 1;
    this.#attempts += 1;
    this.#cancel = clock.after(
      factor * pauseMs * (0.5 + random.next() / 2),
      () => void this.#connect(),
    );
  }
}
