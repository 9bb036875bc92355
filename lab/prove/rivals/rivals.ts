// Owns: the client libraries that a proof can drive, by name.
import { ProveError } from "../prove-error.ts";
import { holdfastRival } from "./holdfast.ts";
import type { Rival } from "./rival.ts";
import { socketIoRival } from "./socket-io.ts";

const PEERS: readonly Rival[] = [holdfastRival, socketIoRival];

export function rivalOf(name: string): Rival {
  const found = PEERS.find((rival) => rival.name === name);
  if (found === undefined)
    throw new ProveError(
      "argument_invalid",
      `Cannot drive ${name}: expected one of ${PEERS.map((rival) => rival.name).join(", ")}`,
    );
  return found;
}
