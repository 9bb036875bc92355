// Owns: a channel's members as this node's watchers see them: one snapshot, then coalesced changes.
import type { Encoded, PresenceFrame } from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import type { Clock, PresenceChange, PresenceMember, PresenceStore } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import type { NodeSettings } from "../settings.ts";
import { allMembers } from "./all-members.ts";
import { type Before, beforeOf, changes, sendSnapshot, type Watcher } from "./presence-frames.ts";
import { sameMember } from "./same-member.ts";

/** What a channel's members need of the node. */
export interface RoomNeeds {
  readonly clock: Pick<Clock, "after">;
  readonly broker: { readonly presence: Pick<PresenceStore, "members"> };
  readonly observer: Pick<Observer, "slowConsumer">;
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/** Pause after a reload that failed. */
const RELOAD_MS = 1000;
/** Most changes kept while the snapshot is read. If more come, the snapshot is read again. */
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
  /** Watchers that are being sent a snapshot: one each. */
  readonly #snapshots = new Map<Watcher, Promise<boolean>>();
  /** What each watcher knows, if its snapshot took so long that it is out of date. */
  readonly #behind = new Map<Watcher, readonly PresenceMember[]>();
  /** Watchers that could not take the changes and get a new snapshot. */
  readonly #skipped = new Set<Watcher>();
  /** All members in a list, until one changes. */
  #list: readonly PresenceMember[] | undefined;
  #members: Map<string, PresenceMember> | undefined;
  #loading: Promise<Map<string, PresenceMember>> | undefined;
  /** Changes that came while loading. */
  #early: PresenceChange[] = [];
  /** Those that came during the last load. */
  #missed: PresenceChange[] = [];
  /** For each member that changed since the gathering began: what was known of it then. */
  #before: Map<string, PresenceMember | undefined> | undefined;
  #cancelTimer: (() => void) | undefined;

