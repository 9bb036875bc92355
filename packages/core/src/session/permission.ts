// Owns: the checks before every request on a channel: its name, its rules, the session's
// permission.

import type { ChannelAction, ChannelRules, Contract } from "@holdfast/contract";
import { channelNameFault } from "@holdfast/contract";
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import { inTime, type WaitNeeds } from "./in-time.ts";
import { Refused } from "./refusal.ts";

/** Where the rules of channels are. */
export interface RulesNeeds {
  readonly contract: Pick<Contract, "resolve">;
  settings(): NodeSettings;
}

/** What asking for a permission needs. */
export interface PermitNeeds extends WaitNeeds {
  readonly sessions: { checkExpiry(connection: Connection): void };
}

/** The rules of a channel that a peer named. Throws `Refused`. */
export function rulesOf(parts: RulesNeeds, channel: string): ChannelRules {
  const max = Math.min(parts.settings().limits.channelLengthMax, CHANNEL_LENGTH_CEILING);
  const fault = channelNameFault(channel, max);
  if (fault !== undefined)
    throw new Refused(
      "channel_invalid",
      `Cannot use channel: found ${fault.found}, expected ${fault.expected}`,
      { path: "ch" },
    );
  const rules = parts.contract.resolve(channel);
  if (rules === undefined)
    throw new Refused(
      "channel_unknown",
      `Cannot use channel "${channel}": no pattern of the contract matches it`,
    );
  return rules;
}

/**
 * Calls `then` if the session has the permission; within this call unless the application's rule is
 * asynchronous. Throws or rejects with `Refused`.
 */
export function permit(
  parts: PermitNeeds,
  request: {
    readonly connection: Connection;
    readonly action: ChannelAction;
    readonly rules: ChannelRules;
  },
  then: () => Promise<void> | void,
): Promise<void> | void {
  const { connection, action, rules } = request;
  parts.sessions.checkExpiry(connection);
  const decide = (allowed: boolean): Promise<void> | void => {
    if (!allowed)
      throw new Refused(
        "permission_denied",
        `Cannot ${action} in "${rules.channel}": the session has no permission for it`,
      );
    return then();
  };
  const allowed = rules.allows(action, connection.view, connection.identity);
  return typeof allowed === "boolean"
    ? decide(allowed)
    : inTime(parts, "rule", allowed).then(decide);
}

/**
 * Keeps a place for a request while it is under way, so that overlapping requests cannot exceed a
 * limit together. `act` calls `taken` when it has what the place was kept for: from then on that
 * counts, and nothing is counted twice.
 */
export async function reserved(
  connection: Connection,
  kind: "subscribing" | "entering",
  act: (taken: () => void) => Promise<void> | void,
): Promise<void> {
  connection[kind] += 1;
  let isKept = true;
  const give = (): void => {
    if (isKept) connection[kind] -= 1;
    isKept = false;
  };
  try {
    await act(give);
  } finally {
    give();
  }
}
