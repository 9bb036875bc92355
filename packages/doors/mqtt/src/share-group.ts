// Owns: one shared subscription on this node: its members here, the slots that the node holds, and
// who gets which message.

import type { Outcome } from "@holdfast/contract";
import {
  BrokerError,
  type Clock,
  type StateStore,
  type Tap,
  type TapBatch,
  type TapOptions,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { Message, Messages } from "./message.ts";
import type { Origin } from "./outbound.ts";
import { readSlot, SLOTS, Slot, slotOf } from "./share-slots.ts";
import { matchesTopic } from "./topic-names.ts";

/** One client with the subscription, as its group sees it. */
export interface Member {
  /** It takes another message now. */
  readonly hasRoom: boolean;
  /** `done` runs when the client has acknowledged it; at once at QoS 0. */
  deliver(message: Message, origin: Origin, done: () => void): void;
}

/** What a group needs of its node. */
export interface ShareNeeds {
  readonly states: StateStore;
  readonly clock: Clock;
  readonly messages: Messages;
  /** Names this start of the node. */
  readonly lifeId: string;
  tap(channel: string, options: TapOptions): Outcome<Tap>;
  /** Where the channel's stream is now. */
  headOf(channel: string): Promise<Position>;
  bug(error: unknown): void;
}

export interface ShareName {
  /** Of the group and its filter, for keys. */
  readonly id: string;
  readonly filter: string;
  readonly channel: string;
}

/** A node that says nothing for so long has no slots any more. */
const LEASE_MS = 10_000;
const TICK_MS = 2000;
/** How long what nobody is there for is remembered; as long as a channel keeps it. */
const KEEP_MS = 86_400_000;
/** A slot that is to leave waits so long for acknowledgements. */
const LEAVING_MS = 5000;
const BATCH = { batchBytesMax: 64 * 1024, batchWaitMs: 0, bufferBytesMax: 256 * 1024 };
const HANDLE_MS_MAX = 60_000;

interface Out {
  readonly message: Message;
  readonly origin: Origin;
  readonly slot: Slot;
}

export class ShareGroup {
  readonly #needs: ShareNeeds;
  readonly #name: ShareName;
  readonly #members = new Map<Member, Map<number, Out>>();
  readonly #slots = new Map<number, Slot>();
  #tap: Tap | undefined;
  #turn = 0;
  #wake: (() => void)[] = [];
  #cancel: () => void = () => {};
  #isOver = false;
  #working: Promise<void> = Promise.resolve();

  constructor(needs: ShareNeeds, name: ShareName) {
    this.#needs = needs;
    this.#name = name;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Resolves when the group's place in the channel is kept: what comes later is handed out. */
  async join(member: Member): Promise<void> {
    this.#members.set(member, new Map());
    this.woken();
    if (this.#members.size > 1) return this.#working;
    this.#working = this.#balance();
    await this.#working;
    this.#later();
  }

  /** What the member did not acknowledge goes to others. */
  leave(member: Member): void {
    const out = this.#members.get(member);
    this.#members.delete(member);
    if (this.#members.size === 0) return this.#end();
    for (const one of out?.values() ?? []) void this.#give(one);
  }

  /** A member takes messages again, as far as it is known. */
  woken(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #later(): void {
    if (this.#isOver) return;
    this.#cancel = this.#needs.clock.after(TICK_MS, () => {
      this.#working = this.#balance();
      void this.#working.then(() => this.#later());
    });
  }

  // ---- slots ----

  #keyOf(slot: number): string {
    return `mqtt-share/${this.#name.id}/${slot}`;
  }

  get #presence(): string {
    return `mqtt-sharing/${this.#name.id}/`;
  }

  get #owner(): string {
    return `share/${this.#needs.lifeId}`;
  }

  /** Takes what is the node's part of the slots, and gives up what is more. */
  async #balance(): Promise<void> {
    try {
      const { states } = this.#needs;
      const presence = this.#presence + this.#needs.lifeId;
      await states.take(presence, { owner: this.#owner, leaseMs: LEASE_MS });
      await this.#renew();
      const nodes = await states.list({ prefix: this.#presence, limit: SLOTS });
      const part = Math.ceil(SLOTS / Math.max(1, nodes.length));
      await this.#giveUp(part);
      if (await this.#takeUp(part)) this.#reopen();
    } catch (error) {
      if (!(error instanceof BrokerError)) this.#needs.bug(error);
    }
  }

  async #renew(): Promise<void> {
    const { states } = this.#needs;
    const holds = [...this.#slots].map(([slot, { owner, fence }]) => ({
      key: this.#keyOf(slot),
      owner,
      fence,
    }));
    const ended = new Set(holds.length === 0 ? [] : await states.renew(holds, LEASE_MS));
    for (const [number, slot] of [...this.#slots]) {
      if (ended.has(this.#keyOf(number))) this.#slots.delete(number);
      else if (slot.isDirty) await this.#write(number, slot, LEASE_MS);
    }
  }

  async #write(number: number, slot: Slot, leaseMs: number): Promise<void> {
    slot.isDirty = false;
    const { owner, fence } = slot;
    const options = { leaseMs, keepMs: KEEP_MS };
    await this.#needs.states.write(this.#keyOf(number), { owner, fence }, slot.write(), options);
  }

  async #giveUp(part: number): Promise<void> {
    const nowMs = this.#needs.clock.nowMs();
    const held = [...this.#slots];
    for (const [, slot] of held.slice(part)) slot.leavingMs ??= nowMs;
    for (const [number, slot] of held) {
      if (slot.leavingMs === undefined) continue;
      if (slot.open.size > 0 && nowMs - slot.leavingMs < LEAVING_MS) continue;
      this.#slots.delete(number);
      await this.#write(number, slot, 0);
    }
  }

  async #takeUp(part: number): Promise<boolean> {
    const { states, headOf, lifeId } = this.#needs;
    let isMore = false;
    // Each node begins at another slot, so that they seldom want the same.
    const first = [...lifeId].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
    for (let step = 0; step < SLOTS && this.#slots.size < part; step++) {
      const number = (first + step) % SLOTS;
      if (this.#slots.has(number)) continue;
      const options = { owner: this.#owner, leaseMs: LEASE_MS, ifFree: true };
      const held = await states.take(this.#keyOf(number), options);
      if (held === undefined) continue;
      const at = readSlot(held.value) ?? (await headOf(this.#name.channel));
      const slot = new Slot(held, at);
      await this.#write(number, slot, LEASE_MS);
      if (this.#isOver) return false;
      this.#slots.set(number, slot);
      isMore = true;
    }
    return isMore;
  }

  #end(): void {
    this.#isOver = true;
    this.#cancel();
    this.#tap?.close();
    this.woken();
    const slots = [...this.#slots];
    this.#slots.clear();
    const release = async (): Promise<void> => {
      await this.#working;
      for (const [number, slot] of slots) await this.#write(number, slot, 0);
    };
    void release().catch((error: unknown) => {
      if (!(error instanceof BrokerError)) this.#needs.bug(error);
    });
  }

  // ---- messages ----

  /** Reads the channel from the slot that is behind the others. */
  #reopen(): void {
    this.#tap?.close();
    let from: Position | undefined;
    for (const { epoch, top } of this.#slots.values())
      if (from === undefined || top < from.offset) from = { epoch, offset: top };
    if (from === undefined) return;
    const consumer = { handle: (batch: TapBatch) => this.#handle(batch) };
    const options = { ...BATCH, handleMsMax: HANDLE_MS_MAX, from, consumer };
    const opened = this.#needs.tap(this.#name.channel, options);
    if (opened.ok) this.#tap = opened.value;
    else this.#needs.bug(opened.message);
  }

  async #handle({ events }: TapBatch): Promise<void> {
    for (const event of events) {
      if (event.kind === "gap") {
        for (const slot of this.#slots.values())
          if (slot.epoch !== event.position.epoch) slot.restart(event.position);
        continue;
      }
      const { o: offset } = event.entry;
      const slot = this.#slots.get(slotOf(offset));
      // It came before, or belongs to another node.
      if (slot === undefined || slot.leavingMs !== undefined || offset <= slot.top) continue;
      const { channel, filter } = this.#name;
      const message = this.#needs.messages.of({ t: "pub", ch: channel, ...event.entry });
      const { epoch } = event.position;
      const isWanted =
        message !== undefined &&
        matchesTopic(filter, message.topic) &&
        (message.expiresMs ?? Number.POSITIVE_INFINITY) > this.#needs.clock.wallMs();
      slot.top = offset;
      slot.isDirty = true;
      if (!isWanted) continue;
      slot.open.add(offset);
      await this.#give({ message, slot, origin: { channel, epoch, offset } });
    }
  }

  /** Waits until some member has room. */
  async #give(out: Out): Promise<void> {
    for (;;) {
      if (this.#isOver) return;
      const members = [...this.#members.keys()];
      for (let step = 0; step < members.length; step++) {
        const member = members[(this.#turn + step) % members.length];
        if (member?.hasRoom !== true) continue;
        this.#turn += step + 1;
        return this.#hand(member, out);
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  #hand(member: Member, out: Out): void {
    const { slot, origin, message } = out;
    const mine = this.#members.get(member);
    mine?.set(origin.offset, out);
    member.deliver(message, origin, () => {
      mine?.delete(origin.offset);
      slot.open.delete(origin.offset);
      slot.isDirty = true;
      this.woken();
    });
  }
}
