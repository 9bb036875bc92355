// Owns: a session's state in the broker while a connection has it: taken once, written in groups,
// released at the end.
import {
  BrokerError,
  backoffMs,
  type Clock,
  type Random,
  type StateHold,
  type StateStore,
} from "@holdfast/core";

import type { Totals } from "./totals.ts";

/** What keeping needs of the node. */
export interface KeeperNeeds {
  readonly states: Pick<StateStore, "take" | "write" | "release">;
  readonly clock: Pick<Clock, "after">;
  readonly random: Pick<Random, "next">;
  readonly leaseMs: number;
  /** Whose share of the broker's room it takes. */
  readonly party: string;
  /** Bytes that the broker keeps of the session when it begins. */
  readonly keptBytes: number;
  readonly totals: Pick<Totals, "sessions" | "sessionBytes">;
  /** Whether the party may have so many bytes more in the broker for `keepMs`. */
  mayKeep(bytes: number, keepMs: number): boolean;
  /** The state as it is now. */
  snapshot(): Uint8Array;
  /** How long the session outlives its connection. 0: it does not. */
  keepMs(): number;
  /** Another connection has the session. */
  fenced(): void;
  /** The session is too large for the broker, or its party has too much there. */
  tooLarge(): void;
  bug(error: unknown): void;
}

/** Changes that nobody waits for are written after this. */
const LAZY_MS = 1000;
/** What a state takes in the broker besides its value, about. */
export const STATE_BYTES = 512;

/**
 * Writes of one session follow each other. What changes during one is in the next, so a client
 * that sends much makes few writes. What waits for a write runs when the broker has it.
 */
export class Keeper {
  readonly key: string;
  readonly hold: StateHold;
  readonly #needs: KeeperNeeds;
  #waiting: (() => void)[] = [];
  #isWriting = false;
  #isClosed = false;
  #cancelLazy: (() => void) | undefined;
  #failures = 0;
  /** What its party was charged for. */
  #keptBytes: number;

  constructor(key: string, hold: StateHold, needs: KeeperNeeds) {
    this.key = key;
    this.hold = hold;
    this.#needs = needs;
    this.#keptBytes = needs.keptBytes;
    needs.totals.sessions += 1;
    needs.totals.sessionBytes += needs.keptBytes;
  }

  /** Runs `then` once the state of now is kept; within the call if the session is not kept. */
  durably(then: () => void): void {
    if (this.#needs.keepMs() === 0) return then();
    if (this.#isClosed) return;
    this.#waiting.push(then);
    this.#write();
  }

  /** Something changed that may be lost: then a message of QoS 1 is sent again. */
  changed(): void {
    if (this.#cancelLazy !== undefined || this.#isClosed || this.#needs.keepMs() === 0) return;
    this.#cancelLazy = this.#needs.clock.after(LAZY_MS, () => {
      this.#cancelLazy = undefined;
      this.#write();
    });
  }

  /**
   * Ends the lease: the last state stays as long as the session is kept, and for `leftMs` at least,
   * or goes at once.
   */
  close(leftMs = 0): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.abandon();
    const { states } = this.#needs;
    const keepMs = Math.max(this.#needs.keepMs(), leftMs);
    const value = keepMs === 0 ? undefined : this.#needs.snapshot();
    return states
      .write(this.key, this.hold, value, { leaseMs: 0, keepMs })
      .catch((error: unknown) => this.#failed(error));
  }

  /** The connection was gone before it had the session: what is kept stays as it is. */
  release(): Promise<void> {
    this.abandon();
    return this.#needs.states
      .release(this.key, this.hold)
      .catch((error: unknown) => this.#failed(error));
  }

  /** Another connection has it: nothing more is written. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#needs.totals.sessions -= 1;
    this.#needs.totals.sessionBytes -= this.#keptBytes;
    this.#cancelLazy?.();
    this.#waiting = [];
  }

  #write(): void {
    if (this.#isWriting || this.#isClosed) return;
    const { states, leaseMs, party } = this.#needs;
    const keepMs = this.#needs.keepMs();
    const value = this.#needs.snapshot();
    const bytes = STATE_BYTES + value.length;
    if (bytes > this.#keptBytes) {
      if (!this.#needs.mayKeep(bytes - this.#keptBytes, keepMs)) return this.#needs.tooLarge();
      this.#needs.totals.sessionBytes += bytes - this.#keptBytes;
      this.#keptBytes = bytes;
    }
    this.#isWriting = true;
    const tasks = this.#waiting;
    this.#waiting = [];
    states.write(this.key, this.hold, value, { leaseMs, keepMs, party }).then(
      () => {
        this.#isWriting = false;
        this.#failures = 0;
        if (this.#isClosed) return;
        for (const task of tasks) task();
        if (this.#waiting.length > 0) this.#write();
      },
      (error: unknown) => {
        this.#isWriting = false;
        this.#waiting.unshift(...tasks);
        this.#failed(error);
      },
    );
  }

  #failed(error: unknown): void {
    if (!(error instanceof BrokerError)) return this.#needs.bug(error);
    if (this.#isClosed) return;
    if (error.code === "fenced") return this.#needs.fenced();
    if (error.code === "limit") return this.#needs.tooLarge();
    this.#failures += 1;
    this.#needs.clock.after(backoffMs(this.#failures, this.#needs.random), () => this.#write());
  }
}
