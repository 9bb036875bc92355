// Owns: one partition's state in the state store: taken, written and released as a whole, in as
// many values as it needs.
import type { HeldState, StateHold, StateStore } from "@holdfast/core";
import { PipelineError } from "../pipeline-error.ts";

/** Text and bytes; the core knows no encoding of text. */
export interface TextCodec {
  encode(text: string): Uint8Array;
  decode(bytes: Uint8Array): string;
}

export interface KeptStateOptions {
  readonly store: StateStore;
  readonly codec: TextCodec;
  /** Keys of the store begin with it. */
  readonly key: string;
  readonly owner: string;
  readonly leaseMs: number;
  /** How long the state is kept when nobody holds it. */
  readonly keepMs: number;
  /** Bytes of one value at most; the store's own limit. Less in tests. */
  readonly valueBytesMax: number;
}

/** Values that a state may have beside the first. */
const PARTS_MAX = 15;
const FENCE_BYTES_MAX = 20;
/** Fence of the writer; then number of the parts' set and how many there are, or the text. */
const HEAD = /^(\d+)(?:@(\d+) (\d+)$|=)/;

/**
 * The head is one value, and its write is the commit. A state that does not fit into it lies in
 * parts: the head names their owner's fence, which of two sets, and how many. Every owner has parts
 * of its own, so a fenced writer cannot change what the head names.
 */
export class KeptState {
  readonly #options: KeptStateOptions;
  #hold: StateHold;
  /** Holds of parts, by their key. */
  readonly #parts = new Map<string, StateHold>();
  #turn: number;
  /** The head may name this turn's parts, or those of the one before. */
  #isUncertain = false;

  /** The fence that this owner began with: it names its parts. */
  readonly #life: number;
  /** What the head says if this owner has not written yet. */
  readonly #before: number | undefined;
  #old: string[] = [];

  private constructor(options: KeptStateOptions, hold: StateHold, head: string) {
    const [, fence, turn] = HEAD.exec(head) ?? [];
    this.#options = options;
    this.#hold = hold;
    this.#life = hold.fence;
    this.#before = fence === undefined ? undefined : Number(fence);
    // Parts of another owner: this one begins with a set of its own.
    this.#turn = Number(turn ?? 0);
  }

  /** The most bytes that `write` takes. */
  static bytesMax(valueBytesMax: number): number {
    return valueBytesMax * PARTS_MAX;
  }

