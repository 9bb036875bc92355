// Owns: one channel on one node: what was passed on so far, and mending the holes in what the
// broker sent before anything newer (H1, H2).

import type { ChannelRules } from "@holdfast/contract";
import {
  type DeliveryClass,
  type Encoded,
  type GapFrame,
  type GapReason,
  gapSize,
  type Publication,
  payloadBytes,
} from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import type { Broker, ChannelListener, Clock, HistoryPage, PresenceChange } from "../ports.ts";
import { PresenceRoom, type RoomNeeds } from "../presence/presence-room.ts";
import type { NodeSettings } from "../settings.ts";
import { type CatchUpNeeds, pump } from "./catch-up.ts";
import { FanOut, type FanOutNeeds } from "./fan-out.ts";
import { type Outgoing, type OutgoingPage, Ring } from "./ring.ts";
import type { Receiver, SubscribedHub, Subscription } from "./subscription.ts";

/** What a hub and its subscriptions need of the node. */
export interface HubNeeds extends CatchUpNeeds, FanOutNeeds, RoomNeeds {
  readonly clock: Clock;
  readonly broker: Broker;
  readonly observer: Pick<Observer, "delivered" | "gap" | "hole" | "recovered" | "slowConsumer">;
  /** Bounds how many reads of history run at once. */
  readonly reads: { run<T>(read: () => Promise<T>): Promise<T> };
  settings(): NodeSettings;
  /** The broker says that a member has left the channel. */
  memberLeft(channel: string, member: string): void;
  /** Runs work that nobody awaits; a rejection is reported as a bug. */
  background(what: string, work: Promise<unknown>): void;
}

type HubState = SubscribedHub["state"];

/**
 * Publications held back while a hole is mended. The oldest are dropped at the limit: they are read
 * from history then.
 */
const HELD_MAX = 1024;
const PAGE_MAX = 500;
const RETRY_FIRST_MS = 100;
const RETRY_MS_MAX = 5000;
const STUCK_MAX = 6;
const NOBODY: ReadonlySet<Subscription> = new Set();

