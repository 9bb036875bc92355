// Owns: what one connection was told of presence, and what its node has.
import type { Connection } from "./connection.ts";
import type { RawMember } from "./members.ts";

export interface EntryOnConnection {
  /** Version that was answered last; 0: none. */
  answered: number;
  busy: boolean;
  /** What the node has. */
  shown: { readonly data: unknown } | undefined;
  tries: number;
}

export interface WatchOnConnection {
  state: "requested" | "live" | "refused";
  readonly tries: number;
  /** The snapshot, as far as it came. */
  incoming: Map<string, RawMember>;
}

/** Both by channel. */
export interface PresenceOnConnection {
  readonly connection: Connection;
  readonly entries: Map<string, EntryOnConnection>;
  readonly watches: Map<string, WatchOnConnection>;
}
