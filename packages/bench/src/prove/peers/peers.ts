// Owns: the client libraries that a proof can drive, by name.
import { ProveError } from "../prove-error.ts";
import { holdfastPeer } from "./holdfast-peer.ts";
import type { Peer } from "./peer.ts";
import { socketIoPeer } from "./socket-io-peer.ts";

const PEERS: readonly Peer[] = [holdfastPeer, socketIoPeer];

export function peerOf(name: string): Peer {
  const found = PEERS.find((peer) => peer.name === name);
  if (found === undefined)
    throw new ProveError("argument_invalid", `Cannot drive ${name}: expected one of ${PEERS.map((peer) => peer.name).join(", ")}`);
  return found;
}
