// Owns: a client's presence requests: entering, updating, leaving, watching.

import type { ChannelRules } from "@holdfast/contract";
import { lengthOf, type Payload } from "@holdfast/protocol";
import { BrokerError, type BrokerErrorCode, type PresenceStore } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { FrameOf } from "../session/frames.ts";
import { inTime } from "../session/in-time.ts";
import type { KeptBytes } from "../session/kept-bytes.ts";
import { type PermitNeeds, permit, reserved } from "../session/permission.ts";
import { LIMIT_RETRY_MS, Refused } from "../session/refusal.ts";
import type { NodeSettings } from "../settings.ts";

interface LimitNeeds {
  settings(): NodeSettings;
}

/** What entering and updating need of the node. */
export interface EnterNeeds extends PermitNeeds, LimitNeeds {
  readonly broker: { readonly presence: Pick<PresenceStore, "enter" | "leave"> };
  readonly rates: { publish(connection: Connection, length: number): number };
  readonly keptBytes: Pick<KeptBytes, "entered" | "mayGrow">;
  readonly sessions: PermitNeeds["sessions"] & {
    leavePresence(connection: Connection, channel: string): void;
  };
}

/** What leaving needs of the node. */
export interface LeaveNeeds {
  readonly keptBytes: Pick<KeptBytes, "entered">;
  readonly broker: { readonly presence: Pick<PresenceStore, "leave"> };
}

/** A channel's hub, for those who watch its members. */
export interface WatchedHub {
  readonly channel: string;
  readonly opened: Promise<void>;
  readonly presenceRoom: {
    watch(watcher: Connection, isWanted: () => boolean): Promise<boolean>;
    unwatch(watcher: Connection): void;
  };
}

/** What watching needs of the node. */
export interface WatchNeeds extends PermitNeeds, LimitNeeds {
  readonly hubs: { acquire(rules: ChannelRules): WatchedHub; release(hub: WatchedHub): void };
}

/** What ending a watch needs of the node. */
export interface UnwatchNeeds {
  readonly sessions: { endWatch(connection: Connection, channel: string): boolean };
}

interface PresenceCall<T extends "enter" | "update" | "watch"> {
  readonly connection: Connection;
  readonly frame: FrameOf<T>;
  readonly rules: ChannelRules;
}

export function enter(
  parts: EnterNeeds,
  { connection, frame, rules }: PresenceCall<"enter" | "update">,
): Promise<void> | void {
  if (!rules.presence)
    throw new Refused(
      "presence_disabled",
      `Cannot ${frame.t} in "${frame.ch}": the channel has no presence`,
    );
  const known = connection.entries?.has(frame.ch) ?? false;
  if (frame.t === "update" && !known)
    throw new Refused("not_entered", `Cannot update in "${frame.ch}": the session is not a member`);
  const retryMs =
    known || !restores(connection) ? parts.rates.publish(connection, lengthOf(frame.data)) : 0;
  if (retryMs > 0)
    throw new Refused(
      "rate_limited",
      `Cannot ${frame.t}: over the rate of publishes for a connection`,
      { retryMs },
    );
  if (!known) checkLimit(parts, connection);
  const { identity } = connection;
  const act = async (taken: () => void): Promise<void> => {
    const checking = rules.checkPresence?.(frame.data) ?? { ok: true as const, value: frame.data };
    const checked =
      checking instanceof Promise ? await inTime(parts, "presence schema", checking) : checking;
    if (!checked.ok) throw new Refused(checked.code, checked.message, checked);
    const become = async (): Promise<void> => {
      if (connection.phase !== "ended")
        await becomeMember(parts, connection, {
          channel: frame.ch,
          data: checked.value,
          known,
          taken,
        });
      connection.send({ t: "ok", id: frame.id });
    };
    // The claims changed while the schema was checked (H5).
    await (connection.identity === identity ? become() : permit(parts, request, become));
  };
  const request = { connection, action: "presence", rules } as const;
  if (known) return permit(parts, request, () => act(() => {}));
  return reserved(connection, "entering", (taken) => permit(parts, request, () => act(taken)));
}

/**
 * A session that came back enters its channels again. Up to as many as it may have, these are not
 * counted as publishes.
 */
function restores(connection: Connection): boolean {
  if (connection.restores === 0) return false;
  connection.restores -= 1;
  return true;
}

/** After these refusals the broker holds what it held before. */
const NOTHING_DONE: ReadonlySet<BrokerErrorCode> = new Set([
  "full",
  "share",
  "busy",
  "refused",
  "limit",
]);

