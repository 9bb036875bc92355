// Owns: whose wills a node keeps: its own, while it has some, and those of nodes that have died. A
// node that holds wills says so now and then; if it falls silent, another one takes them over.
import {
  BrokerError,
  type BusMessage,
  backoffMs,
  type Clock,
  type Random,
  type StateHold,
  type StateStore,
} from "@holdfast/core";
import { textOf } from "@holdfast/protocol/node";
import { utf8 } from "./bytes.ts";

/** What lives need of their node. */
export interface LivesNeeds {
  readonly states: StateStore;
  readonly clock: Pick<Clock, "after" | "nowMs" | "wallMs">;
  readonly random: Random;
  readonly nodeId: string;
  /** Tells every node, this one as well. */
  tell(message: BusMessage): void;
  /** The wills of a node that has died are this node's; it died at about `diedMs` (wall clock). */
  adopted(life: string, diedMs: number): void;
  /** Another node has the wills of this life, which this node held. */
  lost(life: string): void;
  /** No will is left of this life. */
  isEmpty(life: string): boolean;
  /** About twice a day: whatever else must not expire. */
  refresh(): void;
  bug(where: string, error: unknown): void;
}

/** Nodes tell each other of wills that they hold, with this kind. */
export const LIVES = "mqtt.lives";
const PREFIX = "mqtt-life/";
/** A node that says nothing for so long is dead, as far as wills are concerned. */
export const LIFE_LEASE_MS = 30_000;
export const LIFE_RENEW_MS = 10_000;
/** Wills that no node is there for are kept so long. */
export const WILLS_KEEP_MS = 30 * 86_400_000;
const REFRESH_MS = 12 * 3_600_000;
const PAGE = 1000;
/** Chance in the time at which nodes look, so that they do not look together. */
const JITTER_MS = 3000;
const AT_ONCE_MS = 500;

export class WillLives {
  readonly #needs: LivesNeeds;
  readonly #held = new Map<string, StateHold>();
  /** When the others' lives are looked at, if nothing is heard of them. */
  readonly #watched = new Map<string, number>();
  #cancelRenew: (() => void) | undefined;
  #cancelLook: (() => void) | undefined;
  #lookMs = Number.POSITIVE_INFINITY;
  #refreshedMs: number;
  #isOver = false;

  constructor(needs: LivesNeeds) {
    this.#needs = needs;
    this.#refreshedMs = needs.clock.nowMs();
  }