  /**
   * Becomes the one writer, if nobody's lease runs or it is `owner`'s own. Rejects with the store's
   * errors, and with PipelineError "state" if what is kept cannot be read.
   */
  static async take(
    options: KeptStateOptions,
    isFree = true,
  ): Promise<{ readonly kept: KeptState; readonly text: string | undefined } | undefined> {
    const { store, key, owner, leaseMs } = options;
    const held = await store.take(key, { owner, leaseMs, ifFree: isFree });
    if (held === undefined) return undefined;
    const head = held.value === undefined ? "" : options.codec.decode(held.value);
    const kept = new KeptState(options, holdOf(held), head);
    return { kept, text: held.value === undefined ? undefined : await kept.#read(head) };
  }

  get fence(): number {
    return this.#hold.fence;
  }

  get hold(): StateHold & { readonly key: string } {
    return { ...this.#hold, key: this.#options.key };
  }

  /** Commits, all or nothing, and renews the lease; `isLast` releases it. Never two at once. */
  async write(text: string, isLast = false): Promise<number> {
    const { store, codec, key, keepMs, leaseMs, valueBytesMax } = this.#options;
    const bytes = codec.encode(text);
    const options = { leaseMs: isLast ? 0 : leaseMs, keepMs };
    if (bytes.byteLength + FENCE_BYTES_MAX <= valueBytesMax) {
      await store.write(key, this.#hold, codec.encode(`${this.#life}=${text}`), options);
      // It has not come before any head that was given up.
      this.#isUncertain = false;
      this.#removeOld().catch(() => {});
      return bytes.byteLength;
    }
    const count = Math.ceil(bytes.byteLength / valueBytesMax);
    if (count > PARTS_MAX)
      throw new PipelineError(
        "limit",
        `Cannot keep ${bytes.byteLength} bytes of state, expected ${PARTS_MAX * valueBytesMax}`,
      );
    if (this.#isUncertain) await this.#takeAgain();
    this.#turn += 1;
    this.#isUncertain = true;
    const writes = Array.from({ length: count }, (_, i) =>
      this.#writePart(
        this.#partKey(this.#life, this.#turn, i),
        bytes.slice(i * valueBytesMax, (i + 1) * valueBytesMax),
      ),
    );
    // All of them have settled before any is written again: two writes of a part must not race.
    const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    const head = `${this.#life}@${this.#turn} ${count}`;
    await store.write(key, this.#hold, codec.encode(head), options);
    this.#isUncertain = false;
    this.#removeOld().catch(() => {});
    return bytes.byteLength;
  }

  async release(): Promise<void> {
    await this.#options.store.release(this.#options.key, this.#hold);
  }

  /**
   * A head whose write was given up may have come or not, and parts that it names must not be
   * written over. After this call no given-up write takes effect.
   */
  async #takeAgain(): Promise<void> {
    const { store, key, owner, leaseMs, codec } = this.#options;
    const held = await store.take(key, { owner, leaseMs, ifFree: true });
    const head = held?.value === undefined ? "" : codec.decode(held.value);
    const [, fence, turn] = HEAD.exec(head) ?? [];
    const writer = fence === undefined ? undefined : Number(fence);
    if (held === undefined || (writer !== this.#life && writer !== this.#before))
      throw new PipelineError("fenced", `Cannot write ${key}: another owner has it`);
    this.#hold = holdOf(held);
    // Another's parts are not in the way; of our own, the head names those that must stay.
    if (writer === this.#life && turn !== undefined) this.#turn = Number(turn);
    this.#isUncertain = false;
  }

  async #writePart(key: string, value: Uint8Array): Promise<void> {
    const { store, owner, leaseMs, keepMs } = this.#options;
    let hold = this.#parts.get(key);
    if (hold === undefined) {
      const held = await store.take(key, { owner, leaseMs });
      if (held === undefined) throw new PipelineError("fenced", `Cannot take ${key}`);
      hold = holdOf(held);
      this.#parts.set(key, hold);
    }
    try {
      // Nobody asks for a part's lease: it is released with each write, and kept.
      await store.write(key, hold, value, { leaseMs, keepMs });
    } catch (error) {
      // It may have expired meanwhile. Whether we were fenced the head says.
      this.#parts.delete(key);
      throw error;
    }
  }

  async #read(head: string): Promise<string> {
    const [start, fence, turn, count] = HEAD.exec(head) ?? [];
    if (turn === undefined || count === undefined) {
      if (start !== undefined && fence !== undefined) return head.slice(start.length);
      throw new PipelineError("state", "Cannot read the kept state: found an unknown form");
    }
    const { store, codec } = this.#options;
    const keys = Array.from({ length: Number(count) }, (_, i) =>
      this.#partKey(Number(fence), Number(turn), i),
    );
    this.#old = keys;
    const values = await Promise.all(
      keys.map(async (key) => {
        const value = (await store.read(key))?.value;
        if (value === undefined)
          throw new PipelineError("state", `Cannot read the kept state: ${key} is gone`);
        return value;
      }),
    );
    const whole = new Uint8Array(values.reduce((sum, { byteLength }) => sum + byteLength, 0));
    let at = 0;
    for (const value of values) {
      whole.set(value, at);
      at += value.byteLength;
    }
    return codec.decode(whole);
  }

  #partKey(fence: number, turn: number, index: number): string {
    return `${this.#options.key}/${fence}.${turn % 2}.${index}`;
  }

  /** Parts of the owner before, which no head names any more. What stays there expires. */
  async #removeOld(): Promise<void> {
    const { store, owner, leaseMs, keepMs } = this.#options;
    for (const key of this.#old.splice(0)) {
      const hold = await store.take(key, { owner, leaseMs });
      if (hold !== undefined) await store.write(key, hold, undefined, { leaseMs: 0, keepMs });
    }
  }
}

const holdOf = ({ owner, fence }: HeldState): StateHold => ({ owner, fence });
