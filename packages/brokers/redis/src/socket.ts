// Owns: one connection to a server, through the client library but with our rules: calls do not
// wait for a connection, it does not reconnect by itself, and answers have a time limit.

import { BrokerError, type Clock } from "@holdfast/core";
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import type { RedisLimits } from "./limits.ts";
import type { RedisAccount } from "./redis-url.ts";
import { type Argument, type Reply, ReplyError } from "./reply.ts";
import { reasonOf } from "./socket-reasons.ts";

export interface RedisTls {
  /** PEM; absent: the system's authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

export interface SocketOptions {
  readonly address: RedisAddress;
  readonly tls: RedisTls | undefined;
  readonly account: RedisAccount;
  readonly database: number;
  readonly clock: Clock;
  readonly limits: RedisLimits;
  readonly onMessage?: (feed: string, message: Buffer) => void;
  /** The server ended a subscription by itself: its slot has moved to another server. */
  readonly onMoved?: (feed: string) => void;
  /** The connection ended, for any reason; called once, in its own turn. */
  readonly onEnd: (reason: string) => void;
}

interface Waiting {
  readonly dueMs: number;
  readonly fail: (error: BrokerError) => void;
}

type Client = ReturnType<typeof newClient>;

/** Connects when it is made; cannot be used after it ends. */
export class RedisSocket {
  /** Signed in. Rejects with BrokerError, or with ReplyError when the account was refused. */
  readonly opened: Promise<void>;
  readonly #options: SocketOptions;
  readonly #client: Client;
  readonly #waiting = new Set<Waiting>();
  #heardMs: number;
  #cancelTimer: (() => void) | undefined;
  #end: string | undefined;
  readonly #hear = (message: Buffer, feed: Buffer): void => {
    this.#heardMs = this.#options.clock.nowMs();
    if (this.#end === undefined) this.#options.onMessage?.(feed.toString(), message);
  };

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#heardMs = options.clock.nowMs();
    this.#client = newClient(options);
    // Without a listener an error would end the process; with it, the connection ends, and so does
    // this object.
    this.#client.on("error", (error: unknown) => this.cut(reasonOf(error)));
    this.#client.on("end", () => this.cut("closed by the server"));
    this.#client.on("sharded-channel-moved", (feed: string) => options.onMoved?.(feed));
    this.opened = this.#client.connect().then(
      () => {},
      (error: unknown) => {
        this.cut(reasonOf(error));
        throw error instanceof ErrorReply
          ? new ReplyError(error.message)
          : new BrokerError("unavailable", `the broker is out of reach: ${reasonOf(error)}`);
      },
    );
    this.opened.catch(() => {});
  }

  /** Milliseconds since the server was last heard, while it owes an answer; otherwise 0. */
  silenceMs(): number {
    return this.#waiting.size === 0 ? 0 : this.#options.clock.nowMs() - this.#heardMs;
  }

  /**
   * Sends a command at the end of this turn, with all others of the turn in one write. An error
   * that the server answers is returned, not thrown.
   * Rejects with BrokerError: "unavailable" at once without a connection, "timeout", "busy".
   */
  call(command: readonly Argument[]): Promise<Reply> {
    return this.#send(() =>
      this.#client.sendCommand(
        command.map((argument) => (typeof argument === "number" ? String(argument) : argument)),
      ),
    );
  }

  /**
   * Resolves when every feed is confirmed; an error that the server answers is returned. All of
   * them are in one slot, if there are slots.
   */
  subscribe(feeds: readonly string[]): Promise<Reply> {
    return this.#send(async () => {
      await this.#client.sSubscribe([...feeds], this.#hear, true);
      return null;
    });
  }

  unsubscribe(feeds: readonly string[]): Promise<Reply> {
    return this.#send(async () => {
      await this.#client.sUnsubscribe([...feeds]);
      return null;
    });
  }

  /** Ends the connection at once; calls that wait are refused as unavailable. */
  cut(reason: string): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#cancelTimer?.();
    // It throws if it has already ended.
    if (this.#client.isOpen) this.#client.destroy();
    this.#options.clock.defer(() => {
      // The library forgets calls that wait when a connection ends by itself.
      for (const { fail } of this.#waiting) fail(this.#unavailable());
      this.#waiting.clear();
      this.#options.onEnd(reason);
    });
  }

  #send(command: () => Promise<unknown>): Promise<Reply> {
    const { clock, limits } = this.#options;
    if (this.#end !== undefined) return Promise.reject(this.#unavailable());
    if (this.#waiting.size >= limits.requestsMax)
      return Promise.reject(new BrokerError("busy", "too many calls wait for the broker"));
    const nowMs = clock.nowMs();
    if (this.#waiting.size === 0) this.#heardMs = nowMs;
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        dueMs: nowMs + limits.requestMs,
        fail: reject,
      };
      this.#waiting.add(waiting);
      this.#cancelTimer ??= clock.after(limits.requestMs, () => this.#expire());
      command().then(
        (reply) => {
          this.#heardMs = clock.nowMs();
          this.#waiting.delete(waiting);
          resolve(reply as Reply);
        },
        (error: unknown) => {
          this.#waiting.delete(waiting);
          if (!(error instanceof ErrorReply)) return reject(this.#unavailable(error));
          this.#heardMs = clock.nowMs();
          resolve(new ReplyError(error.message));
        },
      );
    });
  }

  /**
   * All calls have the same time limit, so the oldest ends first and one timer is enough. A call
   * that has expired keeps its place until the answer or the end.
   */
  #expire(): void {
    const { clock } = this.#options;
    this.#cancelTimer = undefined;
    const nowMs = clock.nowMs();
    for (const waiting of this.#waiting) {
      if (waiting.dueMs > nowMs) {
        this.#cancelTimer = clock.after(waiting.dueMs - nowMs, () => this.#expire());
        return;
      }
      waiting.fail(
        new BrokerError(
          "timeout",
          `the broker did not answer within ${this.#options.limits.requestMs} ms`,
        ),
      );
    }
  }

  #unavailable(cause?: unknown): BrokerError {
    return new BrokerError(
      "unavailable",
      `the broker is out of reach: ${this.#end ?? reasonOf(cause)}`,
    );
  }
}

function newClient({ address, tls, account, database, limits }: SocketOptions) {
  return createClient({
    ...account,
    database,
    RESP: 3,
    name: "holdfast",
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled",
    commandsQueueMaxLength: limits.requestsMax + 100,
    // Our own timer is one for all commands; the library would make one for each.
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    socket: {
      ...address,
      connectTimeout: limits.connectMs,
      reconnectStrategy: false,
      ...(tls === undefined ? {} : { tls: true as const, servername: address.host, ...tls }),
    },
  });
}