/**
 * Everything that the node passes on in a channel goes through `#pass` in offset order; `passed` is
 * the offset of the last. A jump is mended from the broker's history, or declared as a gap, before
 * anything newer is passed on (rule 10 of docs/design/holding-connections.md).
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
  /**
   * Subscriptions that are not live: they read their own way here. No set where there are none,
   * which is nearly always.
   */
  #others: Set<Subscription> | undefined;
  /** Made for the first who asks: most channels have nobody who watches. */
  #presenceRoom: PresenceRoom | undefined;
  #held: { publication: Publication; epoch: string }[] = [];
  readonly #reads = new Map<number, Promise<OutgoingPage>>();
  #state: HubState = "opening";
  /** Up to here the history of this epoch was removed. */
  #removedTo = 0;
  /**
   * How often in a row mending began at the same place: a history that lags behind the feed is
   * given time, but not for ever.
   */
  #stuck = 0;
  #stuckAt = -1;

  constructor(rules: ChannelRules, ports: HubNeeds) {
    this.channel = rules.channel;
    this.rules = rules;
    this.#ports = ports;
    this.fanOut = new FanOut(rules.channel, ports);
    this.opened = this.#open();
  }

  get state(): HubState {
    return this.#state;
  }

  get subscribers(): number {
    return this.fanOut.count + (this.#others?.size ?? 0);
  }

  // ---- from the broker ----

  publication(publication: Publication, epoch: string): void {
    if (this.#state === "closed") return;
    if (this.#state === "live") this.#accept(publication, epoch);
    else this.#hold(publication, epoch);
  }

  removed(offset: number, epoch: string): void {
    if (this.#state === "closed") return;
    this.#held = this.#held.filter(
      (held) => held.epoch !== epoch || held.publication.offset > offset,
    );
    if (this.#state === "opening") return;
    if (epoch !== this.epoch) return this.recheck();
    this.#removedTo = Math.max(this.#removedTo, offset);
    this.ring.forget(offset);
    if (offset > this.passed) this.recheck();
  }

  presence(change: PresenceChange): void {
    if (this.#state === "closed") return;
    this.#presenceRoom?.change(change);
    if (change.kind === "leave") this.#ports.memberLeft(this.channel, change.member);
  }

  /**
   * Compares the position with the broker's and mends what is missing. For reconnects and whenever
   * something looks wrong.
   */
  recheck(): void {
    if (this.#state !== "live") return;
    this.#state = "mending";
    this.#stuck = this.#stuckAt === this.passed ? this.#stuck + 1 : 0;
    this.#stuckAt = this.passed;
    this.#ports.background("mend", this.#mend());
  }

  close(): void {
    this.#state = "closed";
    this.#held.length = 0;
    this.#presenceRoom?.close();
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
    this.#others ??= new Set();
    this.#others.add(subscription);
  }

  #drop(subscription: Subscription): void {
    this.#others?.delete(subscription);
    if (this.#others?.size === 0) this.#others = undefined;
  }

  /**
   * Moves a subscription out of the live list; it goes on from here by itself when its connection
   * can take more.
   */
  demote(subscription: Subscription): void {
    this.fanOut.remove(subscription, this.#ports.settings().flow.groupFrom);
    subscription.state = "lagging";
    subscription.cursor = this.passed;
    this.add(subscription);
  }

  /**
   * The subscription has all that was passed on: from now on it gets what comes, in the same turn
   * of the event loop (rule 11 of docs/design/holding-connections.md).
   */
  goLive(subscription: Subscription): void {
    this.#drop(subscription);
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
    else this.#drop(subscription);
    subscription.state = "ended";
  }

  /**
   * Publications after `offset` from the broker. Concurrent reads of the same place are one read.
   */
  read(offset: number): Promise<OutgoingPage> {
    const running = this.#reads.get(offset);
    if (running !== undefined) return running;
    const read = this.#fetch(offset).finally(() => this.#reads.delete(offset));
    this.#reads.set(offset, read);
    return read;
  }

  encode(entry: Outgoing, receiver: Receiver): Encoded {
    return this.fanOut.encode(entry, receiver);
  }

  gapFrame(from: number, to: number | null, reason: GapReason, offset: number): GapFrame {
    return { t: "gap", ch: this.channel, from, to, reason, pos: { epoch: this.epoch, offset } };
  }

  // ---- passing on ----

  async #open(): Promise<void> {
    const position = await this.#ports.broker.subscribe(this.channel, this.rules.stream, this);
    if (this.#state === "closed") return;
    this.epoch = position.epoch;
    this.passed = position.offset;
    this.ring.reset(position.offset);
    this.#state = "live";
    this.#release();
  }

  #accept(publication: Publication, epoch: string): void {
    if (epoch === this.epoch && publication.offset <= this.passed) return;
    if (epoch === this.epoch && publication.offset === this.passed + 1)
      return this.#pass(this.#outgoing(publication));
    // A hole; or another epoch, and only the broker can say which of the two is over.
    this.#hold(publication, epoch);
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
    observer.delivered(cls, this.fanOut.count, clock.wallMs() - publication.timeMs);
    if (this.#others !== undefined) this.#wakeAhead();
  }

  /** Subscriptions that were further than the node: it has reached them. */
  #wakeAhead(): void {
    for (const other of this.#others ?? NOBODY)
      if (other.state === "ahead" && other.cursor <= this.passed) pump(other, this.#ports);
  }

  #beginEpoch(epoch: string): void {
    const from = this.passed + 1;
    this.epoch = epoch;
    this.passed = 0;
    this.#removedTo = 0;
    this.ring.reset(0);
    this.fanOut.announce(this.gapFrame(from, null, "epoch", 0));
    this.#ports.observer.gap("epoch", 0);
    for (const other of this.#others ?? NOBODY) {
      other.connection.send(this.gapFrame(other.cursor + 1, null, "epoch", 0));
      other.cursor = 0;
      if (other.state === "ahead") other.state = "catching";
      if (other.recovery !== undefined) other.recovery.gap = true;
    }
  }

  #declare(to: number, reason: GapReason): void {
    const from = this.passed + 1;
    this.fanOut.announce(this.gapFrame(from, to, reason, to));
    this.passed = to;
    this.ring.reset(to);
    this.#ports.observer.hole("declared", gapSize(from, to));
    if (this.fanOut.count > 0) this.#ports.observer.gap(reason, gapSize(from, to));
  }

  #outgoing(publication: Publication): Outgoing {
    return {
      publication,
      encoded: [],
      size: payloadBytes(publication.payload) + 96,
    };
  }

  // ---- mending ----

  #hold(publication: Publication, epoch: string): void {
    if (this.#held.length >= HELD_MAX) this.#held.shift();
    this.#held.push({ publication, epoch });
  }

  /** Passes on what was held back while it connects; what does not connect is mended. */
  #release(): void {
    const held = this.#held.splice(0);
    for (const { publication, epoch } of held) this.publication(publication, epoch);
    if (this.#state !== "live") return;
    for (const other of this.#others ?? NOBODY)
      if (other.state === "catching" || other.state === "ahead") pump(other, this.#ports);
  }

  async #fetch(offset: number): Promise<OutgoingPage> {
    const { flow } = this.#ports.settings();
    const bounds = { limit: PAGE_MAX, bytesMax: 4 * flow.chunkBytes };
    const ask = (): Promise<HistoryPage> =>
      this.#ports.broker.history(this.channel, this.rules.stream, { after: offset, ...bounds });
    const found = await this.#ports.reads.run(ask);
    const { publications, ...page } = found;
    // What was removed while the page was on its way is gone.
    const removedTo = found.epoch === this.epoch ? this.#removedTo : 0;
    return {
      ...page,
      oldest: Math.max(page.oldest, removedTo + 1),
      entries: publications
        .filter((publication) => publication.offset > removedTo)
        .map((publication) => this.#outgoing(publication)),
      complete: isComplete(this.rules.stream.cls, found),
    };
  }

  async #mend(): Promise<void> {
    if (this.#stuck > 0) await this.#pause(this.#stuck);
    for (let attempt = 0; this.#state === "mending"; attempt++) {
      try {
        const before = new Set(this.#held);
        const { epoch, passed } = this;
        // Not a read that others share: it must be younger than what was held back before it.
        const page = await this.#fetch(this.passed);
        if (this.#state !== "mending") return;
        // What came before the read and is of another epoch than the broker's is over.
        this.#held = this.#held.filter((held) => held.epoch === page.epoch || !before.has(held));
        if (this.#apply(page)) {
          this.#state = "live";
          this.#release();
          return;
        }
        // A history that does not say what became of the next one is not asked again at once.
        if (this.epoch === epoch && this.passed === passed) await this.#pause(attempt);
      } catch {
        await this.#pause(attempt);
      }
    }
  }

  #pause(attempt: number): Promise<void> {
    const delayMs =
      Math.min(RETRY_MS_MAX, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10)) *
      (0.5 + this.#ports.random.next() / 2);
    return new Promise((resolve) => this.#ports.clock.after(delayMs, resolve));
  }

  /** True when everything that the broker had was passed on or declared. */
  #apply(page: OutgoingPage): boolean {
    if (page.epoch !== this.epoch) {
      this.#beginEpoch(page.epoch);
      return page.head === 0;
    }
    const { cls } = this.rules.stream;
    // What was removed while the node did not hear the broker, or has expired.
    this.ring.forget(Math.min(page.oldest - 1, this.passed));
    const feedGoesOn = this.#held.some(
      ({ epoch, publication }) => epoch === this.epoch && publication.offset > this.passed,
    );
    const gone =
      cls === "volatile" || this.#stuck > STUCK_MAX ? Number.POSITIVE_INFINITY : page.oldest - 1;
    const reason = cls === "volatile" ? "dropped" : "history";
    let repaired = 0;
    for (const entry of this.#known(page)) {
      const before = entry.publication.offset - 1;
      if (before < this.passed) continue;
      if (cls !== "latest" && before > this.passed) {
        if (before > gone) break;
        this.#declare(before, reason);
      }
      this.#pass(entry);
      repaired += 1;
    }
    // What is beyond what was held back is still on its way.
    const lost = Math.min(gone, page.head);
    if (cls !== "latest" && !feedGoesOn && page.complete && lost > this.passed)
      this.#declare(lost, reason);
    if (repaired > 0) this.#ports.observer.hole("repaired", repaired);
    if (cls === "latest" && page.complete && page.head > this.passed) {
      this.passed = page.head;
      this.ring.reset(page.head);
    }
    return page.complete;
  }

  /**
   * What the page has and what was held back, in offset order; of the latter only what lies within
   * an incomplete page.
   */
  #known(page: OutgoingPage): readonly Outgoing[] {
    const byOffset = new Map(page.entries.map((entry) => [entry.publication.offset, entry]));
    const end = page.complete
      ? Number.POSITIVE_INFINITY
      : (page.entries.at(-1)?.publication.offset ?? 0);
    for (const { publication, epoch } of this.#held) {
      const { offset } = publication;
      if (epoch === this.epoch && offset <= end && !byOffset.has(offset))
        byOffset.set(offset, this.#outgoing(publication));
    }
    return [...byOffset.values()].sort((a, b) => a.publication.offset - b.publication.offset);
  }
}

/**
 * A short page that ends before the head is followed by another one. Keys of `latest` may leave the
 * newest offsets empty.
 */
function isComplete(cls: DeliveryClass, { head, publications, more }: HistoryPage): boolean {
  const last = publications.at(-1);
  return last === undefined || (!more && (cls === "latest" || last.offset >= head));
}
