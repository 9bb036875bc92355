// Owns: which channels there are that fit filters with wildcards, asked of the broker now and then,
// once for all clients of the node.
import type { Clock } from "@holdfast/core";
import type { OpenReach } from "./topics.ts";

/** What discovery needs of the node. */
export interface DiscoveryNeeds {
  readonly clock: Pick<Clock, "after">;
  /** `Broker.channels`. */
  channels(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]>;
  /** Time between two looks. */
  lookMs(): number;
  /** Most channels of one prefix. */
  channelsMax(): number;
  bug(error: unknown): void;
}

/** `isNew`: the channel was not there when the search began. */
export type Found = (channel: string, isNew: boolean) => void;

interface Search {
  readonly reach: OpenReach;
  readonly found: Found;
  /** It was told of everything that was there. */
  hasLooked: boolean;
  /** Runs once after the first look, whatever became of it. */
  looked: (() => void) | undefined;
}

interface Prefix {
  readonly searches: Set<Search>;
  channels: readonly string[];
}

const PAGE = 1000;

/**
 * A channel is found when it has a subscriber or keeps something, within `lookMs`. Whoever looks is
 * told of each channel at least once, and again: it keeps which it knows.
 */
export class Discovery {
  readonly #needs: DiscoveryNeeds;
  readonly #prefixes = new Map<string, Prefix>();
  #cancel: (() => void) | undefined;
  #isLooking = false;

  constructor(needs: DiscoveryNeeds) {
    this.#needs = needs;
  }

  /** The result ends the search. Never calls `found` within this call. */
  find(reach: OpenReach, found: Found, looked?: () => void): () => void {
    const search: Search = { reach, found, hasLooked: false, looked };
    const known = this.#prefixes.get(reach.prefix);
    if (known === undefined)
      this.#prefixes.set(reach.prefix, { searches: new Set([search]), channels: [] });
    else known.searches.add(search);
    this.#lookIn(0);
    return () => {
      const prefix = this.#prefixes.get(reach.prefix);
      prefix?.searches.delete(search);
      tellLooked(search);
      if (prefix?.searches.size === 0) this.#prefixes.delete(reach.prefix);
      if (this.#prefixes.size > 0) return;
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  /** A channel that this node's clients publish to: nobody waits for the next look. */
  noted(channel: string): void {
    for (const [prefix, { searches }] of this.#prefixes) {
      if (!channel.startsWith(prefix)) continue;
      for (const { reach, found, hasLooked } of [...searches])
        if (reach.fits(channel)) found(channel, hasLooked);
    }
  }

  /** Channels that begin with `prefix`; none if the broker is away. */
  async list(prefix: string): Promise<readonly string[]> {
    try {
      return await this.#all(prefix);
    } catch (error) {
      if ((error as { name?: unknown } | null)?.name !== "BrokerError") this.#needs.bug(error);
      return [];
    }
  }

  get isIdle(): boolean {
    return this.#prefixes.size === 0;
  }

  #lookIn(delayMs: number): void {
    if (this.#isLooking) return;
    this.#cancel?.();
    this.#cancel = this.#needs.clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#isLooking = true;
      void this.#look().finally(() => {
        this.#isLooking = false;
        if (this.#prefixes.size > 0) this.#lookIn(this.#needs.lookMs());
      });
    });
  }

  async #look(): Promise<void> {
    for (const [text, prefix] of [...this.#prefixes]) {
      try {
        prefix.channels = await this.#all(text);
      } catch (error) {
        // The broker is out of reach: the next look finds them.
        if ((error as { name?: unknown } | null)?.name !== "BrokerError") this.#needs.bug(error);
        for (const search of [...prefix.searches]) tellLooked(search);
        continue;
      }
      for (const search of [...prefix.searches]) {
        const { reach, found, hasLooked } = search;
        for (const channel of prefix.channels) if (reach.fits(channel)) found(channel, hasLooked);
        search.hasLooked = true;
        tellLooked(search);
      }
    }
  }

  async #all(prefix: string): Promise<readonly string[]> {
    const all: string[] = [];
    const max = this.#needs.channelsMax();
    let after: string | undefined;
    while (all.length < max) {
      const limit = Math.min(PAGE, max - all.length);
      const page = await this.#needs.channels({
        prefix,
        limit,
        ...(after === undefined ? {} : { after }),
      });
      all.push(...page);
      if (page.length < limit) break;
      after = page.at(-1) as string;
    }
    return all;
  }
}

function tellLooked(search: Search): void {
  const { looked } = search;
  search.looked = undefined;
  looked?.();
}
