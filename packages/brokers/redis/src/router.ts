// Owns: which primary a slot is on, if that does not change: one server, Sentinels, or sharding by
// the client.
import { createHash } from "node:crypto";
import { ClusterRouter } from "./cluster.ts";
import { SLOTS } from "./keys.ts";
import { Link, type LinkHandlers, type LinkOptions } from "./link.ts";
import type { RedisPlace } from "./redis-url.ts";
import { locatePrimary, watchPrimary } from "./sentinel.ts";
import type { RedisAddress } from "./socket.ts";

export interface Router {
  /** Every primary that is known. */
  links(): Iterable<Link>;
  /** Undefined while it is not known. */
  route(slot: number): Link | undefined;
  /**
   * The link to a server that another one named; resolves when it is connected or has failed.
   * Undefined if servers do not name others.
   */
  linkTo?(address: RedisAddress): Promise<Link | undefined>;
  /** A server said that slots have moved: resolves when the slots were read again. */
  refresh?(): Promise<void>;
  close(): void;
}

export interface RouterHandlers extends LinkHandlers {
  /**
   * Slots have moved: feeds that were subscribed to on another link must be subscribed to again.
   */
  readonly rerouted: () => void;
}

export interface RouterOptions
  extends Omit<
    LinkOptions,
    "locate" | "handlers" | "tls" | "account" | "database" | "prefix" | "isCluster"
  > {
  readonly place: RedisPlace;
  readonly handlers: RouterHandlers;
}

export function createRouter(options: RouterOptions): Router {
  const { place } = options;
  if (place.kind === "cluster") return new ClusterRouter(options, place);
  const { tls, account, database, prefix } = place;
  const shared = { ...options, tls, account, database, prefix, isCluster: false };
  if (place.kind === "single")
    return fixed([new Link({ ...shared, locate: async () => place.addresses[0] })]);
  if (place.kind === "sharded") {
    const links = place.addresses.map(
      (address) => new Link({ ...shared, locate: async () => address }),
    );
    return fixed(
      links,
      shardTable(place.addresses).map((index) => links[index]),
    );
  }
  const found: { address?: RedisAddress } = {};
  const link = new Link({
    ...shared,
    locate: async () => {
      found.address = await locatePrimary(place, options);
      return found.address;
    },
  });
  const stop = watchPrimary(place, options, (address) => {
    if (!link.isUp || found.address === undefined) return;
    if (address.host !== found.address.host || address.port !== found.address.port)
      link.reset("the Sentinels name another primary");
  });
  return fixed([link], undefined, stop);
}

function fixed(
  links: readonly Link[],
  table?: readonly (Link | undefined)[],
  stop?: () => void,
): Router {
  return {
    links: () => links,
    route: (slot) => (table === undefined ? links[0] : table[slot]),
    close() {
      stop?.();
      for (const link of links) link.close();
    },
  };
}

/**
 * Which shard each slot is on: the one with the highest hash of its address and the slot
 * (rendezvous hashing), so that adding a shard moves only the slots that it receives. Exported for
 * tests.
 */
export function shardTable(addresses: readonly RedisAddress[]): readonly number[] {
  const seeds = addresses.map(({ host, port }) =>
    createHash("sha1").update(`${host}:${port}`).digest().readUInt32BE(0),
  );
  return Array.from({ length: SLOTS }, (_, slot) => {
    let best = 0;
    let bestScore = -1;
    for (const [index, seed] of seeds.entries()) {
      const score = mix(seed ^ Math.imul(slot + 1, 0x9e3779b1));
      if (score > bestScore) [best, bestScore] = [index, score];
    }
    return best;
  });
}

/** A 32-bit finaliser (murmur3). */
function mix(seed: number): number {
  let value = seed ^ (seed >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