  /** Looks once for wills that nodes left before this one began. */
  async start(): Promise<void> {
    for (let failures = 0; !this.#isOver; failures++) {
      try {
        for (const life of await this.#all()) this.#watch(life, this.#chance(JITTER_MS));
        return;
      } catch (error) {
        this.#failed("mqtt.lives", error);
        const waitMs = backoffMs(Math.min(failures, 8), this.#needs.random, { mostMs: 30_000 });
        await new Promise<void>((resolve) => this.#needs.clock.after(waitMs, resolve));
      }
    }
  }

  /** A new life of this node. Rejects with BrokerError. */
  async begin(life: string): Promise<void> {
    await this.#take(life, undefined);
    this.#renewLater();
    this.#say({ lives: [life] });
  }

  holds(life: string): boolean {
    return this.#held.has(life);
  }

  /** What is left goes to whoever looks first. Never rejects. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#cancelRenew?.();
    this.#cancelLook?.();
    const left: string[] = [];
    const over: string[] = [];
    for (const life of this.#held.keys()) (this.#needs.isEmpty(life) ? over : left).push(life);
    const { states } = this.#needs;
    const ended = [...this.#held].map(([life, hold]) =>
      left.includes(life) ? states.release(PREFIX + life, hold) : this.#remove(life, hold),
    );
    await Promise.allSettled(ended);
    if (left.length + over.length > 0) this.#say({ left, over });
  }

  heard({ from, lives, left, over }: BusMessage): void {
    if (this.#isOver || from === this.#needs.nodeId) return;
    const { nowMs } = this.#needs.clock;
    for (const life of idsIn(lives))
      if (!this.#held.has(life))
        this.#watched.set(life, nowMs() + LIFE_LEASE_MS + this.#chance(JITTER_MS));
    for (const life of idsIn(over)) this.#watched.delete(life);
    for (const life of idsIn(left)) this.#watch(life, this.#chance(AT_ONCE_MS));
    this.#lookLater();
  }

  // ---- lives that this node holds ----

  #renewLater(): void {
    if (this.#isOver) return;
    const waitMs = LIFE_RENEW_MS * (0.9 + this.#needs.random.next() / 10);
    this.#cancelRenew ??= this.#needs.clock.after(waitMs, () => {
      void this.#renew().finally(() => {
        this.#cancelRenew = undefined;
        if (this.#held.size > 0) this.#renewLater();
      });
    });
  }

  async #renew(): Promise<void> {
    const { states, clock, isEmpty } = this.#needs;
    try {
      const over = [...this.#held].filter(([life]) => isEmpty(life));
      for (const [life, hold] of over) {
        this.#held.delete(life);
        await this.#remove(life, hold);
      }
      const holds = [...this.#held].map(([life, hold]) => ({ key: PREFIX + life, ...hold }));
      const ended = holds.length === 0 ? [] : await states.renew(holds, LIFE_LEASE_MS);
      for (const key of ended) {
        const life = key.slice(PREFIX.length);
        this.#held.delete(life);
        this.#needs.lost(life);
      }
      const lives = [...this.#held.keys()];
      if (lives.length + over.length > 0) this.#say({ lives, over: over.map(([life]) => life) });
      if (this.#held.size === 0 || clock.nowMs() - this.#refreshedMs < REFRESH_MS) return;
      this.#refreshedMs = clock.nowMs();
      this.#needs.refresh();
    } catch (error) {
      // The broker is away for everybody: the next round renews.
      this.#failed("mqtt.lives", error);
    }
  }

  /** `diedMs`: absent: its node lives. */
  async #take(life: string, diedMs: number | undefined, ifFree = false): Promise<boolean> {
    const { states, random } = this.#needs;
    const key = PREFIX + life;
    const owner = `life/${random.id()}`;
    const held = await states.take(key, { owner, leaseMs: LIFE_LEASE_MS, ifFree });
    if (held === undefined) return false;
    const value = utf8(JSON.stringify([diedMs ?? null]));
    await states.write(key, held, value, { leaseMs: LIFE_LEASE_MS, keepMs: WILLS_KEEP_MS });
    if (!this.#isOver) this.#held.set(life, { owner, fence: held.fence });
    return !this.#isOver;
  }

  #remove(life: string, hold: StateHold): Promise<void> {
    return this.#needs.states.write(PREFIX + life, hold, undefined, { leaseMs: 0, keepMs: 0 });
  }

  // ---- lives of others ----

  #watch(life: string, delayMs: number): void {
    if (this.#held.has(life)) return;
    this.#watched.set(life, this.#needs.clock.nowMs() + delayMs);
    this.#lookLater();
  }

  #lookLater(): void {
    const dueMs = Math.min(...this.#watched.values());
    if (dueMs >= this.#lookMs && this.#cancelLook !== undefined && this.#watched.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    this.#lookMs = dueMs;
    if (this.#watched.size === 0 || this.#isOver) return;
    const { clock } = this.#needs;
    this.#cancelLook = clock.after(Math.max(0, dueMs - clock.nowMs()), () => {
      this.#cancelLook = undefined;
      void this.#look().finally(() => this.#lookLater());
    });
  }

  async #look(): Promise<void> {
    const { clock } = this.#needs;
    for (const [life, dueMs] of [...this.#watched]) {
      if (dueMs > clock.nowMs() || this.#isOver) continue;
      // If it cannot be asked now, it is asked again.
      this.#watched.set(life, clock.nowMs() + LIFE_RENEW_MS + this.#chance(JITTER_MS));
      try {
        await this.#check(life);
      } catch (error) {
        this.#failed("mqtt.lives", error);
      }
    }
  }

  async #check(life: string): Promise<void> {
    const { clock, states } = this.#needs;
    const stored = await states.read(PREFIX + life);
    if (stored === undefined) return void this.#watched.delete(life);
    if (stored.leaseMs > 0) {
      const waitMs = stored.leaseMs + this.#chance(JITTER_MS);
      return void this.#watched.set(life, clock.nowMs() + waitMs);
    }
    // It was renewed a lease ago, and would have been again after the time between two renewals.
    const silentMs = stored.owner === undefined ? 0 : LIFE_LEASE_MS - LIFE_RENEW_MS;
    const diedMs = diedIn(stored.value) ?? clock.wallMs() - silentMs;
    if (!(await this.#take(life, diedMs, true))) return;
    this.#watched.delete(life);
    this.#renewLater();
    this.#say({ lives: [life] });
    this.#needs.adopted(life, diedMs);
  }

  async #all(): Promise<readonly string[]> {
    const all: string[] = [];
    for (let after: string | undefined; ; after = PREFIX + all.at(-1)) {
      const query = { prefix: PREFIX, limit: PAGE, ...(after === undefined ? {} : { after }) };
      const page = await this.#needs.states.list(query);
      all.push(...page.map((key) => key.slice(PREFIX.length)));
      if (page.length < PAGE) return all;
    }
  }

  // ---- what both need ----

  #say(words: { lives?: string[]; left?: string[]; over?: string[] }): void {
    this.#needs.tell({ kind: LIVES, from: this.#needs.nodeId, ...words });
  }

  #chance(ms: number): number {
    return this.#needs.random.next() * ms;
  }

  #failed(where: string, error: unknown): void {
    if (!(error instanceof BrokerError)) this.#needs.bug(where, error);
  }
}

const idsIn = (words: unknown): readonly string[] =>
  Array.isArray(words) ? words.filter((one) => typeof one === "string") : [];

function diedIn(value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return undefined;
  try {
    const [diedMs] = JSON.parse(textOf(value, 0, value.length)) as [unknown];
    return typeof diedMs === "number" ? diedMs : undefined;
  } catch {
    return undefined;
  }
}
