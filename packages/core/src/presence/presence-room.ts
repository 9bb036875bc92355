// Owns: a channel's members as this node's watchers see them: one snapshot, then coalesced changes.
import {
  type Encoded,
  type MemberEntry,
  type Payload,
  type PresenceFrame,
  type ServerFrame,
  samePayload,
} from "@holdfast/protocol";
import type { DoorCodec } from "../door.ts";
import type { Clock, PresenceChange, PresenceMember, PresenceStore } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import type { NodeSettings } from "../settings.ts";
import { allMembers } from "./all-members.ts";

/** What a channel's members need of the node. */
export interface RoomNeeds {
  readonly clock: Pick<Clock, "after">;
  readonly broker: { readonly presence: Pick<PresenceStore, "members"> };
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/** A connection, for the channel whose members it watches. */
interface Watcher {
  readonly codec: Pick<DoorCodec, "encode">;
  readonly codecNumber: number;
  send(frame: ServerFrame): void;
  enqueue(encoded: Encoded): void;
}

/** Members in one frame of a snapshot. */
const SNAPSHOT_PART = 500;
/** Pause after a reload that failed. */
const RELOAD_MS = 1000;
const LEFT = Symbol("left");
/** Changes kept while the snapshot is read; beyond, the snapshot is read again. */
const EARLY_MAX = 10_000;
const READ_AGAIN_MAX = 3;

/**
 * Watchers of one channel on this node share one copy of its members. A change that undoes itself
 * within the gathering time is never told (H7).
 * Memory is bounded by limits.membersMax, which the node checks when members enter.
 */
export class PresenceRoom {
  readonly #channel: string;
  readonly #ports: RoomNeeds;
  readonly #watchers = new Set<Watcher>();
  #members: Map<string, PresenceMember> | undefined;
  #loading: Promise<Map<string, PresenceMember>> | undefined;
  /** Changes that came while loading. */
  #early: PresenceChange[] = [];
  /** Those that came during the last load. */
  #missed: PresenceChange[] = [];
  /** What was known, when the gathering began, of each member that changed since. */
  #before: Map<string, PresenceMember | typeof LEFT> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(channel: string, ports: RoomNeeds) {
    this.#channel = channel;
    this.#ports = ports;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /**
   * Sends the snapshot and then changes; false when nobody wants them any more. Needs the hub's
   * subscription to stand. Rejects with BrokerError.
   */
  async watch(connection: Watcher, isWanted: () => boolean): Promise<boolean> {
    let members = await this.#load();
    // The last watcher may have gone meanwhile, and the members with it.
    while (this.#members !== members) members = await this.#load();
    if (!isWanted()) {
      this.#forgetUnwatched();
      return false;
    }
    // Changes gathered so far are in the snapshot; earlier watchers hear of them first.
    this.#tell();
    this.#watchers.add(connection);
    this.#sendSnapshot(connection, members);
    return true;
  }

  unwatch(connection: Watcher): void {
    this.#watchers.delete(connection);
    this.#forgetUnwatched();
  }

  change(change: PresenceChange): void {
    if (this.#loading !== undefined) {
      if (this.#early.length < EARLY_MAX) this.#early.push(change);
    } else if (this.#members !== undefined) this.#apply(this.#members, change);
  }

  /**
   * Reads the members again, after the broker was away, and tells what is different. Tries until it
   * was read or nobody watches.
   */
  reload(): void {
    const known = this.#members;
    if (known === undefined || this.#loading !== undefined) return;
    this.#members = undefined;
    const compare = async (): Promise<void> => {
      const now = await this.#load().catch(() => undefined);
      if (now === undefined) return this.#reloadLater(known);
      this.#missed = [];
      for (const [id, member] of known) if (!now.has(id)) this.#note(id, member);
      for (const [id, member] of now)
        if (!sameMember(known.get(id), member)) this.#note(id, known.get(id));
    };
    this.#ports.background("presence reload", compare());
  }

  /** What is known goes on being told, with what came in the meantime. */
  #reloadLater(known: Map<string, PresenceMember>): void {
    if (this.#watchers.size === 0) return;
    this.#members = known;
    for (const change of this.#missed.splice(0)) this.#apply(known, change);
    this.#ports.clock.after(RELOAD_MS, () => this.reload());
  }

  close(): void {
    this.#watchers.clear();
    this.#forgetUnwatched();
  }

  #load(): Promise<Map<string, PresenceMember>> {
    if (this.#members !== undefined) return Promise.resolve(this.#members);
    this.#loading ??= this.#read().finally(() => {
      this.#loading = undefined;
      this.#missed = this.#early;
      this.#early = [];
    });
    return this.#loading;
  }

  async #read(): Promise<Map<string, PresenceMember>> {
    const { presence } = this.#ports.broker;
    let members = await allMembers(presence, this.#channel);
    // More changed meanwhile than is kept: a later snapshot has it.
    for (let again = 0; this.#early.length >= EARLY_MAX && again < READ_AGAIN_MAX; again++) {
      this.#early = [];
      members = await allMembers(presence, this.#channel);
    }
    if (this.#early.length >= EARLY_MAX) this.#ports.clock.after(RELOAD_MS, () => this.reload());
    // Changes told before a page was read are in it; in order, they end in the same state.
    for (const change of this.#early) put(members, change);
    this.#members = members;
    return members;
  }

  #apply(members: Map<string, PresenceMember>, change: PresenceChange): void {
    const id = change.kind === "leave" ? change.member : change.member.member;
    const known = members.get(id);
    put(members, change);
    this.#note(id, known);
  }

  #note(id: string, known: PresenceMember | undefined): void {
    if (this.#watchers.size === 0) return;
    this.#before ??= new Map();
    if (!this.#before.has(id)) this.#before.set(id, known ?? LEFT);
    this.#cancelTimer ??= this.#ports.clock.after(
      this.#ports.settings().timeouts.presenceCoalesceMs,
      () => this.#tell(),
    );
  }

  #tell(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const before = this.#before;
    this.#before = undefined;
    if (before === undefined || this.#watchers.size === 0) return;
    const frame = this.#frameOf(before);
    if (frame === undefined) return;
    const encoded = new Map<number, Encoded>();
    for (const watcher of this.#watchers) watcher.enqueue(encodeFor(watcher, frame, encoded));
  }

  #frameOf(before: Map<string, PresenceMember | typeof LEFT>): PresenceFrame | undefined {
    const join: MemberEntry[] = [];
    const update: MemberEntry[] = [];
    const leave: string[] = [];
    for (const [id, was] of before) {
      const member = this.#members?.get(id);
      if (member === undefined) {
        if (was !== LEFT) leave.push(id);
      } else if (was === LEFT) join.push(entryOf(member));
      else if (!sameMember(was, member)) update.push(entryOf(member));
    }
    return join.length + update.length + leave.length === 0
      ? undefined
      : { t: "presence", ch: this.#channel, join, update, leave };
  }

  #sendSnapshot(connection: Watcher, members: ReadonlyMap<string, PresenceMember>): void {
    const list = [...members.values()].map(entryOf);
    let from = 0;
    do {
      const part = list.slice(from, from + SNAPSHOT_PART);
      from += SNAPSHOT_PART;
      connection.send({ t: "members", ch: this.#channel, list: part, more: from < list.length });
    } while (from < list.length);
  }

  #forgetUnwatched(): void {
    if (this.#watchers.size > 0) return;
    this.#members = undefined;
    this.#before = undefined;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** Once for each shared codec. */
function encodeFor(
  { codec, codecNumber }: Watcher,
  frame: PresenceFrame,
  known: Map<number, Encoded>,
): Encoded {
  if (codecNumber === OWN) return codec.encode(frame);
  const encoded = known.get(codecNumber) ?? codec.encode(frame);
  known.set(codecNumber, encoded);
  return encoded;
}

function put(members: Map<string, PresenceMember>, change: PresenceChange): void {
  if (change.kind === "leave") members.delete(change.member);
  else members.set(change.member.member, change.member);
}

function entryOf({ member, user, data }: PresenceMember): MemberEntry {
  return {
    m: member,
    ...(user === undefined ? {} : { u: user }),
    ...(data === undefined ? {} : { data }),
  };
}

const sameData = (a: Payload | undefined, b: Payload | undefined): boolean =>
  a === undefined || b === undefined ? a === b : samePayload(a, b);

const sameMember = (a: PresenceMember | undefined, b: PresenceMember): boolean =>
  a !== undefined && a.user === b.user && sameData(a.data, b.data);
