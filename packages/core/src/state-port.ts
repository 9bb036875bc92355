// Owns: the port for state that outlives nodes: one writer at a time for each key, by fencing.

/** Most bytes of one value. Longer: BrokerError "limit". */
export const STATE_BYTES_MAX = 1024 * 1024;
/** Most bytes of a key in UTF-8, and of an owner. Empty or longer: BrokerError "limit". */
export const STATE_KEY_BYTES_MAX = 512;
export const STATE_OWNER_BYTES_MAX = 256;
/** A `keepMs` from here on (100 years) is for ever; `Infinity` is as well. */
export const STATE_KEEP_MS_MAX = 100 * 365 * 24 * 3_600_000;
/** Most keys in one answer of `list`. */
export const STATE_LIST_MAX = 1_000;

/** What a writer shows with each call: `take` gave it. */
export interface StateHold {
  readonly owner: string;
  readonly fence: number;
}

/** What `take` answers. */
export interface HeldState extends StateHold {
  /**
   * A whole number that rises with each `take` of the key. It also rises over the end of what was
   * kept, and over a broker that lost its data, as far as the broker's clock is not set back. So it
   * may be handed on, to others that refuse older ones.
   */
  readonly fence: number;
  /** Absent: nothing is kept. Nobody may change its bytes. */
  readonly value: Uint8Array | undefined;
  /**
   * Another owner that had not released it: it is fenced from now on, and may not know. Tell it if
   * it should stop at once (`Broker.bus`). Otherwise it learns from its next call.
   */
  readonly before?: string;
}

/** What `read` answers: a snapshot, which may be out of date when it arrives. */
export interface StoredState {
  readonly value: Uint8Array | undefined;
  readonly fence: number;
  /** Who took it last. Absent: it was released. */
  readonly owner?: string;
  /** What is left of the lease by the broker's clock; 0: it has ended. */
  readonly leaseMs: number;
}

/** Whose room a call may take; as in `EnterOptions`. */
export interface StateRoom {
  /** A party that has as much as is still free: BrokerError "share". */
  readonly party?: string;
  /** False: what needs more room than it has is refused with BrokerError "share". */
  readonly mayGrow?: boolean;
}

export interface TakeOptions extends StateRoom {
  /** Names this life of a writer: a node id and something that it never uses again. */
  readonly owner: string;
  /** The lease ends so long from now, by the broker's clock. */
  readonly leaseMs: number;
  /** Only if nobody else's lease runs. Otherwise the answer is undefined, and nothing changes. */
  readonly ifFree?: boolean;
}

export interface WriteOptions extends StateRoom {
  /** The lease ends so long from now. 0: it is released with this write, in the same step. */
  readonly leaseMs: number;
  /** How long the value is kept after the end of the lease. */
  readonly keepMs: number;
}

/**
 * State by key: bytes with one writer at a time. Whoever takes a key fences everybody before, at
 * once and for good. A lease decides nothing but `ifFree` and how long the state is kept: whoever
 * holds a key may write after its lease, until somebody else takes it or the state has expired.
 *
 * Each call for one key is one atomic step. There is no step across keys. Time is the broker's:
 * clocks of nodes decide nothing. If the broker's clock jumps forward, leases and what is kept end
 * early, which fencing makes harmless. If it is set back, a lease lasts at most its length from the
 * next `take` on.
 *
 * A call that was rejected with "unavailable" or "timeout" may have been done, and may be repeated.
 * A write that was given up never takes effect after a later write of the same hold, nor after a
 * later `take`.
 *
 * If the broker loses its data, holds are fenced: take again. If it falls back to an older state
 * (a replica that was behind), `take` answers with that older state.
 *
 * Errors are `BrokerError`: "fenced" (the hold ended: taken by another, released, expired or lost),
 * "limit" (a key, owner or value is too long), "full" and "share" (no room), and those of every
 * call of a broker.
 */
export interface StateStore {
  /**
   * Becomes the one writer. An owner that takes its own key again gets a new fence. A key that is
   * new, and that nothing is written to, is gone with its lease.
   */
  take(key: string, options: TakeOptions): Promise<HeldState | undefined>;
  /**
   * Replaces the value, or removes it (undefined), and renews the lease: all or nothing. The bytes
   * MUST NOT be changed afterwards. A value that is no longer than the one before, a removal and a
   * release are taken by a broker that is full.
   */
  write(
    key: string,
    hold: StateHold,
    value: Uint8Array | undefined,
    options: WriteOptions,
  ): Promise<void>;
  /**
   * Renews leases: any number in one call, each on its own. Answers with the keys of those whose
   * hold has ended, in no order.
   */
  renew(
    holds: readonly (StateHold & { readonly key: string })[],
    leaseMs: number,
  ): Promise<readonly string[]>;
  /**
   * Ends the lease now; the value stays for its `keepMs`. A hold that has ended is no error: there
   * is nothing to release.
   */
  release(key: string, hold: StateHold): Promise<void>;
  /** Undefined: nobody holds it, and nothing is kept. */
  read(key: string): Promise<StoredState | undefined>;
  /**
   * Keys that begin with `prefix` and come after `after`, in the order of the broker, at most
   * `limit` and `STATE_LIST_MAX`. A key that exists all the time is in one of the pages; one that
   * comes or goes meanwhile MAY be.
   */
  list(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]>;
}
