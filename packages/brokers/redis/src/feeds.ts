// Owns: sharded pub/sub: the feeds that this node wants. It subscribes in batches on the servers of
// their slots, and again after a link or a slot was lost.
import { BrokerError, type Clock } from "@holdfast/core";
import type { RedisLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { refusalOf } from "./refusals.ts";
import { ReplyError } from "./reply.ts";
import type { Router } from "./router.ts";

export interface FeedOptions {
  readonly name: string;
  readonly slot: number;
  readonly onMessage: (message: Buffer) => void;
}

interface Feed extends FeedOptions {
  wanted: boolean;
  onMessage: (message: Buffer) => void;
  /** The link on which the feed was last subscribed to; undefined if none. */
  link: Link | undefined;
  confirmed: boolean;
  /** A command of this feed has no answer yet; the next one waits for it. */
  busy: boolean;
  waiting: { readonly resolve: () => void; readonly reject: (error: BrokerError) => void }[];
}

export interface FeedsOptions {
  readonly router: Router;
  readonly clock: Clock;
  readonly limits: RedisLimits;
  /**
   * The server has confirmed again every feed that was wanted on this link before it was lost, and
   * every feed that moved. Messages may have been missed.
   */
  readonly onRenewed: (names: readonly string[]) => void;
  readonly onBug: (error: unknown) => void;
}

export class Feeds {
  readonly #options: FeedsOptions;
  readonly #feeds = new Map<string, Feed>();
  readonly #dirty = new Set<Feed>();
  /** Lost feeds: those that wait for their turn, and those that were subscribed to again. */
  readonly #lost = new Set<Feed>();
  readonly #renewing = new Set<Feed>();
  #renewed: string[] = [];
  #flushing = false;
  #cancelRefresh: (() => void) | undefined;

  constructor(options: FeedsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the feed's messages come. If a feed is wanted twice, it is one feed, and its
   * messages go to the last listener. Rejects with BrokerError.
   */
  want(options: FeedOptions): Promise<void> {
    const known = this.#feeds.get(options.name);
    const feed: Feed = known ?? {
      ...options,
      wanted: true,
      link: undefined,

      confirmed: false,
      busy: false,
      waiting: [],
    };
    feed.onMessage = options.onMessage;
    feed.wanted = true;
    this.#feeds.set(options.name, feed);
    const link = this.#options.router.route(options.slot);
    if (feed.confirmed && feed.link === link && link?.isUp) return Promise.resolve();
    if (link === undefined || !link.isUp) {
      return Promise.reject(
        link?.refusal() ?? new BrokerError("unavailable", "the broker is out of reach"),
      );
    }
    this.#touch(feed);
    return new Promise((resolve, reject) => {
      const waiter = {
        resolve: () => {
          cancel();
          resolve();
        },
        reject: (error: BrokerError) => {
          cancel();
          reject(error);
        },
      };
      const { clock, limits } = this.#options;
      const cancel = clock.after(limits.requestMs, () => {
        feed.waiting = feed.waiting.filter((other) => other !== waiter);
        reject(
          new BrokerError("timeout", `the broker did not answer within ${limits.requestMs} ms`),
        );
      });
      feed.waiting.push(waiter);
    });
  }

  /** After this, no message of the feed is passed on. */
  unwant(name: string): void {
    const feed = this.#feeds.get(name);
    if (feed === undefined || !feed.wanted) return;
    feed.wanted = false;
    this.#fail(feed, new BrokerError("unavailable", "the subscription was ended"));
    this.#renewing.delete(feed);
    this.#touch(feed);
  }

  /** The link is connected: subscribes to the feeds that were wanted on it, a batch at a time. */
  linkUp(): void {
    this.rerouted();
  }

  linkDown(link: Link): void {
    for (const feed of this.#feeds.values()) {
      if (feed.link !== link) continue;
      this.#forget(feed);
      if (feed.wanted) this.#fail(feed, link.refusal());
      else this.#feeds.delete(feed.name);
    }
    this.#renewNext();
  }

  /** Subscribes again to every wanted feed whose slot is on another server. */
  rerouted(): void {
    for (const feed of this.#feeds.values()) {
      if (!feed.wanted || feed.link === this.#options.router.route(feed.slot)) continue;
      feed.link?.unsubscribe([feed.name]).catch(() => {});
      this.#forget(feed);
      if (!this.#dirty.has(feed)) this.#lost.add(feed);
    }
    this.#renewNext();
  }

  message(link: Link, name: string, message: Buffer): void {
    const feed = this.#feeds.get(name);
    if (feed === undefined || feed.link !== link || !feed.wanted) return;
    try {
      feed.onMessage(message);
    } catch (error) {
      this.#options.onBug(error);
    }
  }

  /**
   * Subscriptions were made on the wrong server, or a server does not accept them. A moment later,
   * every feed that is not confirmed is checked again.
   */
  moved(name?: string): void {
    const { clock, limits, router } = this.#options;
    const ended = name === undefined ? undefined : this.#feeds.get(name);
    if (ended !== undefined) ended.confirmed = false;
    this.#cancelRefresh ??= clock.after(limits.backoffMs, () => {
      this.#cancelRefresh = undefined;
      for (const feed of this.#feeds.values()) {
        if (!feed.wanted || feed.confirmed || feed.busy) continue;
        this.#forget(feed);
        this.#lost.add(feed);
      }
      void (router.refresh?.() ?? Promise.resolve()).then(() => this.rerouted());
    });
  }

  /** Whether every wanted feed is confirmed. */
  get isWhole(): boolean {
    return this.#lost.size === 0 && this.#renewing.size === 0;
  }

  close(): void {
    this.#cancelRefresh?.();
    for (const feed of this.#feeds.values())
      this.#fail(feed, new BrokerError("closed", "the broker's connection was closed"));
    this.#feeds.clear();
    this.#lost.clear();
    this.#renewing.clear();
  }

  #confirm(feed: Feed): void {
    feed.confirmed = true;
    for (const { resolve } of feed.waiting.splice(0)) resolve();
    if (!this.#renewing.delete(feed)) return;
    this.#renewed.push(feed.name);
    if (this.#renewing.size === 0) this.#renewNext();
  }

  /** One batch after the other, so that a server that has just started is not flooded. */
  #renewNext(): void {
    const { limits, router, onRenewed } = this.#options;
    if (this.#renewing.size > 0) return;
    for (const feed of this.#lost) {
      if (feed.wanted && !feed.confirmed && !router.route(feed.slot)?.isUp) continue;
      this.#lost.delete(feed);
      if (!feed.wanted || feed.confirmed) continue;
      this.#renewing.add(feed);
      this.#touch(feed);
      if (this.#renewing.size >= limits.subscribeBatch) break;
    }
    if (this.#renewing.size === 0 && this.#renewed.length > 0) onRenewed(this.#renewed.splice(0));
  }

  #forget(feed: Feed): void {
    feed.link = undefined;
    feed.confirmed = false;
    feed.busy = false;
    this.#renewing.delete(feed);
  }

  #fail(feed: Feed, error: BrokerError): void {
    for (const { reject } of feed.waiting.splice(0)) reject(error);
  }

  #touch(feed: Feed): void {
    this.#dirty.add(feed);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#options.clock.defer(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const commands = new Batches(this.#options.limits.subscribeBatch);
    for (const feed of this.#dirty) {
      if (feed.busy) continue;
      const link = this.#options.router.route(feed.slot);
      // In a cluster one command has one slot.
      const slot = this.#options.router.refresh === undefined ? 0 : feed.slot;
      if (feed.wanted) {
        if (link === undefined || !link.isUp) {
          this.#fail(
            feed,
            link?.refusal() ?? new BrokerError("unavailable", "the broker is out of reach"),
          );
          continue;
        }
        if (feed.link === link && feed.confirmed) continue;
        feed.link = link;
        feed.busy = true;
        commands.add(link, true, slot, feed);
      } else if (feed.link === undefined) {
        this.#feeds.delete(feed.name);
      } else {
        feed.busy = true;
        feed.confirmed = false;
        commands.add(feed.link, false, slot, feed);
      }
    }
    this.#dirty.clear();
    for (const batch of commands.all) void this.#ask(batch);
  }

  /** Whether the feed must be subscribed to again on the server of its slot. */
  #isElsewhere({ code }: ReplyError): boolean {
    return this.#options.router.refresh !== undefined && REROUTED.has(code);
  }

  /** One command and its answer. Changes that were wanted meanwhile follow after it. */
  async #ask({ link, subscribes, feeds }: Batch): Promise<void> {
    const names = feeds.map(({ name }) => name);
    const reply = await (subscribes ? link.subscribe(names) : link.unsubscribe(names)).catch(
      (error: unknown) => error,
    );
    const failed = reply instanceof Error;
    for (const feed of feeds) {
      // The feed was lost with its link meanwhile, or subscribed to on another one.
      if (feed.link !== link || !feed.busy) continue;
      feed.busy = false;
      if (failed) {
        if (reply instanceof BrokerError) this.#fail(feed, reply);
        else if (reply instanceof ReplyError && !this.#isElsewhere(reply))
          this.#fail(feed, refusalOf(reply));
        if (!feed.wanted) this.#feeds.delete(feed.name);
      } else if (!subscribes) {
        feed.link = undefined;
        if (feed.wanted) this.#touch(feed);
        else this.#feeds.delete(feed.name);
      } else if (feed.wanted) this.#confirm(feed);
      else this.#touch(feed);
    }
    if (failed && subscribes) this.moved();
  }
}

/** The slot is on another server, or is moving: the feed is subscribed to there. */
const REROUTED = new Set(["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"]);

interface Batch {
  readonly link: Link;
  readonly subscribes: boolean;
  readonly feeds: Feed[];
}

/**
 * Feeds gathered into commands of at most `sizeMax`, in the order in which they came for each link.
 */
class Batches {
  readonly all: Batch[] = [];
  readonly #sizeMax: number;
  readonly #open = new Map<Link, Map<string, Batch>>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  add(link: Link, subscribes: boolean, slot: number, feed: Feed): void {
    const ofLink = this.#open.get(link) ?? new Map<string, Batch>();
    this.#open.set(link, ofLink);
    const key = `${subscribes} ${slot}`;
    let batch = ofLink.get(key);
    if (batch === undefined || batch.feeds.length >= this.#sizeMax) {
      batch = { link, subscribes, feeds: [] };
      ofLink.set(key, batch);
      this.all.push(batch);
    }
    batch.feeds.push(feed);
  }
}
