// Owns: the members of each channel: owners, pending leaves, leases of nodes. Pure: callers tell it
// the time, and it answers with the changes.
import { payloadBytes as dataBytes } from "@holdfast/protocol";
import {
  type EnterOptions,
  MEMBERS_BYTES_MAX,
  type MembersPage,
  type MembersQuery,
  type PresenceChange,
  type PresenceMember,
} from "../ports.ts";
import { sameMember } from "../presence/same-member.ts";
import { HeldBytes, type Holder } from "../session/held-bytes.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import { payloadBytes } from "./kept.ts";
import { MemberList } from "./member-list.ts";

export interface PresenceLimits {
  /** Entries in all channels together. */
  readonly membersMax: number;
  /** Estimated bytes of all entries. */
  readonly presenceBytesMax: number;
  /** Nodes that have a lease. */
  readonly nodesMax: number;
  /** Lease of a node that entered somebody and has not renewed yet. */
  readonly firstLeaseMs: number;
}

/** A change with the channel that it is told to. */
export interface ChannelChange {
  readonly channel: string;
  readonly change: PresenceChange;
}

/** Its party, and its bytes, are those that it takes of the table. */
interface Entry extends Holder {
  readonly channel: string;
  /** Rises with every entry of the table. A page of members ends at one of these. */
  readonly sequence: number;
  member: PresenceMember;
  owner: string;
  /**
   * The owner's node; undefined while a leave is pending: then the grace alone decides, whether or
   * not the node still lives.
   */
  lease: Lease | undefined;
  /** Deadline of the pending leave. */
  leaveAtMs: number | undefined;
}

interface Lease {
  readonly nodeId: string;
  endsAtMs: number;
  readonly entries: Set<Entry>;
}

/**
 * Members of channels by session id. The last `enter` owns an entry; a `leave` of another owner is
 * ignored. An entry ends at once, when its grace ends, or when its node's lease ends. Callers call
 * `expire` with the current time before anything else and whenever `nextDeadlineMs` has come.
 */
export class PresenceTable {
  readonly #limits: PresenceLimits;
  readonly #channels = new Map<string, MemberList<Entry>>();
  readonly #leases = new Map<string, Lease>();
  /**
   * Deadlines of pending leaves. Cancelled ones stay until their time comes, or until they are many
   * more than the entries.
   */
  readonly #pending = new DeadlineQueue<Entry>();
  #count = 0;
  #sequence = 0;
  readonly #shares: HeldBytes;

  constructor(limits: PresenceLimits) {
    this.#limits = limits;
    this.#shares = new HeldBytes(limits.presenceBytesMax);
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.#shares.total;
  }

  /** Users and addresses that have entries. */
  get parties(): number {
    return this.#shares.parties;
  }

  /** Entries in all channels. */
  get count(): number {
    return this.#count;
  }

  /** Channels that have a member. */
  get channelCount(): number {
    return this.#channels.size;
  }

  /**
   * Slots in the queue of pending leaves, cancelled ones included: at most twice the entries and 64
   * more.
   */
  get pendingSize(): number {
    return this.#pending.size;
  }

  /**
   * "limit": the channel has its members; "full": the table has its members, bytes or nodes;
   * "share": see `EnterOptions`. Nothing was changed then. Otherwise the change to tell, if any.
   */
  enter(
    channel: string,
    member: PresenceMember,
    owner: string,
    options: EnterOptions & { readonly nowMs: number },
  ): PresenceChange | "limit" | "full" | "share" | undefined {
    const { nowMs, membersMax = Number.POSITIVE_INFINITY, party = "" } = options;
    const members = this.#channels.get(channel);
    const entry = members?.get(member.member);
    if (entry === undefined && (members?.size ?? 0) >= membersMax) return "limit";
    if (entry === undefined && this.#count >= this.#limits.membersMax) return "full";
    const growth = memberBytes(member) - (entry?.heldBytes ?? 0);
    const refusal = this.#refusalOf(growth, options);
    if (refusal !== undefined) return refusal;
    const lease = this.#leaseOf(nodeOf(owner), nowMs);
    if (lease === undefined) return "full";
    if (entry === undefined) {
      this.#sequence += 1;
      const sequence = this.#sequence;
      const held = { party, heldBytes: 0 };
      this.#add({ ...held, channel, sequence, member, owner, lease, leaveAtMs: undefined });
      return { kind: "join", member };
    }
    this.#release(entry);
    entry.owner = owner;
    entry.lease = lease;
    lease.entries.add(entry);
    this.#shares.move(entry, party);
    if (sameMember(entry.member, member)) return undefined;
    this.#shares.add(entry, growth);
    entry.member = member;
    return { kind: "update", member };
  }

  /** One party fills half of the bytes, two fill two thirds: others always find some. */
  #refusalOf(
    growth: number,
    { party, isBack, mayGrow }: EnterOptions,
  ): "full" | "share" | undefined {
    if (growth <= 0) return undefined;
    const hasShare = party === undefined || isBack === true || this.#shares.fits(party, growth);
    if (mayGrow === false || !hasShare) return "share";
    return this.bytes + growth > this.#limits.presenceBytesMax ? "full" : undefined;
  }

