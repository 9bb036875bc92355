// Owns: the limits of the memory broker, and what happens at each.

/**
 * Limits of a memory broker, all nodes together. At a limit the call is refused with `BrokerError`
 * "full" unless said otherwise. Nothing that is kept makes room for something new. A party that has
 * as many bytes of publications as are still free is refused with "share" (PartyBytes).
 */
export interface MemoryBrokerLimits {
  /**
   * Channels that have a stream. New ones are refused. A refused call sweeps out what is spent, at
   * most once a second.
   */
  readonly channelsMax: number;
  /**
   * Estimated bytes of channels, kept publications and idempotency keys. A channel takes about
   * 1.5 kB. A call that would go over it is refused.
   */
  readonly bytesMax: number;
  /**
   * Estimated bytes of the publications that one channel keeps. Beyond, its oldest are forgotten,
   * as they are at the size of the history: one channel cannot take the room of all others.
   */
  readonly channelBytesMax: number;
  /**
   * Estimated bytes of presence. An enter or update that would go over it is refused. A party that
   * has as much as is still free is refused with "share" (presence-table.ts).
   */
  readonly presenceBytesMax: number;
  /** Presence entries in all channels. */
  readonly membersMax: number;
  /** Keys of state that are held or kept. */
  readonly statesMax: number;
  /**
   * Estimated bytes of state. A `take` or `write` that would go over it is refused. A party that
   * has as much as is still free is refused with "share".
   */
  readonly stateBytesMax: number;
  /** Nodes with a presence lease. */
  readonly nodesMax: number;
  /**
   * Events that wait for the end of the turn in which they came. Publishes beyond are refused as
   * "busy". Presence changes and bus messages pass.
   */
  readonly undeliveredMax: number;
  /** How long an idempotency key is known. */
  readonly idempotencyWindowMs: number;
  /**
   * Idempotency keys known for each channel. The oldest are forgotten: at r keyed publishes a
   * second the window is idempotencyKeysMax / r seconds.
   */
  readonly idempotencyKeysMax: number;
  /**
   * A stream that nobody subscribed to, that keeps nothing and whose retention has passed is
   * dropped after this long without use.
   */
  readonly streamIdleMs: number;
  /** Presence lease of a node that has not renewed yet. */
  readonly firstLeaseMs: number;
}

export const MEMORY_BROKER_LIMITS: MemoryBrokerLimits = {
  channelsMax: 100_000,
  bytesMax: 192 * 1024 * 1024,
  channelBytesMax: 32 * 1024 * 1024,
  presenceBytesMax: 64 * 1024 * 1024,
  membersMax: 200_000,
  statesMax: 200_000,
  stateBytesMax: 64 * 1024 * 1024,
  nodesMax: 1_000,
  undeliveredMax: 1_000_000,
  idempotencyWindowMs: 5 * 60_000,
  idempotencyKeysMax: 100_000,
  streamIdleMs: 5 * 60_000,
  firstLeaseMs: 60_000,
};

/** Bytes of a channel besides what it keeps and its name, estimated from above. */
export const ROOM_BASE_BYTES = 1_500;

/** How often expired data is looked for, and in how many channels at most each time. */
export const SWEEP_INTERVAL_MS = 1_000;
export const SWEEP_CHANNELS_MAX = 5_000;
