// Owns: the states of a client, as the application sees them.
import type { CodeName } from "@holdfast/protocol";
import type { HoldfastError } from "./errors.ts";

/**
 * `connecting`: no connection yet. `connected`. `reconnecting`: it was lost and is being replaced.
 * `suspended`: offline, or without a connection for longer than `suspendAfterMs`; attempts go on.
 * `closed`: by the application. `failed`: the node or `getToken` said stop; final.
 */
export type State = "connecting" | "connected" | "reconnecting" | "suspended" | "closed" | "failed";

/**
 * What this library itself gives as the reason of a change. `resumed`: connected, and the same
 * session goes on. `paused`: the page stops running. `close`: by the application.
 */
export type OwnReason =
  | "connected"
  | "resumed"
  | "lost"
  | "offline"
  | "online"
  | "suspended"
  | "paused"
  | "close";

/** Why the state changed: also a code of the protocol's table, or one that a newer node knows. */
export type StateReason = OwnReason | CodeName | (string & Record<never, never>);

/** A change of state. */
export interface StateChange {
  readonly state: State;
  readonly previous: State;
  readonly reason: StateReason;
  readonly error?: HoldfastError;
}
