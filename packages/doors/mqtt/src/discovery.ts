// Owns: which channels there are that fit filters with wildcards, asked of the broker now and then,
// once for all clients of the node. What it costs is bounded, however many filters there are.
import type { Clock } from "@holdfast/core";
import type { OpenReach } from "./topics.ts";

/** What discovery needs of the node. */
export interface DiscoveryNeeds {
  readonly clock: Pick<Clock, "after" | "nowMs">;
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

/** Who searches for what. */
export interface Wanted {
  readonly reach: OpenReach;
  /** The same for all searches of the same channels: each channel is looked at once for them. */
  readonly name: string;
  /** Parties with many searches do not slow down those of others. */
  readonly party: string;
}

interface Search {
  readonly found: Found;
  /** It was told of everything that was there. */
  hasLooked: boolean;
  /** Runs once after the first look, whatever became of it. */
  looked: (() => void) | undefined;
}

/** Searches for the same channels. */
interface Group {
  readonly reach: OpenReach;
  readonly searches: Set<Search>;
  readonly fitting: Set<string>;
}

interface Prefix {
  readonly text: string;
  readonly party: string;
  readonly groups: Map<string, Group>;
  /** Searches that were told of nothing yet: what their client publishes now is theirs, too. */
  readonly fresh: Map<Search, Group>;
  /** Channels that every group was asked about. */
  known: Set<string>;
  lookedMs: number;
}

const PAGE = 1000;
/** Answers of the broker that are used again for a moment. */
const LISTS_MAX = 100;
/** Prefixes that are listed in one look: more than that wait for the next, by turns of parties. */
const LISTED_MAX = 50;
/** Groups that are asked about new channels before others have their turn. */
const ASKED_AT_ONCE = 2000;

/**
 * A channel is found when it has a subscriber or keeps something, within `lookMs`; later if there
 * are more than 50 prefixes to look at. Whoever looks is told of each channel once.
 */
export class Discovery {
  readonly #needs: DiscoveryNeeds;
  readonly #prefixes = new Map<string, Prefix>();
  #cancel: (() => void) | undefined;
  #dueMs = 0;
  #isLooking = false;
  /** New channels that groups have yet to be asked about. */
  #news: { readonly channel: string; readonly groups: Iterator<Group> }[] = [];
  #cancelNews: (() => void) | undefined;
  readonly #lists = new Map<
    string,
    { readonly channels: Promise<readonly string[]>; readonly endsMs: number }
  >();
  #listing: Promise<unknown> = Promise.resolve();

  constructor(needs: DiscoveryNeeds) {
    this.#needs = needs;
  }

  /** The result ends the search. Never calls `found` within this call. */
  find({ reach, name, party }: Wanted, found: Found, looked?: () => void): () => void {
    const search: Search = { found, hasLooked: false, looked };
    const prefix = this.#prefixOf(reach.prefix, party);
    const group = this.#groupOf(prefix, { reach, name });
    group.searches.add(search);
    prefix.fresh.set(search, group);
    if (prefix.lookedMs === NEVER) this.#lookIn(0);
    else
      this.#needs.clock.after(0, () => {
        if (group.searches.has(search)) tellAll(search, prefix);
      });
    return () => {
      group.searches.delete(search);
      prefix.fresh.delete(search);
      tellLooked(search);
      if (group.searches.size === 0 && prefix.groups.get(name) === group)
        prefix.groups.delete(name);
      if (prefix.groups.size === 0 && this.#prefixes.get(reach.prefix) === prefix)
        this.#prefixes.delete(reach.prefix);
      if (this.#prefixes.size > 0) return;
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  /** A channel that this node's clients publish to: nobody waits for the next look. */
  noted(channel: string): void {
    for (const prefix of this.#prefixes.values()) {
      if (!channel.startsWith(prefix.text)) continue;
      for (const [{ found }, { reach }] of [...prefix.fresh])
        if (reach.fits(channel)) found(channel, false);
      this.#tell(prefix, channel);
    }
  }

  /**
   * Channels that begin with `prefix`, as they were within `lookMs`; none if the broker is away.
   * The broker is asked one question at a time.
   */
  list(prefix: string): Promise<readonly string[]> {
    const nowMs = this.#needs.clock.nowMs();
    for (const [text, { endsMs }] of this.#lists) {
      if (endsMs > nowMs && this.#lists.size <= LISTS_MAX) break;
      this.#lists.delete(text);
    }
    const known = this.#lists.get(prefix);
    if (known !== undefined) return known.channels;
    const channels = this.#listing.then(() =>
      this.#all(prefix).catch((error: unknown) => {
        this.#failed(error);
        return [];
      }),
    );
    this.#listing = channels;
    this.#lists.set(prefix, { channels, endsMs: nowMs + this.#needs.lookMs() });
    return channels;
  }

  /** Beginnings of names that are looked at. */
  get size(): number {
    return this.#prefixes.size;
  }

  get isIdle(): boolean {
    return this.#prefixes.size === 0;
  }

  #prefixOf(text: string, party: string): Prefix {
    const known = this.#prefixes.get(text);
    if (known !== undefined) return known;
    const prefix: Prefix = {
      ...{ text, party, lookedMs: NEVER },
      ...{ groups: new Map(), fresh: new Map(), known: new Set() },
    };
    this.#prefixes.set(text, prefix);
    return prefix;
  }

