// Owns: a connection's way to its session: it becomes the one writer of the state, and reads it.
import type { Connection } from "@holdfast/core";
import type { DoorParts } from "./door-parts.ts";
import { Keeper, type KeeperNeeds } from "./keeper.ts";
import { LEASE_MS } from "./leases.ts";
import { type KeptSession, readSession } from "./state.ts";

/** What the client wants of its session. */
export interface Wish {
  readonly connection: Connection;
  readonly clientId: string;
  /** What is kept of an earlier session goes. */
  readonly clean: boolean;
  readonly keeper: Pick<KeeperNeeds, "snapshot" | "keepMs" | "fenced" | "tooLarge">;
}

export interface Opened {
  readonly keeper: Keeper;
  /** Absent: it begins anew. */
  readonly session: KeptSession | undefined;
}

/** Identifiers of one user are no other user's: nobody can end or read another's session. */
function keyOf({ identity: { user = "" } }: Connection, clientId: string): string {
  return `mqtt/${user.length}:${user}:${clientId}`;
}

/**
 * Whoever had the session before is fenced when it resolves, and is told. Rejects with BrokerError
 * if the broker is away.
 */
export async function openSession(parts: DoorParts, wish: Wish): Promise<Opened> {
  const { states, clock, random, leases, observer, lifeId } = parts;
  const { connection, clientId, clean } = wish;
  const key = keyOf(connection, clientId);
  // Numbers of connections begin anew with each start of a node: the life's name does not.
  const owner = `${connection.owner}/${lifeId}`;
  const { party } = connection;
  const held = await states.take(key, { owner, leaseMs: LEASE_MS, party });
  // `ifFree` was not asked for, so there is one.
  const { fence = 0, value, before } = held ?? {};
  if (before !== undefined) leases.taken(before);
  const hold = { owner, fence };
  const session = clean || value === undefined ? undefined : readSession(value);
  if (session === undefined && value !== undefined)
    await states.write(key, hold, undefined, { leaseMs: LEASE_MS, keepMs: 0, party });
  const keeper = new Keeper(key, hold, {
    ...wish.keeper,
    states,
    clock,
    random,
    leaseMs: LEASE_MS,
    party,
    bug: (error) => observer.bug("mqtt.session", error),
  });
  return { keeper, session };
}
