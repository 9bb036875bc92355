// Owns: wills: what is published for a client that ended without a word, at once or after a delay
// in which it may come back, on whatever node. The broker has each will before CONNACK: if a node
// dies, another one publishes those of its clients.
import type { BusMessage, StateHold } from "@holdfast/core";
import { type CarrierNeeds, WillCarrier } from "./will-carrier.ts";
import { LIVES, WILLS_KEEP_MS, WillLives } from "./will-lives.ts";
import { type WillMessage, type WillRecord, type WillSession, writeRecord } from "./will-record.ts";

/** What wills need of the node. */
export interface WillsNeeds extends CarrierNeeds {
  readonly nodeId: string;
  /** Names this start of the node. */
  readonly lifeId: string;
  tell(message: BusMessage): void;
  /** So many wills of a node that has died are this node's. MUST NOT throw. */
  adopted(count: number): void;
}

/** A client's will while its connection is open. */
export interface NewWill {
  readonly messages: readonly WillMessage[];
  /** Absent: nobody can go on with the session. */
  readonly session: WillSession | undefined;
  readonly delayMs: number;
  readonly party: string;
  /** Names the connection among those of this start of the node. */
  readonly connection: string;
}

/** A will that the broker has. */
export interface HeldWill {
  /** Where it is kept: whoever takes its session may void it. */
  readonly key: string;
  /** The client said goodbye, or goes on elsewhere. */
  void(): void;
  /** The connection ended. */
  due(delayMs: number): void;
}

interface Open {
  record: WillRecord;
  key: string;
  hold: StateHold;
  life: string;
}

const PREFIX = "mqtt-will/";
const LEASE_MS = 30_000;
const PAGE = 1000;

const OWNER_HAS_WILL = "/will";

/** Names a connection as the owner of its session, so that others can void its will. */
export const ownerName = (connection: string, life: string, hasWill: boolean): string =>
  `${connection}/${life}${hasWill ? OWNER_HAS_WILL : ""}`;

/** The key of the will of a session's owner; undefined: it has none. */
export function willOf(owner: string): string | undefined {
  if (!owner.endsWith(OWNER_HAS_WILL)) return undefined;
  const name = owner.slice(0, -OWNER_HAS_WILL.length);
  const at = name.lastIndexOf("/");
  return `${PREFIX}${name.slice(at + 1)}/${name.slice(0, at)}`;
}

export class Wills {
  readonly #needs: WillsNeeds;
  readonly #lives: WillLives;
  readonly #carrier: WillCarrier;
  readonly #open = new Set<Open>();
  #life: string;
  #born: Promise<void> | undefined;
  #births = 0;

