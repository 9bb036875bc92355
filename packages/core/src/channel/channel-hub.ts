// Owns: one channel on one node: what was passed on so far. If the broker left publications out,
// the hub reads them from history before it passes on anything newer (H1, H2).

import type { ChannelRules } from "@holdfast/contract";
import {
  type Encoded,
  type GapFrame,
  type GapReason,
  gapSize,
  type PubFrame,
  type Publication,
} from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import type { Broker, ChannelListener, Clock, PresenceChange } from "../ports.ts";
import { PresenceRoom, type RoomNeeds } from "../presence/presence-room.ts";
import type { Felt } from "../session/felt.ts";
import type { NodeSettings } from "../settings.ts";
import { type CatchUpNeeds, declare, isWhole, pump } from "./catch-up.ts";
import { FanOut, type FanOutNeeds } from "./fan-out.ts";
import { HeldBack } from "./held.ts";
import { HistoryReads, type ReadNeeds } from "./history-reads.ts";
import { Patience } from "./patience.ts";
import { type Outgoing, type OutgoingPage, outgoing, Ring } from "./ring.ts";
import type { Receiver, SubscribedHub, Subscription } from "./subscription.ts";

/** What a hub and its subscriptions need of the node. */
export interface HubNeeds extends CatchUpNeeds, FanOutNeeds, ReadNeeds, RoomNeeds {
  readonly clock: Clock;
  readonly broker: Broker;
  readonly observer: Pick<Observer, "delivered" | "gap" | "hole" | "recovered" | "slowConsumer">;
  readonly felt: Pick<Felt, "lost" | "slow">;
  settings(): NodeSettings;
  /** The broker says that a member has left the channel. */
  memberLeft(channel: string, member: string): void;
  /** Runs work that nobody awaits; a rejection is reported as a bug. */
  background(what: string, work: Promise<unknown>): void;
}

/** A publication that seems to be so old tells that clocks are wrong, not that it is late. */
const CLOCK_OFF_MS = 60_000;

type HubState = SubscribedHub["state"];

/** Told that nothing of the epoch up to the offset may be given to anybody any more. */
export type RemovalListener = (offset: number, epoch: string) => void;

/**
 * Everything that the node passes on in a channel goes through `#pass` in offset order; `passed` is
 * the offset of the last. If offsets are missing, the hub reads them from the broker's history. If
 * it cannot, it declares a gap. Only then does it pass on anything newer (rule 10 of
 * docs/design/holding-connections.md).
 */
export class ChannelHub implements ChannelListener, SubscribedHub {
  readonly channel: string;
  readonly rules: ChannelRules;
  readonly fanOut: FanOut;
  readonly ring = new Ring(0);
  epoch = "";
  passed = 0;
  /** Subscriptions, watches and requests that need the hub. */
  holds = 0;
  idleSinceMs = 0;
  /** Settles when the broker's subscription stands; rejects with BrokerError. */
  readonly opened: Promise<void>;

  readonly #ports: HubNeeds;
  /** Subscriptions that are not live: each reads at its own pace. */
  readonly #others = new Set<Subscription>();
  /** Made when it is first asked for: in most channels nobody watches presence. */
  #presenceRoom: PresenceRoom | undefined;
  readonly #held = new HeldBack();
  readonly #reads: HistoryReads;
  readonly #patience: Patience;
  /** Those that hold publications for longer than a turn of the event loop. */
  readonly #removalListeners = new Set<RemovalListener>();
  /** The broker was away, and did not tell of removals meanwhile. */
  #wasDeaf = false;
  #state: HubState = "opening";

  constructor(rules: ChannelRules, ports: HubNeeds) {
    this.channel = rules.channel;
    this.rules = rules;
    this.#ports = ports;
    this.fanOut = new FanOut(rules.channel, ports);
    this.#reads = new HistoryReads(rules, ports);
    this.#patience = new Patience(ports);
    this.opened = this.#open();
  }

  get state(): HubState {
    return this.#state;
  }

  // ---- from the broker ----

