// Owns: a connection's way to its session: it becomes the one writer of the state, and reads it.
import type { Connection } from "@holdfast/core";
import type { DoorParts } from "./door-parts.ts";
import { Keeper, type KeeperNeeds, STATE_BYTES } from "./keeper.ts";
import { LEASE_MS } from "./leases.ts";
import { type KeptSession, readSession } from "./state.ts";
import { ownerName, willOf } from "./wills.ts";

/** What the client wants of its session. */
export interface Wish {
  readonly connection: Connection;
  readonly clientId: string;
  /** What is kept of an earlier session goes. */
  readonly clean: boolean;
  readonly hasWill: boolean;
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
 * Whoever had the session before is fenced when it resolves, and is told. Undefined: another
 * connection came for it meanwhile. Rejects with BrokerError if the broker is away.
 */
export async function openSession(parts: DoorParts, wish: Wish): Promise<Opened | undefined> {
  const { states, clock, random, leases, observer, lifeId, wills, takeOvers, engine } = parts;
  const { connection, clientId, clean, hasWill } = wish;
  const key = keyOf(connection, clientId);
  // Numbers of connections begin anew with each start of a node: the life's name does not.
  const owner = ownerName(connection.owner, lifeId, hasWill);
  const { party } = connection;
  if (!(await takeOvers.turn(key))) return undefined;
  const held = await states.take(key, { owner, leaseMs: LEASE_MS, party });
  // `ifFree` was not asked for, so there is one.
  const { fence = 0, value, before } = held ?? {};
  if (before !== undefined) {
    takeOvers.taken(key);
    leases.taken(before);
  }
  const hold = { owner, fence };
  const kept = value === undefined ? undefined : readSession(value);
  const session = clean || kept?.isOver === true ? undefined : kept;
  // The client is back: nobody is told that it is gone, not even by a node that has died.
  // A connection of this node decides for itself.
  const isOurs = before?.includes(`/${lifeId}`) === true;
  const waiting = new Set([
    before === undefined || isOurs ? undefined : willOf(before),
    kept?.will,
  ]);
  for (const will of waiting) if (will !== undefined) wills.voided(will);
  if (session === undefined && value !== undefined)
    await states.write(key, hold, undefined, { leaseMs: LEASE_MS, keepMs: 0, party });
  const keeper = new Keeper(key, hold, {
    ...wish.keeper,
    states,
    clock,
    random,
    leaseMs: LEASE_MS,
    party,
    totals: parts.totals,
    keptBytes: value === undefined ? 0 : STATE_BYTES + value.length,
    mayKeep: (bytes, keepMs) => engine.costs.keep(connection, bytes, keepMs),
    bug: (error) => observer.bug("mqtt.session", error),
  });
  return { keeper, session };
}