  constructor(channel: string, ports: RoomNeeds) {
    this.#channel = channel;
    this.#ports = ports;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /**
   * Sends the snapshot, each part when there is room for it, and then changes. False if nobody
   * wants them any more. The hub's subscription must exist. Rejects with BrokerError.
   */
  watch(watcher: Watcher, isWanted: () => boolean): Promise<boolean> {
    const before = this.#snapshots.get(watcher) ?? Promise.resolve(true);
    const run = before
      .catch(() => false)
      .then(() => this.#begin(watcher, isWanted))
      .finally(() => {
        if (this.#snapshots.get(watcher) === run) this.#snapshots.delete(watcher);
        this.#forgetUnwatched();
      });
    this.#snapshots.set(watcher, run);
    return run;
  }

  async #begin(watcher: Watcher, isWanted: () => boolean): Promise<boolean> {
    // One set of members at a time is read for a connection, however many channels it watches.
    const { lagBytes, chunkBytes } = this.#ports.settings().flow;
    const room = watcher.keepRoom(lagBytes);
    const release = typeof room === "function" ? room : await room;
    let members: Map<string, PresenceMember>;
    try {
      members = await this.#load();
      // The last watcher may have gone meanwhile, and the members with it.
      while (this.#members !== members) members = await this.#load();
    } finally {
      release();
    }
    // Changes gathered so far are in the snapshot; earlier watchers hear of them first.
    this.#tell();
    const list = this.#listOf(members);
    this.#watchers.delete(watcher);
    const how = { channel: this.#channel, bytesMax: chunkBytes, isWanted };
    if (!(await sendSnapshot(watcher, list, how))) return false;
    this.#watchers.add(watcher);
    if (this.#list === list) return true;
    this.#behind.set(watcher, list);
    this.#tellLater();
    return true;
  }

  #listOf(members: ReadonlyMap<string, PresenceMember>): readonly PresenceMember[] {
    this.#list ??= [...members.values()];
    return this.#list;
  }

  /** A watcher that cannot take the changes now gets a new snapshot when it can take more. */
  #skip(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#behind.delete(watcher);
    this.#ports.observer.slowConsumer("conflate");
    const isWanted = (): boolean => watcher.phase !== "ended" && this.#skipped.has(watcher);
    this.#skipped.add(watcher);
    const again = async (): Promise<void> => {
      // Nobody else tells what the watcher missed: it gets all members, however late.
      while (isWanted() && !(await this.#watched(watcher, isWanted))) await this.#pause();
      this.#skipped.delete(watcher);
    };
    this.#ports.background("presence snapshot", again());
  }

  /** False: the broker is out of reach. */
  #watched(watcher: Watcher, isWanted: () => boolean): Promise<boolean> {
    return this.watch(watcher, isWanted).then(
      () => true,
      () => false,
    );
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#ports.clock.after(RELOAD_MS, resolve));
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    this.#skipped.delete(watcher);
    this.#behind.delete(watcher);
    this.#forgetUnwatched();
  }

  change(change: PresenceChange): void {
    if (this.#loading !== undefined) {
      if (this.#early.length < EARLY_MAX) this.#early.push(change);
    } else if (this.#members !== undefined) this.#apply(this.#members, change);
  }

  /**
   * Reads the members again after the broker was away, and tells the differences. Tries until it
   * succeeds or nobody watches.
   */
  reload(): void {
    const known = this.#members;
    if (known === undefined || this.#loading !== undefined) return;
    this.#members = undefined;
    this.#list = undefined;
    const compare = async (): Promise<void> => {
      const now = await this.#load().catch(() => undefined);
      if (now === undefined) return this.#reloadLater(known);
      this.#missed = [];
      for (const [id, member] of known) if (!now.has(id)) this.#note(id, member);
      for (const [id, member] of now)
        if (!sameMember(known.get(id), member)) this.#note(id, known.get(id));
      this.#tellLater();
    };
    this.#ports.background("presence reload", compare());
  }

  /**
   * Watchers are still told of changes from the known state, with those that came in the meantime.
   */
  #reloadLater(known: Map<string, PresenceMember>): void {
    if (this.#watchers.size === 0 && this.#snapshots.size === 0) return;
    this.#members = known;
    for (const change of this.#missed.splice(0)) this.#apply(known, change);
    this.#tellLater();
    this.#ports.clock.after(RELOAD_MS, () => this.reload());
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
    this.#list = undefined;
    this.#note(id, known);
  }

  #note(id: string, known: PresenceMember | undefined): void {
    if (this.#watchers.size === 0) return;
    this.#before ??= new Map();
    if (!this.#before.has(id)) this.#before.set(id, known);
    this.#tellLater();
  }

  #tellLater(): void {
    if (this.#before === undefined && this.#behind.size === 0) return;
    this.#cancelTimer ??= this.#ports.clock.after(
      this.#ports.settings().timeouts.presenceCoalesceMs,
      () => this.#tell(),
    );
  }

  #tell(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const members = this.#members;
    // The members are being read: the differences are told with the rest.
    if (members === undefined) return;
    const before = this.#before;
    this.#before = undefined;
    const behind = [...this.#behind];
    this.#behind.clear();
    const told = new Set(behind.map(([watcher]) => watcher));
    if (before !== undefined)
      this.#give(
        [...this.#watchers].filter((watcher) => !told.has(watcher)),
        before,
        members,
      );
    for (const [watcher, list] of behind) this.#give([watcher], beforeOf(list, members), members);
  }

  /** Each watcher gets all of the changes, or is skipped. */
  #give(watchers: readonly Watcher[], before: Before, members: Map<string, PresenceMember>): void {
    if (watchers.length === 0) return;
    const { chunkBytes, lagBytes } = this.#ports.settings().flow;
    const frames = changes(this.#channel, { before, members }, chunkBytes);
    const encoded = frames.map(() => new Map<number, Encoded>());
    for (const watcher of watchers) {
      for (const [index, frame] of frames.entries()) {
        if (watcher.lagging || watcher.outLength >= lagBytes) {
          this.#skip(watcher);
          break;
        }
        watcher.enqueue(encodeFor(watcher, frame, encoded[index] as Map<number, Encoded>));
      }
    }
  }

  #forgetUnwatched(): void {
    if (this.#watchers.size > 0 || this.#snapshots.size > 0) return;
    this.#members = undefined;
    this.#list = undefined;
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
