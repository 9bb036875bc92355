// Owns: a channel as an async iterator with a bounded buffer.
import type { Position } from "@holdfast/protocol";
import { guard } from "./engine/engine-context.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { HoldfastError } from "./engine/errors.ts";
import type { Gap } from "./engine/stream.ts";
import { onAbort } from "./pending.ts";
import { Subscription } from "./subscription.ts";
import type { Message } from "./types.ts";

const BUFFER_MAX = 1_000;
/** Unsettled `next()` calls of one iterator. */
const WAITING_MAX = 1_000;

/** Where the async iterator of a channel begins, and how much it keeps for a slow loop. */
export interface MessagesOptions {
  /** Continue behind this position; see `subscribe`. */
  readonly since?: Position;
  /** Begin with at most this many publications before the head; see `subscribe`. */
  readonly last?: number;
  /** Ends the iteration with an error `aborted`. */
  readonly signal?: AbortSignal;
  /**
   * Messages kept for a slow reader. Beyond it the oldest are dropped and declared as a gap.
   * Default 1,000.
   */
  readonly bufferMax?: number;
  /** Told of each gap when it happens; the next message carries it too. */
  readonly onGap?: (gap: Gap) => void;
}

/**
 * A message of an iterator. `gap`: what is missing before it (several are merged: the first `from`,
 * the last `to`).
 */
export interface IteratedMessage<T> extends Message<T> {
  readonly gap?: Gap;
}

interface Waiting<T> {
  resolve(result: IteratorResult<IteratedMessage<T>, undefined>): void;
  reject(error: unknown): void;
}

/**
 * Messages in order. Ends by `return` (leaving the loop), or throws when the subscription ends with
 * an error.
 */
export class MessageIterator<T> implements AsyncIterableIterator<IteratedMessage<T>, undefined> {
  readonly #subscription: Subscription;
  readonly #engine: EngineCore;
  readonly #bufferMax: number;
  readonly #onGap: ((gap: Gap) => void) | undefined;
  readonly #buffer: IteratedMessage<T>[] = [];
  readonly #waiting: Waiting<T>[] = [];
  readonly #stopSignal: () => void;
  #gap: Gap | undefined;
  #error: HoldfastError | undefined;
  #over = false;

  constructor(engine: EngineCore, channel: string, options: MessagesOptions) {
    const { signal, onGap, bufferMax, ...start } = options;
    this.#engine = engine;
    this.#bufferMax = bufferMax ?? BUFFER_MAX;
    this.#onGap = onGap && ((gap) => guard(engine, () => onGap(gap)));
    // The node checks data against the contract's schema, which is where T comes from.
    this.#subscription = new Subscription(
      engine,
      channel,
      (message) => this.#push(message as Message<T>),
      start,
    );
    this.#subscription.on("gap", (gap) => {
      this.#gap = merge(this.#gap, gap);
      this.#onGap?.(gap);
    });
    this.#subscription.on("error", (error) => {
      if (error.retry === "never") this.#fail(error);
    });
    this.#stopSignal = onAbort(signal, (error) => this.#fail(error));
  }

  next(): Promise<IteratorResult<IteratedMessage<T>, undefined>> {
    const message = this.#buffer.shift();
    if (message) return Promise.resolve({ value: message, done: false });
    if (this.#error) {
      const error = this.#error;
      this.#error = undefined;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve({ value: undefined, done: true });
    if (this.#waiting.length >= WAITING_MAX)
      return Promise.reject(
        new HoldfastError(
          "queue_full",
          `Cannot wait for a message: ${WAITING_MAX} calls of next() wait`,
        ),
      );
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<IteratedMessage<T>, undefined>> {
    this.#buffer.length = 0;
    this.#stop();
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #push(message: Message<T>): void {
    const gap = this.#gap;
    this.#gap = undefined;
    const item: IteratedMessage<T> = gap ? { ...message, gap } : message;
    const waiting = this.#waiting.shift();
    if (waiting) {
      waiting.resolve({ value: item, done: false });
      return;
    }
    this.#buffer.push(item);
    if (this.#buffer.length > this.#bufferMax) this.#overflow();
  }

  /** Drops the older half, so that a reader that stays slow sees few large gaps. */
  #overflow(): void {
    const dropped = this.#buffer.splice(0, Math.ceil(this.#bufferMax / 2));
    const [oldest] = dropped;
    const newest = dropped.at(-1);
    const [first, ...rest] = this.#buffer;
    if (!oldest || !newest || !first) return;
    const { channel, epoch, offset } = newest;
    const own: Gap = {
      channel,
      from: oldest.offset,
      to: offset,
      reason: "dropped",
      position: { epoch, offset },
    };
    this.#engine.counts.add("gaps");
    this.#engine.counts.add("lost", dropped.length);
    this.#onGap?.(own);
    const gap = dropped.reduce<Gap | undefined>(
      (merged, item) => (item.gap ? merge(merged, item.gap) : merged),
      undefined,
    );
    this.#buffer.splice(
      0,
      this.#buffer.length,
      { ...first, gap: merge(merge(gap, own), first.gap) },
      ...rest,
    );
  }

  #fail(error: HoldfastError): void {
    if (this.#over) return;
    const waiting = this.#waiting.splice(0);
    if (waiting.length === 0) this.#error = error;
    this.#stop();
    waiting.forEach(({ resolve, reject }, index) => {
      if (index === 0) reject(error);
      else resolve({ value: undefined, done: true });
    });
  }

  #stop(): void {
    this.#over = true;
    this.#stopSignal?.();
    this.#subscription.unsubscribe();
  }
}

function merge(before: Gap | undefined, after: Gap): Gap;
function merge(before: Gap, after: Gap | undefined): Gap;
function merge(before: Gap | undefined, after: Gap | undefined): Gap | undefined {
  if (!before || !after) return before ?? after;
  return {
    ...after,
    from: Math.min(before.from, after.from),
    to: before.to === null ? null : after.to,
  };
}
