// Owns: names of keys and pub/sub channels, and which of the 16384 slots they are in.

export const SLOTS = 16_384;

/** Keys of one channel, all in one slot, in the order in which the scripts take them. */
export interface ChannelKeys {
  readonly slot: number;
  /**
   * Of streams: meta, stream, values by key, order of keys, two generations of idempotency keys.
   */
  readonly stream: readonly string[];
  /** Of presence: members, counts by node, pending leaves. */
  readonly presence: readonly string[];
  /** Pub/sub channel of publications and presence changes. */
  readonly feed: string;
}

export interface SharedKeys {
  readonly slot: number;
  /** Names of channels, for listings. */
  readonly names: string;
  /**
   * Nodes by the end of their lease; nodes that a sweep has claimed; how often each was declared
   * dead.
   */
  readonly leases: string;
  readonly leasesClaimed: string;
  readonly generations: string;
  /** Channels by the end of their next grace; channels that a sweep has claimed. */
  readonly graces: string;
  readonly gracesClaimed: string;
  readonly bus: string;
  /** Channels in which a node has members. */
  readonly ofNode: (nodeId: string) => string;
}

/** Braces would end the hash tag; percent signs make the escape unambiguous. */
const tagOf = (name: string): string =>
  name.replaceAll(/[%{}]/g, (found) => (found === "%" ? "%25" : found === "{" ? "%7B" : "%7D")) ||
  "%";

export const channelKeys = (prefix: string, channel: string): ChannelKeys =>
  taggedKeys(prefix, tagOf(channel));

/** Keys like a channel's for a node's probes; the tag cannot be a channel's. */
export const probeKeys = (prefix: string, id: string, number: number): ChannelKeys =>
  taggedKeys(prefix, `probe:${id}:${number}%`);

function taggedKeys(prefix: string, tag: string): ChannelKeys {
  const base = `${prefix}{${tag}}:`;
  return {
    slot: slotOf(tag),
    stream: ["m", "s", "v", "k", "i0", "i1"].map((part) => base + part),
    presence: ["pm", "pn", "pp"].map((part) => base + part),
    feed: `${base}f`,
  };
}

/**
 * Everything that belongs to no channel is in one slot, so that one script can see all of it. The
 * tag cannot be a channel's: theirs never end in a single %.
 */
export function sharedKeys(prefix: string): SharedKeys {
  const base = `${prefix}{shared%}:`;
  return {
    slot: slotOf("shared%"),
    names: `${base}names`,
    leases: `${base}leases`,
    leasesClaimed: `${base}leases:claimed`,
    graces: `${base}graces`,
    gracesClaimed: `${base}graces:claimed`,
    generations: `${base}generations`,
    bus: `${base}bus`,
    ofNode: (nodeId) => `${base}node:${nodeId}`,
  };
}

const CRC16 = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc & 0xffff;
});

/**
 * States are in so many slots: so few that one script renews many of them and an index can be
 * written with them, and so many that they spread over the servers of a cluster.
 */
export const STATE_PARTS = 256;

/** One part of the states. Its tag cannot be a channel's. */
export interface StatePart {
  readonly slot: number;
  /** Names of the states, sorted. */
  readonly index: string;
  readonly stateOf: (key: string) => string;
}

const STATE_SLOTS = Uint16Array.from({ length: STATE_PARTS }, (_, part) => slotOf(partTag(part)));

export function statePart(prefix: string, part: number): StatePart {
  const base = `${prefix}{${partTag(part)}}:`;
  return {
    slot: STATE_SLOTS[part] ?? 0,
    index: `${base}names`,
    stateOf: (key) => `${base}v:${key}`,
  };
}

export function stateKeys(
  prefix: string,
  key: string,
): { readonly slot: number; readonly state: string; readonly index: string } {
  const { slot, index, stateOf } = statePart(prefix, slotOf(key) % STATE_PARTS);
  return { slot, index, state: stateOf(key) };
}

function partTag(part: number): string {
  return `state:${part}%`;
}

/** CRC16 (XMODEM) modulo 16384, as in the specification of Redis Cluster. */
export function slotOf(tag: string): number {
  let crc = 0;
  for (const byte of Buffer.from(tag))
    crc = ((crc << 8) & 0xffff) ^ (CRC16[((crc >> 8) ^ byte) & 0xff] ?? 0);
  return crc % SLOTS;
}
