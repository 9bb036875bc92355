// Owns: state by key with one writer each: fences, leases, ends, bytes. Pure: callers tell it the
// time.
import { HeldBytes, type Holder } from "../session/held-bytes.ts";
import {
  type HeldState,
  STATE_KEEP_MS_MAX,
  STATE_LIST_MAX,
  type StateHold,
  type StoredState,
  type TakeOptions,
  type WriteOptions,
} from "../state-port.ts";
import { DeadlineQueue } from "./deadline-queue.ts";

export interface StateLimits {
  /** Keys that are held or kept. */
  readonly statesMax: number;
  /** Estimated bytes of all of them. */
  readonly stateBytesMax: number;
}

/** Times of a call: `nowMs` never goes back, `wallMs` begins the fences. */
export interface StateTime {
  readonly nowMs: number;
  readonly wallMs: number;
}

export type StateRefusal = "fenced" | "full" | "share";

interface Entry extends Holder {
  readonly key: string;
  /** Empty: released. */
  owner: string;
  fence: number;
  leaseEndsMs: number;
  keepMs: number;
  value: Uint8Array | undefined;
  /** When it is gone. */
  endsMs: number;
  /** Its earliest place in the queue of ends. */
  queuedMs: number;
}

/** An entry without key and value, estimated from above. */
const ENTRY_BASE_BYTES = 512;

/**
 * Callers call `expire` with the current time before anything else, and whenever `nextDeadlineMs`
 * has come. A refusal is returned, and nothing was changed then.
 */
export class StateTable {
  readonly #limits: StateLimits;
  readonly #entries = new Map<string, Entry>();
  readonly #ends = new DeadlineQueue<Entry>();
  readonly #shares: HeldBytes;
  /** One count for all keys: so a fence is never used twice, whatever was forgotten between. */
  #lastFence = 0;

