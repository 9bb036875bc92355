// Owns: one partition's state in the state store: taken, written whole or as what changed since,
// and released, in as many values as it needs.
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
/** Bytes of the head at most: each commit writes it. */
const HEAD_BYTES_MAX = 32 * 1024;
/** Values of changes behind one whole state. */
const LOGS_MAX = 64;
/**
 * Fence of the writer; then number of the parts' set, how many there are, how many values of
 * changes, and newer changes, a line each. Or the whole text.
 */
const HEAD = /^(\d+)(?:@(\d+) (\d+)(?: (\d+))?(?=\n|$)|=)/;

/**
 * The head is one value, and its write is the commit. A small state lies in it. A larger one lies
 * in parts, and the head names their owner's fence, which of two sets, and how many. Changes behind
 * it are lines in the head. When these are many, they become a value beside the parts. When such
 * values are as many bytes as the state, it should be written whole again (`wantsWhole`). So a
 * commit costs what changed.
 *
 * Every owner has parts of its own, so a fenced writer cannot change what the head names.
 */
export class KeptState {
  readonly #options: KeptStateOptions;
  #hold: StateHold;
  /** Holds of parts, by their key. */
  readonly #parts = new Map<string, StateHold>();
  #turn: number;
  /** The head may be an older one, or one whose write was given up. */
  #isUncertain = false;
  /** The last write failed: nobody knows what is there. */
  #hasFailed = false;
  /** Of the whole state that the head names; 0: there is none to which changes could be added. */
  #count = 0;
  #wholeBytes = 0;
  /** Values of changes behind it, and their bytes. */
  #logs = 0;
  #logBytes = 0;
  /** Changes behind these, as they stand in the head. */
  #lines = "";
  #lineBytes = 0;

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
  ): Promise<
    | {
        readonly kept: KeptState;
        /** The whole state; undefined: there is none. */
        readonly text: string | undefined;
        /** What was added to it, in order. */
        readonly changes: readonly string[];
      }
    | undefined
  > {
    const { store, key, owner, leaseMs } = options;
    const held = await store.take(key, { owner, leaseMs, ifFree: isFree });
    if (held === undefined) return undefined;
    const head = held.value === undefined ? "" : options.codec.decode(held.value);
    const kept = new KeptState(options, holdOf(held), head);
    if (held.value === undefined) return { kept, text: undefined, changes: [] };
    return { kept, ...(await kept.#read(head)) };
  }

  get fence(): number {
    return this.#hold.fence;
  }

  get hold(): StateHold & { readonly key: string } {
    return { ...this.#hold, key: this.#options.key };
  }

  /** Bytes of all values that the head names. */
  get bytes(): number {
    return this.#wholeBytes + this.#logBytes + this.#lineBytes;
  }

  /** Bytes of the whole state that changes are added to. */
  get wholeBytes(): number {
    return this.#wholeBytes;
  }

  /** Nothing can be added, or so much was that the whole is as cheap. */
  get wantsWhole(): boolean {
    return (
      this.#hasFailed ||
      this.#count === 0 ||
      this.#logs >= LOGS_MAX ||
      this.#logBytes > Math.max(this.#wholeBytes, 2 * this.#headBytesMax)
    );
  }

  /**
   * Commits the whole state, all or nothing, and renews the lease; `isLast` releases it. Never two
   * writes at once. Answers the bytes that were written.
   */
  async write(text: string, isLast = false): Promise<number> {
    const { codec, valueBytesMax } = this.#options;
    this.#hasFailed = true;
    const bytes = codec.encode(text);
    const { byteLength } = bytes;
    const count = byteLength <= this.#headBytesMax ? 0 : Math.ceil(byteLength / valueBytesMax);
    if (count > PARTS_MAX)
      throw new PipelineError(
        "limit",
        `Cannot keep ${byteLength} bytes of state, expected ${PARTS_MAX * valueBytesMax}`,
      );
    if (this.#isUncertain) await this.#takeAgain();
    if (count === 0) await this.#writeHead(`${this.#life}=${text}`, isLast);
    else {
      this.#turn += 1;
      this.#isUncertain = true;
      await this.#writeValues(bytes, (i) => this.#partKey(this.#life, this.#turn, String(i)));
      await this.#writeHead(`${this.#life}@${this.#turn} ${count}`, isLast);
    }
    [this.#count, this.#wholeBytes] = [count, byteLength];
    [this.#logs, this.#logBytes, this.#lines, this.#lineBytes] = [0, 0, "", 0];
    this.#removeOld().catch(() => {});
    return byteLength;
  }

  /**
   * Commits changes, one line, behind what is committed, as `write` does. MUST NOT be called if
   * `wantsWhole`. After it rejects, `wantsWhole` is true.
   */
  async add(changes: string, isLast = false): Promise<number> {
    const { codec } = this.#options;
    let lines = `${this.#lines}\n${changes}`;
    const bytes = codec.encode(lines);
    this.#hasFailed = true;
    this.#isUncertain = true;
    let [logs, logBytes, lineBytes] = [this.#logs, this.#logBytes, bytes.byteLength];
    if (lineBytes > this.#headBytesMax) {
      const first = logs;
      logs += await this.#writeValues(bytes, (i) =>
        this.#partKey(this.#life, this.#turn, `c${first + i}`),
      );
      logBytes += lineBytes;
      [lines, lineBytes] = ["", 0];
    }
    const head = `${this.#life}@${this.#turn} ${this.#count} ${logs}${lines}`;
    await this.#writeHead(head, isLast);
    [this.#logs, this.#logBytes, this.#lines, this.#lineBytes] = [logs, logBytes, lines, lineBytes];
    return logs > 0 && lines === "" ? bytes.byteLength : lineBytes;
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

  get #headBytesMax(): number {
    return Math.min(HEAD_BYTES_MAX, this.#options.valueBytesMax / 2);
  }

  async #writeHead(head: string, isLast: boolean): Promise<void> {
    const { store, codec, key, keepMs, leaseMs } = this.#options;
    const options = { leaseMs: isLast ? 0 : leaseMs, keepMs };
    await store.write(key, this.#hold, codec.encode(head), options);
    // It has not come before any head that was given up.
    this.#isUncertain = false;
    this.#hasFailed = false;
  }

  /** In values beside the head. Answers how many. */
  async #writeValues(bytes: Uint8Array, keyOf: (index: number) => string): Promise<number> {
    const { valueBytesMax } = this.#options;
    const count = Math.ceil(bytes.byteLength / valueBytesMax);
    const writes = Array.from({ length: count }, (_, i) =>
      this.#writePart(keyOf(i), bytes.slice(i * valueBytesMax, (i + 1) * valueBytesMax)),
    );
    // All of them have settled before any is written again: two writes of a part must not race.
    const failed = (await Promise.allSettled(writes)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
    return count;
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

  async #read(
    head: string,
  ): Promise<{ readonly text: string; readonly changes: readonly string[] }> {
    const [start, fence, turn, count, logs = "0"] = HEAD.exec(head) ?? [];
    if (start === undefined || fence === undefined)
      throw new PipelineError("state", "Cannot read the kept state: found an unknown form");
    if (turn === undefined) return { text: head.slice(start.length), changes: [] };
    const keysOf = (length: number, name: string): readonly string[] =>
      Array.from({ length }, (_, i) => this.#partKey(Number(fence), Number(turn), `${name}${i}`));
    const [parts, changes] = [keysOf(Number(count), ""), keysOf(Number(logs), "c")];
    this.#old = [...parts, ...changes];
    const lines = (await this.#readValues(changes)) + head.slice(start.length);
    return {
      text: await this.#readValues(parts),
      changes: lines.split("\n").filter((line) => line !== ""),
    };
  }

  async #readValues(keys: readonly string[]): Promise<string> {
    const { store, codec } = this.#options;
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

  #partKey(fence: number, turn: number, name: string): string {
    return `${this.#options.key}/${fence}.${turn % 2}.${name}`;
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
