// Owns: a channel's members as this node's watchers see them: one snapshot, then coalesced changes.
// Watchers know the members as of the last telling. What changed since is told to all of them at
// once, and whoever comes gets the members as of a telling too.
import type { Observer } from "../observer.ts";
import type { Clock, PresenceChange, PresenceMember, PresenceStore } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { allMembers } from "./all-members.ts";
import { type Before, beforeOf, changes, type Watcher } from "./presence-frames.ts";
import { sameMember } from "./same-member.ts";
import { Snapshot } from "./snapshot.ts";
import { Telling } from "./telling.ts";

/** What a channel's members need of the node. */
export interface RoomNeeds {
  readonly clock: Pick<Clock, "after" | "defer" | "nowMs">;
  readonly broker: { readonly presence: Pick<PresenceStore, "members"> };
  readonly observer: Pick<Observer, "slowConsumer">;
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/** Watchers that are told in one turn of the event loop: a write takes some 20 us. */
const PART_WATCHERS = 250;
/** Bytes of snapshots that are handed over in one turn. */
const PART_BYTES = 1024 * 1024;
/** Ms that changes are gathered longer for each watcher: telling takes a fifth of the time. */
const GATHER_MS_EACH = 0.1;
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
  /** Each with the number of the last telling that it knows. */
  readonly #watchers = new Map<Watcher, number>();
  /** Watchers that are being sent a snapshot: one each. */
  readonly #snapshots = new Map<Watcher, Promise<boolean>>();
  /** What each watcher knows, if its snapshot took so long that it is out of date. */
  readonly #behind = new Map<Watcher, readonly PresenceMember[]>();
  /** Watchers that could not take the changes and get a new snapshot. */
  readonly #skipped = new Set<Watcher>();
  /** How often changes were told, and when the last time was. */
  #tells = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  /** Changes that some watchers have yet to be told. */
  #telling: Telling | undefined;
  /** Those who wait for the next snapshot. */
  readonly #arrivals: ((snapshot: Snapshot) => void)[] = [];
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
    const { lagBytes } = this.#ports.settings().flow;
    const room = watcher.keepRoom(lagBytes);
    const release = typeof room === "function" ? room : await room;
    try {
      await this.#load();
    } finally {
      release();
    }
    const shown = await this.#turn();
    this.#watchers.delete(watcher);
    if (!(await shown.send(watcher, isWanted))) return false;
    this.#watchers.set(watcher, this.#tells);
    if (shown.number === this.#tells) return true;
    this.#behind.set(watcher, shown.list);
    this.#tellLater();
    return true;
  }

  /**
   * The members, behind everything that watchers were told. Whoever comes soon behind another one
   * waits for the next time that changes are told: they share one snapshot.
   */
  #turn(): Promise<Snapshot> {
    return new Promise((resolve) => {
      this.#arrivals.push(resolve);
      const sinceMs = this.#ports.clock.nowMs() - this.#toldAtMs;
      if (sinceMs >= this.#gatherMs && this.#telling === undefined) this.#tell();
      else this.#tellLater(Math.max(0, this.#gatherMs - sinceMs));
    });
  }

  /** A watcher that cannot take the changes now gets a new snapshot when it can take more. */
  readonly #skip = (watcher: Watcher): void => {
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
  };

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
    this.#note(id, known);
  }

  #note(id: string, known: PresenceMember | undefined): void {
    if (this.#watchers.size === 0 && this.#snapshots.size === 0) return;
    this.#before ??= new Map();
    if (!this.#before.has(id)) this.#before.set(id, known);
    this.#tellLater();
  }

  /** Telling everybody takes time that grows with their number: so it is done less often. */
  get #gatherMs(): number {
    const { presenceCoalesceMs } = this.#ports.settings().timeouts;
    return presenceCoalesceMs + this.#watchers.size * GATHER_MS_EACH;
  }

  #tellLater(delayMs = this.#gatherMs): void {
    const isDue = this.#before !== undefined || this.#behind.size + this.#arrivals.length > 0;
    if (isDue) this.#cancelTimer ??= this.#ports.clock.after(delayMs, () => this.#tell());
  }

  #tell(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const members = this.#members;
    // The members are being read: the differences are told with the rest.
    if (members === undefined) return;
    if (this.#telling !== undefined) return this.#tellLater();
    this.#tells += 1;
    this.#toldAtMs = this.#ports.clock.nowMs();
    const before = this.#before;
    this.#before = undefined;
    const behind = [...this.#behind];
    this.#behind.clear();
    const { flow } = this.#ports.settings();
    const { chunkBytes, lagBytes } = flow;
    const about = (of: Before) => changes(this.#channel, { before: of, members }, chunkBytes);
    for (const [watcher, list] of behind) {
      const frames = about(beforeOf(list, members));
      this.#watchers.set(watcher, this.#tells);
      new Telling(frames, [watcher], lagBytes).part(1, this.#skip);
    }
    if (before !== undefined) {
      const old = [...this.#watchers.keys()].filter((one) => !this.#knows(one));
      this.#telling = new Telling(about(before), old, lagBytes);
      this.#tellPart();
    }
    if (this.#arrivals.length > 0)
      this.#admit(new Snapshot(this.#channel, { number: this.#tells, members, chunkBytes }));
  }

  /** It got a snapshot, or its own changes, behind what is being told. */
  #knows(watcher: Watcher): boolean {
    return (this.#watchers.get(watcher) ?? this.#tells) >= this.#tells;
  }

  /** Some watchers in each turn of the event loop, so that the node does not stop for all. */
  #tellPart(): void {
    const wanted = (watcher: Watcher): boolean => !this.#knows(watcher);
    const isDone = this.#telling?.part(PART_WATCHERS, this.#skip, wanted) ?? true;
    if (isDone) this.#telling = undefined;
    else this.#ports.clock.defer(() => this.#tellPart());
  }

  /** Snapshots leave in parts too. Who is not in time for this one gets the next. */
  #admit(snapshot: Snapshot): void {
    const count = Math.max(1, Math.floor(PART_BYTES / snapshot.bytes));
    for (const arrival of this.#arrivals.splice(0, count)) arrival(snapshot);
    if (this.#arrivals.length === 0) return;
    this.#ports.clock.defer(() => {
      if (this.#tells === snapshot.number) this.#admit(snapshot);
    });
  }

  #forgetUnwatched(): void {
    if (this.#watchers.size > 0 || this.#snapshots.size > 0) return;
    this.#members = undefined;
    this.#before = undefined;
    this.#telling = undefined;
    this.#toldAtMs = Number.NEGATIVE_INFINITY;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

function put(members: Map<string, PresenceMember>, change: PresenceChange): void {
  if (change.kind === "leave") members.delete(change.member);
  else members.set(change.member.member, change.member);
}