  publication(publication: Publication, epoch: string): void {
    if (this.#state === "live") this.#accept(publication, epoch);
    else this.#held.add(publication, epoch);
  }

  removed(offset: number, epoch: string): void {
    this.#held.removed(offset, epoch);
    this.forget(offset, epoch);
    if (epoch !== this.epoch || offset > this.passed) this.recheck();
  }

  /**
   * From now on nothing that was read up to this offset leaves the node. What the broker is still
   * to tell of before the removal does, in its order.
   */
  forget(offset: number, epoch: string): void {
    this.#reads.removed(offset, epoch);
    if (epoch === this.epoch) this.ring.forget(offset);
    for (const told of this.#removalListeners) told(offset, epoch);
  }

  /** Up to here nothing of this epoch may be given to anybody; 0: nothing was removed. */
  removedTo(epoch: string): number {
    return this.#reads.removedTo(epoch);
  }

  /** The listener is told of each removal, until the result is called. */
  hearRemovals(told: RemovalListener): () => void {
    this.#removalListeners.add(told);
    return () => void this.#removalListeners.delete(told);
  }

  presence(change: PresenceChange): void {
    this.#presenceRoom?.change(change);
    if (change.kind === "leave") this.#ports.memberLeft(this.channel, change.member);
  }

  /** The broker was away, and is back. */
  returned(): void {
    this.#wasDeaf = true;
    this.recheck();
  }

  /**
   * Compares the position with the broker's and reads what is missing. Called after a reconnect,
   * and whenever something looks wrong.
   */
  recheck(): void {
    if (this.#state !== "live") return;
    this.#state = "mending";
    this.#patience.begin(this.passed);
    this.#ports.background("mend", this.#mend());
  }

  close(): void {
    this.#state = "closed";
    this.#ports.broker.unsubscribe(this.channel);
  }

  /** Members and those who watch them. */
  get presenceRoom(): PresenceRoom {
    this.#presenceRoom ??= new PresenceRoom(this.channel, this.#ports);
    return this.#presenceRoom;
  }

  /** Reads the members again for those who watch them, after the broker was away. */
  reloadPresence(): void {
    this.#presenceRoom?.reload();
  }

  // ---- for subscriptions ----

  /** A subscription that is not live. */
  add(subscription: Subscription): void {
    this.#others.add(subscription);
  }

  /**
   * Moves a subscription out of the live list. It continues by itself when its connection can take
   * more.
   */
  demote(subscription: Subscription): void {
    this.fanOut.remove(subscription, this.#ports.settings().flow.groupFrom);
    subscription.state = "lagging";
    subscription.cursor = this.passed;
    this.add(subscription);
  }

  /**
   * The subscription has everything that was passed on. From now on it gets each publication in the
   * turn of the event loop in which it comes (rule 11 of docs/design/holding-connections.md).
   */
  goLive(subscription: Subscription): void {
    this.#others.delete(subscription);
    subscription.state = "live";
    this.fanOut.add(subscription, this.#ports.settings().flow.groupFrom);
    const { recovery } = subscription;
    if (recovery === undefined) return;
    subscription.recovery = undefined;
    this.#ports.observer.recovered(recovery.gap ? "gap" : "full", recovery.count);
  }

  remove(subscription: Subscription): void {
    if (subscription.state === "live")
      this.fanOut.remove(subscription, this.#ports.settings().flow.groupFrom);
    else this.#others.delete(subscription);
    subscription.state = "ended";
  }

  /**
   * Publications after `offset` from the broker. Concurrent reads of the same place are one read.
   */
  read(offset: number): Promise<OutgoingPage> {
    return this.#reads.shared(offset);
  }

  encode(entry: Outgoing, receiver: Receiver): Encoded {
    return this.fanOut.encode(entry, receiver);
  }

  frameOf(entry: Outgoing): PubFrame {
    return this.fanOut.frameOf(entry);
  }

  gapFrame(from: number, to: number | null, reason: GapReason, offset: number): GapFrame {
    return { t: "gap", ch: this.channel, from, to, reason, pos: { epoch: this.epoch, offset } };
  }

  // ---- passing on ----

  async #open(): Promise<void> {
    const position = await this.#ports.broker.subscribe(this.channel, this.rules.stream, this);
    this.epoch = position.epoch;
    this.passed = position.offset;
    this.ring.reset(position.offset);
    this.#release();
  }

  #accept(publication: Publication, epoch: string): void {
    if (epoch === this.epoch && publication.offset <= this.passed) return;
    if (epoch === this.epoch && publication.offset === this.passed + 1)
      return this.#pass(outgoing(publication));
    // Offsets are missing, or the epoch is another: only the broker can say which of the two is
    // over.
    this.#held.add(publication, epoch);
    this.recheck();
  }

  #pass(entry: Outgoing): void {
    const { publication } = entry;
    const { clock, observer } = this.#ports;
    const { cls } = this.rules.stream;
    this.passed = publication.offset;
    if (cls !== "volatile") {
      const { ring } = this.#ports.settings();
      this.ring.push(entry, ring.publicationsMax, ring.bytesMax);
    }
    this.fanOut.deliver(entry);
    const tookMs = clock.wallMs() - publication.timeMs;
    observer.delivered(cls, this.fanOut.count, tookMs);
    if (tookMs > this.#ports.settings().flow.slowMs && tookMs < CLOCK_OFF_MS) this.#wasSlow();
    // Their position was ahead of the node's: it may have reached it.
    for (const other of this.#others) if (other.state === "ahead") pump(other, this.#ports);
  }

  #wasSlow(): void {
    this.fanOut.each(({ connection }) => this.#ports.felt.slow(connection));
  }

  #beginEpoch(epoch: string): void {
    this.epoch = epoch;
    this.#announce(null, "epoch");
    for (const other of this.#others) declare(other, null, "epoch", this.#ports);
  }

  #declare(to: number, reason: GapReason): void {
    if (to <= this.passed) return;
    this.#ports.observer.hole("declared", gapSize(this.passed + 1, to));
    this.#announce(to, reason);
  }

  /** A gap for all who are live; the hub goes on behind it. `to` null: another epoch began. */
  #announce(to: number | null, reason: GapReason): void {
    const from = this.passed + 1;
    this.passed = to ?? 0;
    this.ring.reset(this.passed);
    this.fanOut.announce(this.gapFrame(from, to, reason, this.passed));
    if (this.fanOut.count === 0) return;
    this.#ports.observer.gap(reason, gapSize(from, to));
    if (isWhole(this)) this.fanOut.each(({ connection }) => this.#ports.felt.lost(connection));
  }

  // ---- reading what is missing ----

  /**
   * Passes on held publications as long as their offsets follow one another. If an offset is
   * missing, it is read from history.
   */
  #release(): void {
    if (this.#state === "closed") return;
    this.#state = "live";
    for (const { publication, epoch } of this.#held.take()) this.publication(publication, epoch);
    for (const other of this.#others) pump(other, this.#ports);
  }

  async #mend(): Promise<void> {
    await this.#patience.first();
    for (let attempt = 0; this.#state === "mending"; attempt++) {
      const { epoch, passed } = this;
      const isDone = await this.#readMissing().catch(() => false);
      if (isDone) return this.#release();
      // If the history does not say what became of the next offset, it is asked again later, not at
      // once.
      if (this.epoch === epoch && this.passed === passed) await this.#patience.pause(attempt);
    }
  }

  async #readMissing(): Promise<boolean> {
    const before = this.#held.now();
    // A read of its own, not a shared one: it must begin later than the publications held before it
    // came.
    const page = await this.#reads.own(this.passed);
    // If a held publication came before the read and has another epoch than the broker's, it is
    // over.
    this.#held.keepOnly(page.epoch, before);
    return this.#apply(page);
  }

  /** True when everything that the broker had was passed on or declared. */
  #apply(page: OutgoingPage): boolean {
    if (page.epoch !== this.epoch) {
      this.#beginEpoch(page.epoch);
      return false;
    }
    const { cls } = this.rules.stream;
    // Removed while the node did not hear the broker, or expired.
    const goneTo = Math.min(page.oldest - 1, this.passed);
    if (this.#wasDeaf) this.forget(goneTo, page.epoch);
    else this.ring.forget(goneTo);
    this.#wasDeaf = false;
    const feedGoesOn = this.#held.goesOn(this.epoch, this.passed);
    const gone =
      cls === "volatile" || this.#patience.isOver ? Number.POSITIVE_INFINITY : page.oldest - 1;
    const reason = cls === "volatile" ? "dropped" : "history";
    let repaired = 0;
    for (const entry of this.#held.joined(page)) {
      const before = entry.publication.offset - 1;
      if (before < this.passed) continue;
      if (cls !== "latest" && before > this.passed) {
        if (before > gone) break;
        this.#declare(before, reason);
      }
      this.#pass(entry);
      repaired += 1;
    }
    if (repaired > 0) this.#ports.observer.hole("repaired", repaired);
    if (!page.complete) return false;
    // Anything newer than the held publications is still on its way.
    if (cls !== "latest" && !feedGoesOn) this.#declare(Math.min(gone, page.head), reason);
    if (cls === "latest" && page.head > this.passed) {
      this.passed = page.head;
      this.ring.reset(page.head);
    }
    return true;
  }
}
