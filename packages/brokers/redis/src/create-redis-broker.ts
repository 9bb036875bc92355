// Owns: making a broker from servers that a URL names, and the events that it reports.
import { type Broker, BrokerError, type Clock, type Random } from "@holdfast/core";
import { REDIS_LIMITS, type RedisLimits } from "./limits.ts";
import { RedisBroker } from "./redis-broker.ts";
import { parseRedisUrl } from "./redis-url.ts";

export type RedisBrokerEvent =
  /** Every subscription exists again. */
  | { readonly kind: "reached" }
  | { readonly kind: "lost"; readonly reason: string }
  /** An attempt to connect failed; the next one follows. */
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "warning"; readonly message: string };

export interface RedisBrokerOptions {
  /** See `parseRedisUrl`. */
  readonly url: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Those that are absent are `REDIS_LIMITS`. */
  readonly limits?: Partial<RedisLimits>;
  /** How long the first connection to the servers may take, in ms. */
  readonly startMs?: number;
  readonly onEvent?: (event: RedisBrokerEvent) => void;
  /** Called with what a listener threw, and with errors that should not happen. */
  readonly onBug: (error: unknown) => void;
}

const START_MS = 10_000;

/**
 * Connects to Redis or Valkey, 7.0 or newer. Resolves when publishes arrive; rejects with
 * RedisUrlError, or with BrokerError when the servers are not reached in time or refuse the
 * account. After that, a lost connection is always made again; until then calls are refused with
 * "unavailable".
 */
export async function createRedisBroker(options: RedisBrokerOptions): Promise<Broker> {
  const limits = { ...REDIS_LIMITS, ...options.limits };
  if (limits.stallMs <= limits.heartbeatMs)
    throw new BrokerError("internal", "Cannot use these limits: stallMs must be above heartbeatMs");
  const broker = new RedisBroker(options, parseRedisUrl(options.url), limits);
  await broker.start(options.startMs ?? START_MS);
  return broker;
}
