// Owns: since when a session may subscribe to what it may, beyond the life of its connection.
import type { Identity } from "@holdfast/contract";
import type { KeptEntitlement } from "../door.ts";
import type { Connection } from "./connection.ts";

export const entitlementOf = (
  { entitledSinceMs, identity }: Connection,
  policy: string,
): KeptEntitlement => ({ sinceMs: entitledSinceMs, policy, right: rightOf(identity) });

/** If another contract or other claims granted it, nothing of it counts. */
export function entitle(connection: Connection, kept: KeptEntitlement, policy: string): void {
  if (policy !== kept.policy || kept.right !== rightOf(connection.identity)) return;
  connection.entitledSinceMs = Math.min(connection.entitledSinceMs, kept.sinceMs);
}

/** Who it is and what it may do, as text: equal texts grant the same under the same contract. */
const rightOf = ({ user, caps }: Identity): string => JSON.stringify([user ?? null, caps ?? null]);
