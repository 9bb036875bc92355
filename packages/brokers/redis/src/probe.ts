// Owns: the probe: a publish on every primary, in the same way as every publish, and its arrival;
// and whether the account still has the rights that other calls need.
import type { StreamOptions } from "@holdfast/contract";
import { BrokerError, type Clock } from "@holdfast/core";
import type { Feeds } from "./feeds.ts";
import { type ChannelKeys, probeKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import type { Router } from "./router.ts";
import type { Streams } from "./streams.ts";
import { readFeed } from "./wire.ts";

export interface ProbeOptions {
  readonly prefix: string;
  /** Unique to this node: nodes must not hear each other's probes. */
  readonly id: string;
  readonly router: Router;
  readonly streams: Streams;
  readonly feeds: Feeds;
  readonly clock: Clock;
  readonly limits: RedisLimits;
}

/** What a node publishes to on one primary. */
interface Spot {
  readonly keys: ChannelKeys;
  /** Called with the text of each publication that arrives. */
  arrived: (text: string) => void;
}

/** The newest probe is kept for a moment, as a publication would be. */
const STREAM: StreamOptions = { cls: "ordered", sizeMax: 1, ttlMs: 10_000 };
/** The counter of a node that is gone stays for this long. */
const TIMES = { idleMs: 60_000, windowMs: 10_000 };
/** How many names are tried in one run, to find one for each primary that has none; about 2 ms. */
const NAMES_AT_ONCE = 2_000;

/**
 * Publishes with the same script, kinds of keys, connections and limits as every publish. Each node
 * has its own keys on each primary: a counter, one small publication and one idempotency key. They
 * expire, and are in no listing.
 */
export class Probe {
  readonly #options: ProbeOptions;
  readonly #spots = new Map<Link, Spot>();
  #running: Promise<void> | undefined;
  #count = 0;
  #names = 0;

  constructor(options: ProbeOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a publish arrived through each primary and the account has every right there.
   * Rejects with BrokerError. Concurrent calls share one run.
   */
  check(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const { router } = this.#options;
    const publishes = Promise.all(this.#place().map((spot) => this.#publish(spot)));
    // A publish may be refused for want of a right. Its refusal says less than this one.
    publishes.catch(() => {});
    await Promise.all([...router.links()].map((link) => link.demandRights()));
    await publishes;
  }

  async #publish(spot: Spot): Promise<void> {
    const { streams, feeds, clock, limits } = this.#options;
    const { keys } = spot;
    const onMessage = (message: Buffer): void => {
      const event = readFeed(message);
      if (event.kind === "publication" && event.publication.payload.kind === "json") {
        spot.arrived(event.publication.payload.text);
      }
    };
    await feeds.want({ name: keys.feed, slot: keys.slot, onMessage });
    this.#count += 1;
    const text = String(this.#count);
    let cancel = (): void => {};
    const arrival = new Promise<void>((resolve, reject) => {
      cancel = clock.after(limits.requestMs, () =>
        reject(new BrokerError("timeout", "the probe's publication did not come back")),
      );
      spot.arrived = (found) => found === text && resolve();
    });
    arrival.catch(() => {});
    try {
      await streams.publishTo(
        keys,
        STREAM,
        { payload: { kind: "json", text }, idempotencyKey: text },
        TIMES,
      );
      await arrival;
    } finally {
      cancel();
    }
  }

  /** One spot for each primary. If slots have moved, the spots move too. */
  #place(): readonly Spot[] {
    const { router, feeds } = this.#options;
    const links = new Set(router.links());
    for (const [link, { keys }] of this.#spots) {
      if (links.has(link) && router.route(keys.slot) === link) continue;
      this.#spots.delete(link);
      feeds.unwant(keys.feed);
    }
    const missing = new Set([...links].filter((link) => !this.#spots.has(link)));
    for (let tries = 0; missing.size > 0 && tries < NAMES_AT_ONCE; tries++) {
      this.#names += 1;
      const keys = probeKeys(this.#options.prefix, this.#options.id, this.#names);
      const link = router.route(keys.slot);
      if (link === undefined || !missing.delete(link)) continue;
      this.#spots.set(link, { keys, arrived: () => {} });
    }
    return [...this.#spots.values()];
  }
}