async function becomeMember(
  parts: EnterNeeds,
  connection: Connection,
  entry: { channel: string; data: Payload | undefined; known: boolean; taken: () => void },
): Promise<void> {
  const { channel, data, known, taken } = entry;
  const { user } = connection.identity;
  connection.entries ??= new Map();
  const before = connection.entries.get(channel);
  const mayGrow = parts.keptBytes.mayGrow(connection, channel, data);
  connection.entries.set(channel, data);
  parts.keptBytes.entered(connection);
  taken();
  const member = {
    member: connection.session,
    ...(user === undefined ? {} : { user }),
    ...(data === undefined ? {} : { data }),
  };
  let full = false;
  try {
    await parts.broker.presence.enter(channel, member, connection.owner, {
      membersMax: parts.settings().limits.membersMax,
      party: connection.party,
      mayGrow,
    });
  } catch (error) {
    // Otherwise the broker may have the entry anyway, and it must end with the connection.
    if (!(error instanceof BrokerError) || !NOTHING_DONE.has(error.code)) throw error;
    full = true;
    if (!known) connection.entries.delete(channel);
    else if (connection.entries.has(channel)) connection.entries.set(channel, before);
    parts.keptBytes.entered(connection);
    throw error;
  } finally {
    // The connection, or its permission, ended meanwhile, perhaps before the broker had the entry:
    // end it again.
    if (connection.phase === "ended" || (!full && !connection.entries.has(channel)))
      parts.sessions.leavePresence(connection, channel);
  }
  if (!connection.entries.has(channel))
    throw new Refused("permission_denied", `Cannot enter "${channel}": the permission ended`);
}

/** This is the connection's limit. The broker enforces the limit on a channel's members. */
function checkLimit(parts: LimitNeeds, connection: Connection): void {
  const max = parts.settings().limits.presencePerConnectionMax;
  if ((connection.entries?.size ?? 0) + (connection.watches?.size ?? 0) + connection.entering < max)
    return;
  throw new Refused(
    "presence_limit",
    `Cannot use presence: the connection has ${max} entries and watches, expected fewer`,
    { retryMs: LIMIT_RETRY_MS },
  );
}

export async function leave(
  parts: LeaveNeeds,
  connection: Connection,
  frame: FrameOf<"leave">,
): Promise<void> {
  if (!connection.entries?.has(frame.ch))
    throw new Refused("not_entered", `Cannot leave "${frame.ch}": the session is not a member`);
  await parts.broker.presence.leave(frame.ch, connection.session, connection.owner, 0);
  connection.entries.delete(frame.ch);
  parts.keptBytes.entered(connection);
  connection.send({ t: "ok", id: frame.id });
}

export function watch(
  parts: WatchNeeds,
  { connection, frame, rules }: PresenceCall<"watch">,
): Promise<void> | void {
  if (!rules.presence)
    throw new Refused(
      "presence_disabled",
      `Cannot watch "${frame.ch}": the channel has no presence`,
    );
  const call = { connection, frame, rules };
  // A second watch gets a new snapshot and takes no further place.
  if (connection.watches?.has(frame.ch) === true)
    return watchWhenPermitted(parts, { ...call, taken: () => {} });
  checkLimit(parts, connection);
  return reserved(connection, "entering", (taken) => watchWhenPermitted(parts, { ...call, taken }));
}

function watchWhenPermitted(
  parts: WatchNeeds,
  call: PresenceCall<"watch"> & { readonly taken: () => void },
): Promise<void> | void {
  const { connection, frame, rules, taken } = call;
  const { identity } = connection;
  const isWanted = (): boolean => connection.phase !== "ended" && connection.identity === identity;
  const act = async (): Promise<void> => {
    const hub = parts.hubs.acquire(rules);
    let watching = false;
    try {
      await hub.opened;
      const watched = await hub.presenceRoom.watch(connection, isWanted);
      if (connection.phase === "ended") return hub.presenceRoom.unwatch(connection);
      // The claims changed while the members were read (H5): the rules are checked again.
      if (!watched) return await watchWhenPermitted(parts, call);
      connection.watches ??= new Set();
      // A second watch is a new snapshot; the hub is held for the first.
      watching = !connection.watches.has(frame.ch);
      connection.watches.add(frame.ch);
      taken();
      connection.send({ t: "ok", id: frame.id });
    } finally {
      if (!watching) parts.hubs.release(hub);
    }
  };
  return permit(parts, { connection, action: "presence", rules }, act);
}

export function unwatch(
  parts: UnwatchNeeds,
  connection: Connection,
  frame: FrameOf<"unwatch">,
): void {
  if (!parts.sessions.endWatch(connection, frame.ch)) {
    throw new Refused(
      "not_subscribed",
      `Cannot unwatch "${frame.ch}": the connection does not watch it`,
    );
  }
  connection.send({ t: "ok", id: frame.id });
}
