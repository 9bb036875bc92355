// Owns: the map of a cluster: which primary has which slot. It is read again whenever a server says
// that it changed.
import { BrokerError } from "@holdfast/core";
import { SLOTS } from "./keys.ts";
import { Link } from "./link.ts";
import type { RedisPlace } from "./redis-url.ts";
import { listOf, numberOf, type Reply, ReplyError, textOf } from "./reply.ts";
import type { Router, RouterHandlers, RouterOptions } from "./router.ts";
import { askOnce } from "./sentinel.ts";
import type { RedisAddress } from "./socket.ts";

type ClusterPlace = Extract<RedisPlace, { kind: "cluster" }>;

/** The map is read at least this often, to find moves of slots to which nothing was sent. */
const REFRESH_MS = 15_000;
/** Pause between two readings while something is wrong. */
const RETRY_MS = 200;

const nameOf = ({ host, port }: RedisAddress): string => `${host}:${port}`;

export class ClusterRouter implements Router {
  readonly #options: RouterOptions;
  readonly #place: ClusterPlace;
  readonly #handlers: RouterHandlers;
  readonly #links = new Map<
    string,
    { readonly link: Link; readonly address: RedisAddress; readonly waiting: Set<() => void> }
  >();
  #owners: readonly (string | undefined)[] = [];
  #reading: Promise<void> | undefined;
  #cancel: () => void;
  #dueMs = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: RouterOptions, place: ClusterPlace) {
    this.#options = options;
    this.#place = place;
    const { handlers } = options;
    this.#handlers = {
      ...handlers,
      up: (link) => {
        this.#settle(link);
        handlers.up(link);
      },
      down: (link, reason) => {
        handlers.down(link, reason);
        this.#soon(RETRY_MS);
      },
      failed: (link, error) => {
        this.#settle(link);
        handlers.failed(link, error);
        this.#soon(RETRY_MS);
      },
    };
    this.#cancel = options.clock.after(0, () => void this.refresh());
  }

  *links(): Iterable<Link> {
    for (const { link } of this.#links.values()) yield link;
  }

  route(slot: number): Link | undefined {
    const owner = this.#owners[slot];
    return owner === undefined ? undefined : this.#links.get(owner)?.link;
  }

  async linkTo(address: RedisAddress): Promise<Link | undefined> {
    const entry = this.#open(address);
    if (entry === undefined) return undefined;
    if (!entry.link.isUp) await new Promise<void>((resolve) => entry.waiting.add(resolve));
    return entry.link.isUp ? entry.link : undefined;
  }

  refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    for (const { link, waiting } of this.#links.values()) {
      link.close();
      for (const wake of waiting) wake();
    }
    this.#links.clear();
    this.#owners = [];
  }

  async #read(): Promise<void> {
    this.#cancel();
    this.#dueMs = Number.POSITIVE_INFINITY;
    const slots = await this.#ask().catch(() => undefined);
    if (this.#closed) return;
    if (slots !== undefined) this.#adopt(slots);
    // A slot without a primary is a failover under way.
    const isWhole = slots !== undefined && [...this.links()].every(({ isUp }) => isUp);
    this.#soon(isWhole ? REFRESH_MS : RETRY_MS);
  }

  /**
   * One timer, for the earliest time that was asked for: links that fail again and again must not
   * delay it.
   */
  #soon(delayMs: number): void {
    const { clock } = this.#options;
    const dueMs = clock.nowMs() + delayMs;
    if (this.#closed || dueMs >= this.#dueMs) return;
    this.#cancel();
    this.#dueMs = dueMs;
    this.#cancel = clock.after(delayMs, () => void this.refresh());
  }

  /** From a connected link, or else from the address that answers first. */
  async #ask(): Promise<readonly SlotRange[]> {
    for (const { link, address } of this.#links.values()) {
      if (!link.isUp) continue;
      const reply = await link.call(["CLUSTER", "SLOTS"]).catch(() => undefined);
      if (reply !== undefined && !(reply instanceof ReplyError)) return readSlots(reply, address);
    }
    const { tls, account } = this.#place;
    const known = [...this.#links.values()].map(({ address }) => address);
    const asked = [...known, ...this.#place.addresses].map(async (address) =>
      readSlots(
        await askOnce({ address, tls, account }, ["CLUSTER", "SLOTS"], this.#options),
        address,
      ),
    );
    try {
      return await Promise.any(asked);
    } catch (error) {
      throw new BrokerError("unavailable", "no node of the cluster answers", { cause: error });
    }
  }

  #adopt(ranges: readonly SlotRange[]): void {
    const owners = new Array<string | undefined>(SLOTS);
    for (const { from, to, primary } of ranges) {
      this.#open(primary);
      owners.fill(nameOf(primary), from, to + 1);
    }
    const moved = owners.some((owner, slot) => owner !== this.#owners[slot]);
    this.#owners = owners;
    const used = new Set(owners);
    for (const [name, { link, waiting }] of this.#links) {
      if (used.has(name) || waiting.size > 0) continue;
      this.#links.delete(name);
      link.close();
    }
    if (moved) this.#handlers.rerouted();
  }

  #open(address: RedisAddress) {
    const name = nameOf(address);
    const known = this.#links.get(name);
    if (known !== undefined || this.#closed) return known;
    const { tls, account } = this.#place;
    const link = new Link({
      ...this.#options,
      tls,
      account,
      prefix: this.#place.prefix,
      database: 0,
      isCluster: true,
      locate: async () => address,
      handlers: this.#handlers,
    });
    const entry = { link, address, waiting: new Set<() => void>() };
    this.#links.set(name, entry);
    return entry;
  }

  #settle(link: Link): void {
    for (const entry of this.#links.values()) {
      if (entry.link !== link) continue;
      for (const wake of entry.waiting) wake();
      entry.waiting.clear();
    }
  }
}

interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly primary: RedisAddress;
}

/** A node that does not know its own name means the address at which it was asked. */
function readSlots(reply: Reply, asked: RedisAddress): readonly SlotRange[] {
  if (reply instanceof ReplyError)
    throw new BrokerError("unavailable", `the server does not tell its slots: ${reply.code}`);
  const ranges = listOf(reply).map((range) => {
    const [from, to, primary] = listOf(range);
    const [host, port] = listOf(primary);
    const name = host === null ? "" : textOf(host);
    return {
      from: numberOf(from),
      to: numberOf(to),
      primary: { host: name === "" || name === "?" ? asked.host : name, port: numberOf(port) },
    };
  });
  if (ranges.length === 0) throw new BrokerError("unavailable", "the cluster has no slots yet");
  return ranges;
}
