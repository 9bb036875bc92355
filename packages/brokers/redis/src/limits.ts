// Owns: the limits of the Redis broker, and what happens at each.

export interface RedisLimits {
  /** Making a connection, handshake included. Beyond, it is given up and tried again. */
  readonly connectMs: number;
  /** How long an answer may take. Beyond, the call is refused with `timeout`. */
  readonly requestMs: number;
  /** How long answers to what was asked before are waited for when the broker is closed. */
  readonly closeMs: number;
  /**
   * Silence of a server that owes an answer. Beyond, its connections are cut, and calls are refused
   * with `unavailable` at once.
   */
  readonly stallMs: number;
  /**
   * How often an idle connection is asked for a sign of life, and Sentinels for the primary's
   * address.
   */
  readonly heartbeatMs: number;
  /** First pause between two attempts to connect. It doubles up to the largest, with jitter. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  /** Calls without an answer on one connection. Beyond, calls are refused with `limit`. */
  readonly requestsMax: number;
  /** Channels in one SSUBSCRIBE, and in one go while subscriptions are made again. */
  readonly subscribeBatch: number;
  /** Each subscribed channel's position is compared with the server's at least this often. */
  readonly verifyMs: number;
  /** How long an idempotency key is known at least; at most twice as long. */
  readonly idempotencyWindowMs: number;
  /**
   * Idempotency keys of a channel that are known at least; at most twice as many. The oldest are
   * forgotten.
   */
  readonly idempotencyKeysMax: number;
  /** Members of one channel. Beyond, `enter` is refused with `limit`. */
  readonly membersMax: number;
  /** Lease of a node that has not renewed yet. */
  readonly firstLeaseMs: number;
  /** How often ended graces and leases are looked for. */
  readonly sweepMs: number;
  /**
   * A node ends the leases of others only after its own connection has stood this long: those who
   * were cut off together come back together.
   */
  readonly reapAfterMs: number;
}

export const REDIS_LIMITS: RedisLimits = {
  connectMs: 2_000,
  requestMs: 5_000,
  closeMs: 500,
  stallMs: 3_000,
  heartbeatMs: 1_000,
  backoffMs: 50,
  backoffMsMax: 1_000,
  requestsMax: 20_000,
  subscribeBatch: 500,
  verifyMs: 120_000,
  idempotencyWindowMs: 5 * 60_000,
  idempotencyKeysMax: 50_000,
  membersMax: 200_000,
  firstLeaseMs: 60_000,
  sweepMs: 500,
  reapAfterMs: 10_000,
};