  #groupOf(prefix: Prefix, { reach, name }: Pick<Wanted, "reach" | "name">): Group {
    const known = prefix.groups.get(name);
    if (known !== undefined) return known;
    const fitting = new Set<string>();
    for (const channel of prefix.known) if (reach.fits(channel)) fitting.add(channel);
    const group: Group = { reach, searches: new Set(), fitting };
    prefix.groups.set(name, group);
    return group;
  }

  #lookIn(delayMs: number): void {
    const { clock } = this.#needs;
    const dueMs = clock.nowMs() + delayMs;
    if (this.#isLooking || (this.#cancel !== undefined && this.#dueMs <= dueMs)) return;
    this.#cancel?.();
    this.#dueMs = dueMs;
    this.#cancel = clock.after(delayMs, () => {
      this.#cancel = undefined;
      this.#isLooking = true;
      void this.#look().finally(() => {
        this.#isLooking = false;
        if (this.#prefixes.size === 0) return;
        const isNewThere = this.#next(1)[0]?.lookedMs === NEVER;
        this.#lookIn(isNewThere ? 0 : this.#needs.lookMs());
      });
    });
  }

  /** Those that were not looked at for longest, by turns of parties; new ones first. */
  #next(count: number): readonly Prefix[] {
    const byParty = new Map<string, Prefix[]>();
    for (const prefix of this.#prefixes.values()) {
      const mine = byParty.get(prefix.party);
      if (mine === undefined) byParty.set(prefix.party, [prefix]);
      else mine.push(prefix);
    }
    const lines = [...byParty.values()].map((line) => line.sort(byLooked)).sort(byFirst);
    const next: Prefix[] = [];
    for (let turn = 0; next.length < count; turn++) {
      const before = next.length;
      for (const line of lines) {
        const prefix = line[turn];
        if (prefix !== undefined && next.length < count) next.push(prefix);
      }
      if (next.length === before) break;
    }
    return next;
  }

  async #look(): Promise<void> {
    for (const prefix of this.#next(LISTED_MAX)) {
      let channels: readonly string[] = [];
      try {
        channels = await this.#all(prefix.text);
      } catch (error) {
        // The broker is out of reach: the next look finds them.
        this.#failed(error);
        for (const { searches } of prefix.groups.values())
          for (const search of [...searches]) tellLooked(search);
        prefix.lookedMs = this.#needs.clock.nowMs();
        continue;
      }
      for (const channel of channels) this.#tell(prefix, channel);
      // What is gone may come again, and is new then.
      prefix.known = new Set(channels);
      prefix.lookedMs = this.#needs.clock.nowMs();
      for (const group of prefix.groups.values()) {
        for (const channel of group.fitting)
          if (!prefix.known.has(channel)) group.fitting.delete(channel);
      }
      for (const search of [...prefix.fresh.keys()]) tellAll(search, prefix);
    }
  }

  /** Asks each group about a channel that is new to it. */
  #tell(prefix: Prefix, channel: string): void {
    if (prefix.known.has(channel)) return;
    prefix.known.add(channel);
    const isFirst = this.#news.length === 0;
    this.#news.push({ channel, groups: prefix.groups.values() });
    if (isFirst) this.#askGroups();
  }

  #askGroups(): void {
    let left = ASKED_AT_ONCE;
    for (let news = this.#news[0]; news !== undefined; news = this.#news[0]) {
      for (let one = news.groups.next(); one.done !== true; one = news.groups.next()) {
        tellNew(one.value, news.channel);
        left -= 1;
        if (left > 0) continue;
        this.#cancelNews ??= this.#needs.clock.after(1, () => {
          this.#cancelNews = undefined;
          this.#askGroups();
        });
        return;
      }
      this.#news.shift();
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

  #failed(error: unknown): void {
    if ((error as { name?: unknown } | null)?.name !== "BrokerError") this.#needs.bug(error);
  }
}

const NEVER = Number.NEGATIVE_INFINITY;
const byLooked = (one: Prefix, other: Prefix): number =>
  one.lookedMs === other.lookedMs ? 0 : one.lookedMs - other.lookedMs;
const byFirst = ([one]: readonly Prefix[], [other]: readonly Prefix[]): number =>
  one === undefined || other === undefined ? 0 : byLooked(one, other);

function tellNew({ reach, fitting, searches }: Group, channel: string): void {
  if (fitting.has(channel) || !reach.fits(channel)) return;
  fitting.add(channel);
  for (const { hasLooked, found } of [...searches]) if (hasLooked) found(channel, true);
}

/** Everything that is there. */
function tellAll(search: Search, { fresh }: Prefix): void {
  for (const channel of [...(fresh.get(search)?.fitting ?? [])]) search.found(channel, false);
  fresh.delete(search);
  search.hasLooked = true;
  tellLooked(search);
}

function tellLooked(search: Search): void {
  const { looked } = search;
  search.looked = undefined;
  looked?.();
}
