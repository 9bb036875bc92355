// Owns: the rate limits of each connection.

import type { Observer, Shared } from "../observer.ts";
import { type BucketRate, createTokenBucket, type TokenBucket } from "../pacing/token-bucket.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import type { Roomy } from "./room.ts";
import type { Shares } from "./shares.ts";

/** A connection that does not stop is closed after this many seconds' worth of refused frames. */
const FLOOD_SECONDS = 5;
const BURST_MIN = 1;
/** Bytes that a publication takes besides its data: a small one costs the broker as much. */
const PUBLISH_BYTES = 256;
const SHARED_FROM_BYTES = 2048;
const WAIT_MS_MAX = 60_000;

interface RateTable {
  readonly frames: BucketRate;
  readonly publishes: BucketRate;
  readonly rpcs: BucketRate;
  readonly publishedBytes: BucketRate;
  readonly receivedBytes: BucketRate;
  readonly answeredBytes: BucketRate;
}

/**
 * Answers 0 or the ms to wait. Buckets are made when a connection first needs them and share the
 * rates in force.
 */
export class Rates {
  readonly #clock: Clock;
  readonly #shares: Shares;
  readonly #observer: Pick<Observer, "overShare">;
  #rates: RateTable;
  #refusalsMax: number;

  constructor(
    parts: { readonly clock: Clock; readonly observer: Pick<Observer, "overShare"> },
    shares: Shares,
    settings: NodeSettings,
  ) {
    this.#clock = parts.clock;
    this.#observer = parts.observer;
    this.#shares = shares;
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  /** New rates apply to buckets that are made from now on. */
  configure(settings: NodeSettings): void {
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  frames(connection: Connection, count: number): number {
    const nowMs = this.#clock.nowMs();
    connection.frameBucket ??= createTokenBucket(this.#rates.frames, nowMs);
    const frames = connection.frameBucket;
    if (frames.take(nowMs, count)) {
      // Not forgotten at once: refused requests come between those that the rate allows.
      connection.refusals = Math.max(0, connection.refusals - count);
      return 0;
    }
    connection.refusals += count;
    return refusedMs(frames, nowMs);
  }

  /** A request that is carried out whatever the rate, and had no effect. */
  useless(connection: Connection): void {
    this.frames(connection, 1);
  }

  /** A publish or a presence change with data of `length`. */
  publish(connection: Connection, length: number): number {
    const nowMs = this.#clock.nowMs();
    connection.publishBucket ??= createTokenBucket(this.#rates.publishes, nowMs);
    connection.publishedBucket ??= createTokenBucket(this.#rates.publishedBytes, nowMs);
    const retryMs =
      whole(connection.publishedBucket.waitMs(nowMs)) ||
      ask(connection.publishBucket, nowMs) ||
      this.#take(connection, "published", length + PUBLISH_BYTES);
    if (retryMs === 0) connection.publishedBucket.charge(nowMs, length + PUBLISH_BYTES);
    return retryMs;
  }

  /** A request that makes the node, or its broker, know a channel that it may not know yet. */
  channel(connection: Connection, channel: string): number {
    if (connection.lastChannel === channel) return 0;
    const retryMs = this.#take(connection, "channels", 1);
    if (retryMs === 0) connection.lastChannel = channel;
    return retryMs;
  }

  /** Time that a message of the connection took. */
  processed(connection: Connection, ms: number): void {
    this.#charge(connection, "processing", ms);
  }

  #take(connection: Connection, what: Shared, amount: number): number {
    const waitMs = whole(this.#shares.of(what).take(connection.party, amount, this.#clock.nowMs()));
    if (waitMs !== 0) this.#observer.overShare(what);
    return waitMs;
  }

  #charge(connection: Connection, what: Shared, amount: number): void {
    this.#shares.of(what).charge(connection.party, amount, this.#clock.nowMs());
    connection.overdrawn = true;
  }

  rpc(connection: Connection): number {
    const nowMs = this.#clock.nowMs();
    connection.rpcBucket ??= createTokenBucket(this.#rates.rpcs, nowMs);
    return ask(connection.rpcBucket, nowMs);
  }

  /**
   * Before a message is carried out. A large one waits if its user or address is over a share, also
   * if this connection used nothing of it: so nobody gets more by connecting again.
   */
  arrived(connection: Connection, length: number): void {
    if (length >= SHARED_FROM_BYTES) connection.overdrawn = true;
  }

  /**
   * Charges the bytes that were read from the connection. If the budget is overdrawn, the next
   * frames wait.
   */
  received(connection: Connection, length: number): void {
    const nowMs = this.#clock.nowMs();
    connection.receivedBucket ??= createTokenBucket(this.#rates.receivedBytes, nowMs);
    if (connection.receivedBucket.charge(nowMs, length)) connection.overdrawn = true;
    // Short messages are not worth a check: frames have their own rate.
    if (length >= SHARED_FROM_BYTES) this.#charge(connection, "received", length);
  }

  /** Charges the answers since the last call. */
  answered(connection: Connection): void {
    const nowMs = this.#clock.nowMs();
    connection.answeredBucket ??= createTokenBucket(this.#rates.answeredBytes, nowMs);
    connection.answeredBucket.charge(nowMs, connection.answered);
    this.#charge(connection, "answered", connection.answered);
    connection.answered = 0;
  }

  /** 0, or ms until the connection's budgets are no longer overdrawn. */
  overdrawnMs(connection: Roomy): number {
    if (!connection.overdrawn) return 0;
    const nowMs = this.#clock.nowMs();
    const { party } = connection;
    const shareMs = Math.max(
      this.#shares.of("received").waitMs(party, nowMs),
      this.#shares.of("answered").waitMs(party, nowMs),
      this.#shares.of("processing").waitMs(party, nowMs),
    );
    const waitMs = Math.max(
      shareMs,
      connection.receivedBucket?.waitMs(nowMs) ?? 0,
      connection.answeredBucket?.waitMs(nowMs) ?? 0,
    );
    connection.overdrawn = waitMs > 0;
    return whole(waitMs);
  }

  /** True when the connection was refused so often that it should end. */
  floods(connection: Connection): boolean {
    return connection.refusals > this.#refusalsMax;
  }
}

const whole = (waitMs: number): number => Math.ceil(Math.min(WAIT_MS_MAX, waitMs));

function ask(bucket: TokenBucket, nowMs: number): number {
  return bucket.take(nowMs) ? 0 : refusedMs(bucket, nowMs);
}

const refusedMs = (bucket: TokenBucket, nowMs: number): number => whole(bucket.waitMs(nowMs)) || 1;

function tableOf({ limits }: NodeSettings): RateTable {
  const rate = (ratePerSecond: number): BucketRate => ({
    ratePerSecond,
    burst: Math.max(BURST_MIN, ratePerSecond * limits.burstFactor),
  });
  return {
    frames: rate(limits.framesPerSecondMax),
    publishes: rate(limits.publishesPerSecondMax),
    rpcs: rate(limits.rpcsPerSecondMax),
    publishedBytes: rate(limits.publishedBytesPerSecondMax),
    receivedBytes: rate(limits.receivedBytesPerSecondMax),
    answeredBytes: rate(limits.answeredBytesPerSecondMax),
  };
}

const refusalsMaxOf = ({ limits }: NodeSettings): number =>
  limits.framesPerSecondMax * FLOOD_SECONDS;
