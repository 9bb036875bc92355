// Owns: the limits of the Redis broker, and what happens at each.

export interface RedisLimits {
  /** How long a connection may take, handshake included. After that it is cut and tried again. */
  readonly connectMs: number;
  /** How long an answer may take. After that the call is refused with `timeout`. */
  readonly requestMs: number;
  /** How long a broker that is closed waits for answers to earlier calls. */
  readonly closeMs: number;
  /**
   * How long a server that owes an answer may be silent. After that its connections are cut, and
   * calls are refused with `unavailable` at once.
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
  /**
   * Most calls without an answer on one connection. At the limit, calls are refused with `limit`.
   */
  readonly requestsMax: number;
  /** Channels in one SSUBSCRIBE, and in one go while subscriptions are made again. */
  readonly subscribeBatch: number;
  /** Each subscribed channel's position is compared with the server's at least this often. */
  readonly verifyMs: number;
  /** An idempotency key is known for at least this long, and for at most twice as long. */
  readonly idempotencyWindowMs: number;
  /**
   * At least this many idempotency keys of a channel are known, and at most twice as many. The
   * oldest are forgotten.
   */
  readonly idempotencyKeysMax: number;
  /** Most members of one channel. At the limit, `enter` is refused with `limit`. */
  readonly membersMax: number;
  /** Lease of a node that has not renewed yet. */
  readonly firstLeaseMs: number;
  /** How often ended graces and leases are looked for. */
  readonly sweepMs: number;
  /**
   * A node ends the leases of others only if its own connection has lasted this long: nodes that
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
