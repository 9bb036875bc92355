// Owns: the client libraries that a proof can drive, by name.
import { ProveError } from "../prove-error.ts";
import { holdfastPeer } from "./holdfast.ts";
import type { Peer } from "./rival.ts";
import { socketIoPeer } from "./socket-io.ts";

const PEERS: readonly Peer[] = [holdfastPeer, socketIoPeer];

export function peerOf(name: string): Peer {
  const found = PEERS.find((peer) => peer.name === name);
  if (found === undefined)
    throw new ProveError(
      "argument_invalid",
      `Cannot drive ${name}: expected one of ${PEERS.map((peer) => peer.name).join(", ")}`,
    );
  return found;
}
