// Re-exports of the Redis broker.
export * from "./create-redis-broker.ts";
export { REDIS_LIMITS, type RedisLimits } from "./limits.ts";
export {
  describePlace,
  isRedisUrl,
  parseRedisUrl,
  type RedisPlace,
  RedisUrlError,
} from "./redis-url.ts";
export { RIGHTS } from "./rights.ts";
