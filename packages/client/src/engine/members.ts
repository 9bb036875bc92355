// Owns: who is in a channel, as the application knows it, and what changed.
import type { MemberEntry, PresenceFrame } from "@holdfast/protocol";
import { defined } from "./engine-context.ts";

/** A session in a channel's presence. `id` is its public session id. */
export interface RawMember {
  readonly id: string;
  readonly user?: string;
  readonly data: unknown;
}

/** What changed since the last time; a member stands in at most one list. */
export interface MembersChange {
  readonly join: readonly RawMember[];
  readonly update: readonly RawMember[];
  readonly leave: readonly RawMember[];
}

export const memberOf = ({ m: id, u: user, data }: MemberEntry<unknown>): RawMember => ({
  ...defined({ user }),
  id,
  data,
});

/**
 * The difference between two sets of members: what a snapshot after a reconnect means to the
 * application (H7).
 */
export function membersBetween(
  before: ReadonlyMap<string, RawMember>,
  after: ReadonlyMap<string, RawMember>,
): MembersChange {
  const join: RawMember[] = [];
  const update: RawMember[] = [];
  for (const [id, member] of after) {
    const known = before.get(id);
    if (!known) join.push(member);
    else if (known.user !== member.user || !isSame(known.data, member.data)) update.push(member);
  }
  return { join, update, leave: [...before.values()].filter(({ id }) => !after.has(id)) };
}

/** Members after a change that a node told. Members keep their places. */
export function membersAfter(
  before: ReadonlyMap<string, RawMember>,
  frame: PresenceFrame<unknown>,
): Map<string, RawMember> {
  const after = new Map(before);
  for (const entry of [...frame.join, ...frame.update]) after.set(entry.m, memberOf(entry));
  for (const id of frame.leave) after.delete(id);
  return after;
}

export const isEmpty = (change: MembersChange): boolean =>
  change.join.length + change.update.length + change.leave.length === 0;

/** Deep equality of plain data. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (
    typeof a !== "object" ||
    typeof b !== "object" ||
    a === null ||
    b === null ||
    Array.isArray(a) !== Array.isArray(b)
  )
    return false;
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return (
    left.length === right.size &&
    left.every(([key, value]) => right.has(key) && isSame(value, right.get(key)))
  );
}
