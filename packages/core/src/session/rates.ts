// Owns: the rate limits of each connection.
import { type BucketRate, createTokenBucket, type TokenBucket } from "../pacing/token-bucket.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import type { Roomy } from "./room.ts";

/**
 * Refused requests after which a connection that goes on is closed: this many seconds' worth of its
 * frames.
 */
const FLOOD_SECONDS = 5;
const BURST_MIN = 1;

interface RateTable {
  readonly frames: BucketRate;
  readonly publishes: BucketRate;
  readonly rpcs: BucketRate;
  readonly receivedBytes: BucketRate;
  readonly answeredBytes: BucketRate;
}

/**
 * Answers 0 or the ms to wait. Buckets are made when a connection first needs them and share the
 * rates in force.
 */
export class Rates {
  readonly #clock: Clock;
  #rates: RateTable;
  #refusalsMax: number;

  constructor(clock: Clock, settings: NodeSettings) {
    this.#clock = clock;
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  /** New rates hold for the buckets that are made from now on. */
  configure(settings: NodeSettings): void {
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  frames(connection: Connection, count: number): number {
    const nowMs = this.#clock.nowMs();
    if (count === 0) return 0;
    connection.frameBucket ??= createTokenBucket(this.#rates.frames, nowMs);
    const frames = connection.frameBucket;
    if (frames.take(nowMs, count)) {
      connection.refusals = 0;
      return 0;
    }
    connection.refusals += count;
    return Math.ceil(Math.min(60_000, frames.waitMs(nowMs))) || 1;
  }

  /** A request that is carried out whatever the rate, and had no effect. */
  useless(connection: Connection): void {
    this.frames(connection, 1);
  }

  publish(connection: Connection): number {
    const nowMs = this.#clock.nowMs();
    connection.publishBucket ??= createTokenBucket(this.#rates.publishes, nowMs);
    return ask(connection.publishBucket, nowMs);
  }

  rpc(connection: Connection): number {
    const nowMs = this.#clock.nowMs();
    connection.rpcBucket ??= createTokenBucket(this.#rates.rpcs, nowMs);
    return ask(connection.rpcBucket, nowMs);
  }

  /** Charges what was read of the connection. What is over makes the next frames wait. */
  received(connection: Connection, length: number): void {
    const nowMs = this.#clock.nowMs();
    connection.receivedBucket ??= createTokenBucket(this.#rates.receivedBytes, nowMs);
    if (connection.receivedBucket.charge(nowMs, length)) connection.overdrawn = true;
  }

  /** Charges the answers since the last call. */
  answered(connection: Connection): void {
    const nowMs = this.#clock.nowMs();
    connection.answeredBucket ??= createTokenBucket(this.#rates.answeredBytes, nowMs);
    if (connection.answeredBucket.charge(nowMs, connection.answered)) connection.overdrawn = true;
    connection.answered = 0;
  }

  /** 0, or ms until what the connection was charged is made up for. */
  overdrawnMs(connection: Roomy): number {
    if (!connection.overdrawn) return 0;
    const nowMs = this.#clock.nowMs();
    const waitMs = Math.max(
      connection.receivedBucket?.waitMs(nowMs) ?? 0,
      connection.answeredBucket?.waitMs(nowMs) ?? 0,
    );
    connection.overdrawn = waitMs > 0;
    return Math.ceil(Math.min(60_000, waitMs));
  }

  /** True when the connection was refused so often that it should end. */
  floods(connection: Connection): boolean {
    return connection.refusals > this.#refusalsMax;
  }
}

function ask(bucket: TokenBucket, nowMs: number): number {
  if (bucket.take(nowMs)) return 0;
  return Math.ceil(Math.min(60_000, bucket.waitMs(nowMs))) || 1;
}

function tableOf({ limits }: NodeSettings): RateTable {
  const rate = (ratePerSecond: number): BucketRate => ({
    ratePerSecond,
    burst: Math.max(BURST_MIN, ratePerSecond * limits.burstFactor),
  });
  return {
    frames: rate(limits.framesPerSecondMax),
    publishes: rate(limits.publishesPerSecondMax),
    rpcs: rate(limits.rpcsPerSecondMax),
    receivedBytes: rate(limits.receivedBytesPerSecondMax),
    answeredBytes: rate(limits.answeredBytesPerSecondMax),
  };
}

const refusalsMaxOf = ({ limits }: NodeSettings): number =>
  limits.framesPerSecondMax * FLOOD_SECONDS;