  constructor(needs: WillsNeeds) {
    this.#needs = needs;
    this.#life = needs.lifeId;
    this.#carrier = new WillCarrier(needs);
    const { states, clock, random, nodeId } = needs;
    this.#lives = new WillLives({
      ...{ states, clock, random, nodeId },
      tell: (message) => needs.tell(message),
      bug: (where, error) => needs.bug(where, error),
      adopted: (life, diedMs) => void this.#adopt(life, diedMs),
      lost: (life) => this.#lost(life),
      isEmpty: (life) => this.#carrier.hasNone(life) && !this.#isBeginning(life),
      refresh: () => void this.#refresh(),
    });
  }

  static readonly kind = LIVES;

  /** Looks for wills of nodes that have died. */
  start(): void {
    void this.#lives.start();
  }

  /** Never rejects. */
  async stop(): Promise<void> {
    this.#carrier.stop();
    await this.#lives.stop();
  }

  heard(message: BusMessage): void {
    this.#lives.heard(message);
  }

  /** Wills that wait for their time, or for their turn. */
  get pending(): number {
    return this.#carrier.pending;
  }

  /** Resolves when the broker has it. Rejects with BrokerError. */
  async hold(will: NewWill): Promise<HeldWill> {
    const { messages, session, delayMs, party, connection } = will;
    this.#carrier.count(this.#life, 1);
    const life = this.#life;
    try {
      await this.#living();
      const id = `${life}/${connection}`;
      const record = { messages, session, id, delayMs, dueMs: undefined, party };
      const key = PREFIX + id;
      const hold = await this.#write(key, record);
      const open: Open = { record, key, hold, life };
      this.#open.add(open);
      // Its life was lost on the way.
      if (life !== this.#life) void this.#keepAgain(this.#life);
      return {
        key,
        void: () => this.#void(open),
        due: (waitMs) => this.#due(open, waitMs),
      };
    } catch (error) {
      this.#carrier.count(life, -1);
      throw error;
    }
  }

  /** The session of this will was taken: it is void, unless its node has published it by now. */
  voided(key: string): void {
    const pending = { key, life: "", party: "", beganMs: this.#needs.clock.nowMs() };
    this.#carrier.carryOut(pending, async () => {
      const hold = await this.#carrier.take(key);
      if (hold.value !== undefined) this.#needs.ended("void");
      await this.#carrier.remove(key, hold);
    });
  }

  // ---- wills of this node's clients ----

  #void(open: Open): void {
    if (!this.#open.delete(open)) return;
    const { key, hold, life, record } = open;
    this.#needs.ended("void");
    const beganMs = this.#needs.clock.nowMs();
    this.#carrier.carryOut({ key, life, party: record.party, beganMs }, () =>
      this.#carrier.remove(key, hold),
    );
  }

  #due(open: Open, waitMs: number): void {
    if (!this.#open.delete(open)) return;
    const { key, hold, life } = open;
    const { clock } = this.#needs;
    const beganMs = clock.nowMs();
    const { party } = open.record;
    if (waitMs === 0) {
      this.#carrier.enqueue({ key, hold, life, party, record: open.record, beganMs });
      return;
    }
    const record = { ...open.record, dueMs: clock.wallMs() + waitMs };
    this.#carrier.later({ key, life, party, beganMs: beganMs + waitMs }, waitMs);
    // If it cannot be written, this node still knows, and another would wait a little longer.
    this.#needs.states
      .write(key, hold, writeRecord(record), { leaseMs: 1, keepMs: waitMs + WILLS_KEEP_MS, party })
      .catch((error: unknown) => this.#carrier.failed(error));
  }

  #living(): Promise<void> {
    if (this.#lives.holds(this.#life)) return Promise.resolve();
    this.#born ??= this.#lives.begin(this.#life).finally(() => {
      this.#born = undefined;
    });
    return this.#born;
  }

  #isBeginning(life: string): boolean {
    return this.#born !== undefined && life === this.#life;
  }

  async #write(key: string, record: WillRecord): Promise<StateHold> {
    const { states } = this.#needs;
    const { party } = record;
    const owner = `will/${this.#needs.lifeId}`;
    const held = await states.take(key, { owner, leaseMs: LEASE_MS, party });
    const { fence = 0 } = held ?? {};
    const options = { leaseMs: 1, keepMs: WILLS_KEEP_MS, party };
    await states.write(key, { owner, fence }, writeRecord(record), options);
    return { owner, fence };
  }

  /** They would be gone after a month. */
  async #refresh(): Promise<void> {
    const all = [...this.#open];
    try {
      for (let from = 0; from < all.length; from += PAGE)
        await this.#needs.states.renew(
          all.slice(from, from + PAGE).map(({ key, hold }) => ({ key, ...hold })),
          1,
        );
    } catch (error) {
      this.#carrier.failed(error);
    }
  }

  // ---- wills of nodes that have died ----

  /**
   * Another node took this one for dead. It has the wills whose time has come; those of clients
   * that are still here are kept again, under a new name.
   */
  #lost(life: string): void {
    this.#carrier.drop(life);
    if (life !== this.#life) return;
    this.#births += 1;
    this.#life = `${this.#needs.lifeId}-${this.#births}`;
    void this.#keepAgain(this.#life);
  }

  async #keepAgain(life: string): Promise<void> {
    for (const open of [...this.#open]) {
      if (open.life === life) continue;
      this.#carrier.count(life, 1);
      try {
        await this.#living();
        const name = open.record.id.slice(open.record.id.indexOf("/") + 1);
        const record = { ...open.record, id: `${life}/${name}` };
        const key = PREFIX + record.id;
        const hold = await this.#write(key, record);
        Object.assign(open, { record, key, hold, life });
        // It ended meanwhile, under its old name: the other node has that.
        if (!this.#open.has(open)) this.#forget({ key, hold, life });
      } catch (error) {
        this.#carrier.count(life, -1);
        this.#carrier.failed(error);
      }
    }
  }

  #forget({ key, hold, life }: { key: string; hold: StateHold; life: string }): void {
    const beganMs = this.#needs.clock.nowMs();
    this.#carrier.carryOut({ key, life, party: "", beganMs }, () =>
      this.#carrier.remove(key, hold),
    );
  }

  async #adopt(life: string, diedMs: number): Promise<void> {
    // Until all are listed it is not empty.
    this.#carrier.count(life, 1);
    const prefix = `${PREFIX}${life}/`;
    let count = 0;
    try {
      for (let after: string | undefined; this.#lives.holds(life); ) {
        const query = { prefix, limit: PAGE, ...(after === undefined ? {} : { after }) };
        const page = await this.#needs.states.list(query);
        const beganMs = this.#needs.clock.nowMs();
        for (const key of page) this.#carrier.enqueue({ key, life, party: life, diedMs, beganMs });
        for (const _ of page) this.#carrier.count(life, 1);
        count += page.length;
        after = page.at(-1);
        if (page.length < PAGE) break;
      }
    } catch (error) {
      this.#carrier.failed(error);
      // Its lease goes on, so nobody else would look: what was not listed is listed again.
      this.#needs.clock.after(LEASE_MS / 3, () => {
        if (this.#lives.holds(life)) void this.#adopt(life, diedMs);
        this.#carrier.count(life, -1);
      });
      return;
    }
    this.#needs.adopted(count);
    this.#carrier.count(life, -1);
  }
}
