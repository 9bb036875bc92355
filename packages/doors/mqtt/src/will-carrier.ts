// Owns: wills whose connections have ended: what waits for its time, for its turn or for the
// broker, and its publication.
import {
  BrokerError,
  type Clock,
  DeadlineQueue,
  type Random,
  type StateHold,
  type StateStore,
} from "@holdfast/core";
import { WillQueue } from "./will-queue.ts";
import { readRecord, type WillMessage, type WillRecord, willBytes } from "./will-record.ts";

/** What became of a will. `void`: its client came back, or said goodbye. */
export type WillOutcome = "published" | "void" | "failed";

/** What carrying out wills needs of the node. */
export interface CarrierNeeds {
  readonly states: StateStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Publishes for a client that is gone. Its permission was asked when it connected. */
  publish(message: WillMessage, idempotencyKey: string): Promise<void>;
  /** MUST NOT throw. */
  ended(outcome: WillOutcome): void;
  bug(where: string, error: unknown): void;
}

/** What is left to do for a will whose connection has ended. */
export interface Pending {
  readonly key: string;
  readonly life: string;
  readonly party: string;
  /** Absent: it is read first. */
  readonly hold?: StateHold;
  readonly record?: WillRecord;
  /** Of a life that ended: records without a time are due so long after this. */
  readonly diedMs?: number;
  readonly beganMs: number;
}

/** A node that takes a will for a moment. */
const LEASE_MS = 30_000;
/** Bytes of wills that wait in memory; those behind them are read when it is their turn. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** A will that the broker does not take for so long is given up. */
const GIVE_UP_MS = 900_000;
const PASSING: ReadonlySet<string> = new Set(["unavailable", "timeout", "full", "share", "busy"]);

export class WillCarrier {
  readonly #needs: CarrierNeeds;
  readonly #queue: WillQueue;
  /** Wills with a delay, by the node's own time. */
  readonly #later = new DeadlineQueue<Pending>();
  /** Wills that are not done with, by the life that they belong to. */
  readonly #counts = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #wakeMs = 0;
  #waitingBytes = 0;

  constructor(needs: CarrierNeeds) {
    this.#needs = needs;
    this.#queue = new WillQueue(needs);
  }

  stop(): void {
    this.#cancel?.();
    this.#queue.stop();
  }

  /** Wills that wait for their time, or for their turn. */
  get pending(): number {
    return this.#later.size + this.#queue.size;
  }

  hasNone(life: string): boolean {
    return !this.#counts.has(life);
  }

  /** Not before `waitMs` from now. */
  later(pending: Pending, waitMs: number): void {
    this.#later.add(this.#needs.clock.nowMs() + waitMs, pending);
    this.#wake();
  }

  /** Another node has what is left of the life. */
  drop(life: string): void {
    this.#counts.delete(life);
    this.#later.retain((pending) => pending.life !== life);
  }

  #wake(): void {
    const nextMs = this.#later.nextMs;
    if (this.#cancel !== undefined && nextMs === this.#wakeMs) return;
    this.#cancel?.();
    this.#cancel = undefined;
    if (nextMs === undefined) return;
    const { clock } = this.#needs;
    this.#wakeMs = nextMs;
    this.#cancel = clock.after(Math.max(0, nextMs - clock.nowMs()), () => {
      this.#cancel = undefined;
      for (;;) {
        const due = this.#later.takeDue(clock.nowMs());
        if (due === undefined) break;
        this.enqueue(due.value);
      }
      this.#wake();
    });
  }

  /** Publishes it at its turn. */
  enqueue(pending: Pending): void {
    const { record, hold: _, ...bare } = pending;
    const bytes = record === undefined ? 0 : willBytes(record.messages);
    const isKept = this.#waitingBytes + bytes <= WAITING_BYTES_MAX;
    if (isKept) this.#waitingBytes += bytes;
    const mine = isKept ? pending : bare;
    let isWaiting = isKept;
    let done: StateHold | undefined;
    this.carryOut(mine, async () => {
      if (isWaiting) this.#waitingBytes -= bytes;
      isWaiting = false;
      // What was published is not published again because it could not be removed.
      done ??= await this.#publish(mine);
      if (done !== undefined) await this.remove(mine.key, done);
    });
  }

  /** Tries until the broker has done it, or says that it never will. */
  carryOut({ party, life, beganMs }: Pending, work: () => Promise<void>): void {
    const { clock } = this.#needs;
    this.#queue.add(party, async () => {
      try {
        await work();
      } catch (error) {
        const isPassing = error instanceof BrokerError && PASSING.has(error.code);
        if (isPassing && clock.nowMs() - beganMs < GIVE_UP_MS) return "again";
        this.failed(error);
        // Fenced: another node has it.
        if (!(error instanceof BrokerError && error.code === "fenced")) this.#needs.ended("failed");
      }
      this.count(life, -1);
      return "done";
    });
  }

  /**
   * What is to be removed then; undefined: it is not due yet. If this node dies on the way another
   * one does it again, with the same key.
   */
  async #publish(pending: Pending): Promise<StateHold | undefined> {
    const { key, life, party, hold: known, record: mine, diedMs, beganMs } = pending;
    const { states, clock } = this.#needs;
    const taken = known === undefined ? await this.take(key) : undefined;
    const hold = known ?? taken;
    const record = mine ?? (taken?.value === undefined ? undefined : readRecord(taken.value));
    if (record === undefined) return hold;
    if (diedMs !== undefined) {
      const waitMs = (record.dueMs ?? diedMs + record.delayMs) - clock.wallMs();
      if (waitMs > 0) {
        this.count(life, 1);
        this.later({ key, life, party, beganMs: beganMs + waitMs }, waitMs);
        return undefined;
      }
    }
    const { session } = record;
    // At the end of a connection of this node nobody has come back yet.
    const current =
      session === undefined || mine !== undefined ? undefined : await states.read(session.key);
    const isBack = current !== undefined && current.fence !== session?.fence;
    if (!isBack)
      for (const [at, message] of record.messages.entries())
        await this.#needs.publish(message, `will:${record.id}:${at}`);
    this.#needs.ended(isBack ? "void" : "published");
    return hold;
  }

  /** Whoever had the will is fenced. */
  async take(key: string): Promise<StateHold & { readonly value: Uint8Array | undefined }> {
    const owner = `will/${this.#needs.random.id()}`;
    const held = await this.#needs.states.take(key, { owner, leaseMs: LEASE_MS });
    return { owner, fence: held?.fence ?? 0, value: held?.value };
  }

  remove(key: string, hold: StateHold): Promise<void> {
    return this.#needs.states.write(key, hold, undefined, { leaseMs: 0, keepMs: 0 });
  }

  /** So many more wills of the life are not done with. */
  count(life: string, by: number): void {
    const count = (this.#counts.get(life) ?? 0) + by;
    if (count <= 0) this.#counts.delete(life);
    else this.#counts.set(life, count);
  }

  failed(error: unknown): void {
    if (!(error instanceof BrokerError)) this.#needs.bug("mqtt.wills", error);
  }
}
