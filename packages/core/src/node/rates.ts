// Owns: the rate limits of each connection.
import { type BucketRate, createTokenBucket } from "../pacing/token-bucket.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "./connection.ts";
import type { NodeSettings } from "./settings.ts";

/** Refused requests after which a connection that goes on is closed: this many seconds' worth of its frames. */
const FLOOD_SECONDS = 5;
const BURST_MIN = 1;

interface RateTable {
  readonly frames: BucketRate;
  readonly publishes: BucketRate;
  readonly rpcs: BucketRate;
}

/** Answers 0 or the ms to wait. Buckets are made when a connection first needs them and share the rates in force. */
export class Rates {
  readonly #clock: Clock;
  #rates: RateTable;
  #refusalsMax: number;

  constructor(clock: Clock, settings: NodeSettings) {
    this.#clock = clock;
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  /** New rates hold for the connections that come. */
  configure(settings: NodeSettings): void {
    this.#rates = tableOf(settings);
    this.#refusalsMax = refusalsMaxOf(settings);
  }

  frames(connection: Connection, count: number): number {
    const { frames } = this.#buckets(connection);
    const nowMs = this.#clock.nowMs();
    if (frames.take(nowMs, count)) {
      connection.refusals = 0;
      return 0;
    }
    connection.refusals += count;
    return Math.ceil(Math.min(60_000, frames.waitMs(nowMs))) || 1;
  }

  publish(connection: Connection): number {
    return this.#ask(connection, "publishes");
  }

  rpc(connection: Connection): number {
    return this.#ask(connection, "rpcs");
  }

  /** True when the connection was refused so often that it should end. */
  floods(connection: Connection): boolean {
    return connection.refusals > this.#refusalsMax;
  }

  #ask(connection: Connection, kind: "publishes" | "rpcs"): number {
    const bucket = this.#buckets(connection)[kind];
    const nowMs = this.#clock.nowMs();
    if (bucket.take(nowMs)) return 0;
    return Math.ceil(Math.min(60_000, bucket.waitMs(nowMs))) || 1;
  }

  #buckets(connection: Connection): NonNullable<Connection["buckets"]> {
    const nowMs = this.#clock.nowMs();
    connection.buckets ??= {
      frames: createTokenBucket(this.#rates.frames, nowMs),
      publishes: createTokenBucket(this.#rates.publishes, nowMs),
      rpcs: createTokenBucket(this.#rates.rpcs, nowMs),
    };
    return connection.buckets;
  }
}

function tableOf({ limits }: NodeSettings): RateTable {
  const rate = (ratePerSecond: number): BucketRate => ({ ratePerSecond, burst: Math.max(BURST_MIN, ratePerSecond * limits.burstFactor) });
  return { frames: rate(limits.framesPerSecondMax), publishes: rate(limits.publishesPerSecondMax), rpcs: rate(limits.rpcsPerSecondMax) };
}

const refusalsMaxOf = ({ limits }: NodeSettings): number => limits.framesPerSecondMax * FLOOD_SECONDS;