  /**
   * The change to tell, if the member left at once. If it is repeated with another grace, the last
   * one counts.
   */
  leave(
    channel: string,
    member: string,
    owner: string,
    leave: { readonly graceMs: number; readonly nowMs: number },
  ): PresenceChange | undefined {
    const entry = this.#channels.get(channel)?.get(member);
    if (entry === undefined || entry.owner !== owner) return undefined;
    if (leave.graceMs <= 0) {
      this.#remove(entry);
      return { kind: "leave", member };
    }
    this.#release(entry);
    entry.leaveAtMs = leave.nowMs + leave.graceMs;
    this.#pending.add(entry.leaveAtMs, entry);
    if (this.#pending.size > 2 * this.#count + 64)
      this.#pending.retain((value, dueMs) => value.leaveAtMs === dueMs);
    return undefined;
  }

  /** Members in the order in which they entered; those whose leave is pending are members. */
  members(channel: string, query: MembersQuery = {}): MembersPage {
    const { cursor = "0", bytesMax = MEMBERS_BYTES_MAX } = query;
    const members: PresenceMember[] = [];
    let bytes = 0;
    for (const { member, sequence } of this.#channels.get(channel)?.after(Number(cursor)) ?? []) {
      if (members.length > 0 && bytes >= bytesMax) return { members, cursor: String(sequence - 1) };
      members.push(member);
      bytes += pageBytes(member);
    }
    return { members };
  }

  /**
   * False at the limit of nodes. The lease ends `ttlMs` from now, also when it would have ended
   * later.
   */
  renew(nodeId: string, ttlMs: number, nowMs: number): boolean {
    const lease = this.#leaseOf(nodeId, nowMs);
    if (lease === undefined) return false;
    lease.endsAtMs = nowMs + ttlMs;
    return true;
  }

  /** When `expire` has something to do next, at the earliest; undefined when nothing can expire. */
  nextDeadlineMs(): number | undefined {
    let next = this.#pending.nextMs;
    for (const lease of this.#leases.values())
      if (next === undefined || lease.endsAtMs < next) next = lease.endsAtMs;
    return next;
  }

  /**
   * Ends every membership whose grace or lease has ended: first by grace, in the order of
   * deadlines, then by node.
   */
  expire(nowMs: number): readonly ChannelChange[] {
    const changes: ChannelChange[] = [];
    for (
      let due = this.#pending.takeDue(nowMs);
      due !== undefined;
      due = this.#pending.takeDue(nowMs)
    ) {
      if (due.value.leaveAtMs === due.dueMs) changes.push(this.#remove(due.value));
    }
    for (const lease of this.#leases.values()) {
      if (lease.endsAtMs > nowMs) continue;
      for (const entry of lease.entries) changes.push(this.#remove(entry));
      this.#leases.delete(lease.nodeId);
    }
    return changes;
  }

  #leaseOf(nodeId: string, nowMs: number): Lease | undefined {
    const known = this.#leases.get(nodeId);
    if (known !== undefined) return known;
    if (this.#leases.size >= this.#limits.nodesMax) return undefined;
    const lease = {
      nodeId,
      endsAtMs: nowMs + this.#limits.firstLeaseMs,
      entries: new Set<Entry>(),
    };
    this.#leases.set(nodeId, lease);
    return lease;
  }

  #add(entry: Entry): void {
    const members = this.#channels.get(entry.channel) ?? new MemberList<Entry>();
    members.add(entry.member.member, entry);
    this.#channels.set(entry.channel, members);
    entry.lease?.entries.add(entry);
    this.#count += 1;
    this.#shares.add(entry, memberBytes(entry.member));
  }

  #remove(entry: Entry): { readonly channel: string; readonly change: PresenceChange } {
    this.#release(entry);
    const { channel, member } = entry;
    const members = this.#channels.get(channel);
    members?.delete(member.member);
    if (members?.size === 0) this.#channels.delete(channel);
    this.#count -= 1;
    this.#shares.release(entry, entry.heldBytes);
    return { channel, change: { kind: "leave", member: member.member } };
  }

  /** Takes the entry out of its lease and out of the pending leaves. */
  #release(entry: Entry): void {
    entry.lease?.entries.delete(entry);
    entry.lease = undefined;
    entry.leaveAtMs = undefined;
  }
}

/** The node part of an owner ("node id/number"; a node id may hold slashes). */
export function nodeOf(owner: string): string {
  const slash = owner.lastIndexOf("/");
  return slash < 0 ? owner : owner.slice(0, slash);
}

/** Bytes of one member in a page (`MembersQuery.bytesMax`). */
const pageBytes = ({ member, user, data }: PresenceMember): number =>
  96 + member.length + (user?.length ?? 0) + (data === undefined ? 0 : dataBytes(data));

/** Bytes of one entry, estimated from above. */
const memberBytes = (member: PresenceMember): number =>
  320 +
  2 * (member.member.length + (member.user?.length ?? 0)) +
  (member.data === undefined ? 0 : payloadBytes(member.data));
