// Owns: the supervisor's end of the broker link: one memory broker for the node processes that it
// starts.
import type { Clock, MemoryBroker } from "@holdfast/core";
import type { LinkEndpoint } from "./link-address.ts";
import { createLinkSecret } from "./link-auth.ts";
import { type LinkListener, type LinkPlace, listenForLinks } from "./link-listener.ts";
import { LinkPeer } from "./link-peer.ts";
import { LINK_SOCKET_LIMITS, type LinkSocketLimits } from "./link-socket.ts";

export interface LinkServerLimits extends LinkSocketLimits {
  /** Most connections, including those in their handshake. At the limit new ones are cut. */
  readonly connectionsMax: number;
  readonly handshakeMs: number;
}

export const LINK_SERVER_LIMITS: LinkServerLimits = {
  ...LINK_SOCKET_LIMITS,
  connectionsMax: 64,
  handshakeMs: 2_000,
};

/**
 * What happened at the link, for the log. `nodeId` is undefined for a peer that never showed the
 * secret.
 */
export type LinkServerEvent =
  | { readonly kind: "joined"; readonly nodeId: string }
  | { readonly kind: "ended"; readonly nodeId: string | undefined; readonly reason: string };

export interface LinkServerOptions {
  /** The caller's broker: the server does not end it. */
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  /** Default: a socket file in a new private directory. */
  readonly place?: LinkPlace;
  /**
   * Default: a new one. If a supervisor gives the secret of the one before it, that one's nodes can
   * connect to it.
   */
  readonly secret?: string;
  readonly limits?: Partial<LinkServerLimits>;
  readonly onEvent?: (event: LinkServerEvent) => void;
}

export interface LinkServer {
  /** The address to which nodes connect, and the secret that they need: a password. */
  readonly endpoint: LinkEndpoint;
  /** Stops listening, cuts every node, removes the socket file. */
  close(): Promise<void>;
}

/**
 * Serves a memory broker to node processes of this user. Requests of a node take effect in the
 * order in which it made them; events reach it in order. Everything that is sent to it in one turn
 * is one write. A node that reads too slowly is cut; it comes back and subscribes again. Rejects
 * with LinkListenError.
 */
export async function createLinkServer(options: LinkServerOptions): Promise<LinkServer> {
  const { broker, clock, onEvent } = options;
  const limits: LinkServerLimits = { ...LINK_SERVER_LIMITS, ...options.limits };
  const secret = options.secret ?? createLinkSecret();
  const peers = new Set<LinkPeer>();

  const listener: LinkListener = await listenForLinks(
    options.place ?? { kind: "unix" },
    (socket) => {
      if (peers.size >= limits.connectionsMax) {
        socket.destroy();
        return;
      }
      const peer = new LinkPeer({
        socket,
        broker,
        clock,
        secret,
        limits,
        handshakeMs: limits.handshakeMs,
        joined: (nodeId) => onEvent?.({ kind: "joined", nodeId }),
        ended: (nodeId, reason) => {
          peers.delete(peer);
          onEvent?.({ kind: "ended", nodeId, reason });
        },
      });
      peers.add(peer);
    },
  );

  return {
    endpoint: { address: listener.address, secret },
    async close() {
      const closing = listener.close();
      for (const peer of peers) peer.cut("the link server was closed");
      await closing;
    },
  };
}
