// Owns: the states of a client, as the application sees them.
import type { HoldfastError } from "./errors.ts";

/**
 * `connecting`: no connection yet. `connected`. `reconnecting`: it was lost and is being replaced. `suspended`: offline, or without a
 * connection for longer than `suspendAfterMs`; attempts go on. `closed`: by the application. `failed`: the node or `getToken` said stop; final.
 */
export type State = "connecting" | "connected" | "reconnecting" | "suspended" | "closed" | "failed";

/** A change of state. `reason` is a code of the protocol's table, or `start`, `connected`, `resumed`, `lost`, `offline`, `suspended`, `close`. */
export interface StateChange {
  readonly state: State;
  readonly previous: State;
  readonly reason: string;
  readonly error?: HoldfastError;
}
