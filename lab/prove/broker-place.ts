// Owns: the broker that a proof's nodes share, and the faults that can be caused in it.
import { createMemoryBroker, type MemoryBroker } from "@holdfast/core";
import type { Helper } from "@holdfast/load/processes";
import {
  createLinkServer,
  formatLink,
  type LinkServer,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import type { NetworkCommands } from "./network.ts";
import { RedisServers, SENTINEL_GROUP } from "./redis-servers.ts";

/** What a node process needs to reach the broker. */
export interface BrokerAccess {
  /** Environment of the node. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the broker is for servers that are not ours. */
  readonly port?: number;
  /** Argument of a program that takes the broker link instead of `holdfast serve`. */
  readonly link?: string;
}

export interface BrokerPlace {
  readonly kind: "link" | "redis";
  /** Version of the software, for the report. */
  readonly version: string;
  /** Access of one node, through its own proxy, which can be cut. */
  access(node: string): Promise<BrokerAccess>;
  /** The node cannot reach the broker until `join`. */
  cut(node: string): Promise<void>;
  join(node: string): Promise<void>;
  /** Present if there are real servers. */
  readonly servers?: RedisServers;
  close(): Promise<void>;
}

/**
 * A memory broker in this process; nodes reach it over a loopback port, so that each one's way can
 * be cut.
 */
export async function linkPlace(network: Helper<NetworkCommands>): Promise<BrokerPlace> {
  const broker: MemoryBroker = createMemoryBroker({ clock: systemClock, random: systemRandom });
  const server: LinkServer = await createLinkServer({
    broker,
    clock: systemClock,
    place: { kind: "tcp", host: "127.0.0.1", port: 0 },
  });
  const { address, secret } = server.endpoint;
  return {
    kind: "link",
    version: "memory, over the broker link",
    async access(node) {
      if (address.kind !== "tcp") return { env: {} };
      const port = await network.ask("proxy", { name: `broker of ${node}`, target: address.port });
      return {
        env: { HOLDFAST_BROKER_ALLOW_NON_DURABLE: "true" },
        link: formatLink({ address: { ...address, port }, secret }),
      };
    },
    cut: (node) => network.ask("cut", `broker of ${node}`),
    join: (node) => network.ask("restore", `broker of ${node}`),
    close: () => server.close(),
  };
}

/**
 * Real Redis servers, with everything written to disk; each node has a way of its own that can be
 * cut.
 */
export async function redisPlace(
  network: Helper<NetworkCommands>,
  folder: string,
): Promise<BrokerPlace> {
  const servers = await RedisServers.start(folder);
  return {
    kind: "redis",
    version: servers.version,
    servers,
    async access(node) {
      const { sentinelPorts } = servers;
      if (sentinelPorts.length > 0) {
        const watchers = sentinelPorts.map((port) => `127.0.0.1:${port}`).join(",");
        return { env: { HOLDFAST_BROKER_URL: `redis+sentinel://${watchers}/${SENTINEL_GROUP}/0` } };
      }
      const port = await network.ask("proxy", { name: `broker of ${node}`, target: servers.port });
      return { env: { HOLDFAST_BROKER_URL: `redis://127.0.0.1:${port}` }, port };
    },
    cut: (node) => network.ask("cut", `broker of ${node}`),
    join: (node) => network.ask("restore", `broker of ${node}`),
    close: () => servers.close(),
  };
}