  constructor(limits: StateLimits) {
    this.#limits = limits;
    this.#shares = new HeldBytes(limits.stateBytesMax);
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Estimated memory. */
  get bytes(): number {
    return this.#shares.total;
  }

  /** Places in the queue of ends: about twice the entries and 64 more at most. */
  get queuedCount(): number {
    return this.#ends.size;
  }

  nextDeadlineMs(): number | undefined {
    return this.#ends.nextMs;
  }

  expire(nowMs: number): void {
    for (let due = this.#ends.takeDue(nowMs); due; due = this.#ends.takeDue(nowMs)) {
      const entry = due.value;
      if (due.dueMs !== entry.queuedMs || this.#entries.get(entry.key) !== entry) continue;
      entry.queuedMs = Number.POSITIVE_INFINITY;
      if (entry.endsMs <= nowMs) this.#remove(entry);
      else this.#queue(entry);
    }
  }

  take(
    key: string,
    options: TakeOptions,
    time: StateTime,
  ): HeldState | Exclude<StateRefusal, "fenced"> | undefined {
    const { owner, leaseMs, ifFree = false } = options;
    const known = this.#entries.get(key);
    const isOthers = known !== undefined && known.owner !== "" && known.owner !== owner;
    if (ifFree && isOthers && known.leaseEndsMs > time.nowMs) return undefined;
    const entry = known ?? this.#create(key, options);
    if (typeof entry === "string") return entry;
    const before = isOthers ? known.owner : undefined;
    this.#lastFence = Math.max(this.#lastFence + 1, Math.floor(time.wallMs * 1000));
    entry.owner = owner;
    entry.fence = this.#lastFence;
    this.#lease(entry, leaseMs, time.nowMs);
    return {
      owner,
      fence: entry.fence,
      value: entry.value,
      ...(before === undefined ? {} : { before }),
    };
  }

  write(
    key: string,
    hold: StateHold,
    value: Uint8Array | undefined,
    { leaseMs, keepMs, party = "", mayGrow, nowMs }: WriteOptions & { readonly nowMs: number },
  ): StateRefusal | undefined {
    const entry = this.#held(key, hold);
    if (entry === undefined) return "fenced";
    const growth = bytesOf(key, value) - entry.heldBytes;
    const refusal = this.#refusalOf(growth, party, mayGrow);
    if (refusal !== undefined) return refusal;
    this.#shares.move(entry, party);
    if (growth > 0) this.#shares.add(entry, growth);
    else this.#shares.release(entry, -growth);
    entry.value = value;
    entry.keepMs = value === undefined ? 0 : keepMs;
    if (leaseMs === 0) entry.owner = "";
    this.#lease(entry, leaseMs, nowMs);
    return undefined;
  }

  /** Whether the hold is still there. */
  renew(key: string, hold: StateHold, leaseMs: number, nowMs: number): boolean {
    const entry = this.#held(key, hold);
    if (entry !== undefined) this.#lease(entry, leaseMs, nowMs);
    return entry !== undefined;
  }

  release(key: string, hold: StateHold, nowMs: number): void {
    const entry = this.#held(key, hold);
    if (entry === undefined) return;
    entry.owner = "";
    this.#lease(entry, 0, nowMs);
  }

  read(key: string, nowMs: number): StoredState | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { value, fence, owner } = entry;
    const leaseMs = owner === "" ? 0 : Math.max(0, entry.leaseEndsMs - nowMs);
    return { value, fence, leaseMs, ...(owner === "" ? {} : { owner }) };
  }

  /** By UTF-16 code units. */
  list(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): readonly string[] {
    const { prefix, after } = query;
    const limit = Math.max(0, Math.min(STATE_LIST_MAX, Math.floor(query.limit)));
    return [...this.#entries.keys()]
      .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort()
      .slice(0, limit);
  }

  #held(key: string, { owner, fence }: StateHold): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry?.fence === fence && entry.owner === owner ? entry : undefined;
  }

  #create(
    key: string,
    { party = "", mayGrow }: TakeOptions,
  ): Entry | Exclude<StateRefusal, "fenced"> {
    if (this.#entries.size >= this.#limits.statesMax) return "full";
    const bytes = bytesOf(key, undefined);
    const refusal = this.#refusalOf(bytes, party, mayGrow);
    if (refusal !== undefined) return refusal;
    const times = { leaseEndsMs: 0, keepMs: 0, endsMs: 0, queuedMs: Number.POSITIVE_INFINITY };
    const entry: Entry = {
      key,
      party,
      heldBytes: 0,
      owner: "",
      fence: 0,
      value: undefined,
      ...times,
    };
    this.#entries.set(key, entry);
    this.#shares.add(entry, bytes);
    return entry;
  }

  #refusalOf(
    growth: number,
    party: string,
    mayGrow: boolean | undefined,
  ): Exclude<StateRefusal, "fenced"> | undefined {
    if (growth <= 0) return undefined;
    if (mayGrow === false || (party !== "" && !this.#shares.fits(party, growth))) return "share";
    return this.bytes + growth > this.#limits.stateBytesMax ? "full" : undefined;
  }

  #lease(entry: Entry, leaseMs: number, nowMs: number): void {
    entry.leaseEndsMs = nowMs + leaseMs;
    const isForEver = entry.keepMs >= STATE_KEEP_MS_MAX;
    entry.endsMs = isForEver ? Number.POSITIVE_INFINITY : entry.leaseEndsMs + entry.keepMs;
    if (entry.endsMs <= nowMs) this.#remove(entry);
    else if (entry.endsMs < entry.queuedMs) this.#queue(entry);
  }

  #queue(entry: Entry): void {
    if (entry.endsMs === Number.POSITIVE_INFINITY) return;
    entry.queuedMs = entry.endsMs;
    this.#ends.add(entry.endsMs, entry);
    if (this.#ends.size > 2 * this.#entries.size + 64)
      this.#ends.retain(
        (value, dueMs) => value.queuedMs === dueMs && this.#entries.get(value.key) === value,
      );
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#shares.release(entry, entry.heldBytes);
  }
}

const bytesOf = (key: string, value: Uint8Array | undefined): number =>
  ENTRY_BASE_BYTES + 2 * key.length + (value?.byteLength ?? 0);
