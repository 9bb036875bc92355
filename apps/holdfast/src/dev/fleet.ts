// Owns: how clients reach the nodes of a local fleet: the balancer on dev's port, and each node's
// own name and ports.

import { type Balancer, startBalancer } from "@holdfast/relay";
import type { Config } from "@holdfast/server/options";
import { nodeName, revisionName } from "./fleet-names.ts";
import type { Place } from "./plan.ts";
import type { Grounds, NodePorts } from "./supervise.ts";

/** Nodes listen on loopback; the balancer listens on dev's address. */
const NODE_HOST = "127.0.0.1";
const CHECK_EVERY_MS = 100;
/** A node that reports ready, but does not say so to the balancer, is not ready. */
const ADMIT_MS = 10_000;

export interface FleetOptions {
  readonly config: Config;
  readonly port: number;
  /** A node's arguments, with these values by option name in place of others. */
  readonly nodeArguments: (options: Readonly<Record<string, unknown>>) => readonly string[];
  /** Called when newcomers can reach a node. */
  readonly onServing: (
    node: NodePorts & { readonly node: string; readonly revision: string },
  ) => void;
}

export interface Fleet extends Grounds {
  stop(): void;
}

/**
 * Listens at once. Newcomers go to the newest revision that is ready, so that a session moves only
 * once during a roll.
 */
export function startFleet({ config, port, nodeArguments, onServing }: FleetOptions): Fleet {
  const balancer: Balancer = startBalancer({
    host: config.host,
    port,
    checkEveryMs: CHECK_EVERY_MS,
  });
  const names = new Map<
    number,
    { readonly node: string; readonly revision: string; readonly rank: number }
  >();
  return {
    argumentsOf(child: number, place: Place) {
      const name = {
        node: nodeName(config.nodeId ?? "node", place),
        revision: revisionName(config.revision, place),
      };
      names.set(child, { ...name, rank: place.revision });
      return nodeArguments({
        nodeId: name.node,
        revision: name.revision,
        host: NODE_HOST,
        port: 0,
        internalHost: NODE_HOST,
        internalPort: 0,
        reusePort: false,
      });
    },
    async admit(child, ports) {
      const name = names.get(child);
      if (name === undefined) return;
      const { node, revision, rank } = name;
      balancer.add({
        id: node,
        host: NODE_HOST,
        port: ports.port,
        readyUrl: `http://${NODE_HOST}:${ports.internalPort}/readyz`,
        rank,
      });
      await balancer.whenReady(node, ADMIT_MS);
      onServing({ node, revision, port: ports.port, internalPort: ports.internalPort });
    },
    gone(child) {
      const name = names.get(child);
      if (name !== undefined) balancer.remove(name.node);
      names.delete(child);
    },
    nameOf: (child) => names.get(child)?.node,
    stop: () => balancer.stop(),
  };
}
