// Owns: publishes from the call to the acknowledgement: order in each channel, repeats with one
// idempotency key, the bounded queue (H3).
import type { Encoded, Position } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { type Answer, byteLength, defined, type EngineContext } from "./engine-context.ts";
import { cannot, dataError, errorFromWire, HoldfastError, tooLarge } from "./errors.ts";

/**
 * Publishes of one channel that are sent together; the next ones wait until all are answered, so
 * that a refused one can keep its place.
 */
const BATCH_MAX = 64;
/** Publishes of all channels without an answer. */
const IN_FLIGHT_MAX = 256;
/** Rest after a refusal for the rate that names no time. */
const REST_MS = 200;
/**
 * After this long a publish that was sent is not sent again: the broker may have forgotten its
 * idempotency key.
 */
const REPEAT_WITHIN_MS = 60_000;

/** How the engine sends one publication. Times are in ms. */
export interface PublishOptions {
  /** Only in `latest` channels: what this publication replaces. */
  readonly key?: string;
  /** Replaces the key that the client makes; at most 128 characters. */
  readonly idempotencyKey?: string;
  readonly timeoutMs: number;
  /** False: neither waits for earlier publishes of the channel nor keeps later ones waiting. */
  readonly ordered: boolean;
}

/** Called once: with the place of the publication, or with the error that ended the attempt. */
export type PublishDone = (
  result: { readonly position: Position; readonly duplicate: boolean } | HoldfastError,
) => void;

interface Item {
  readonly id: number;
  /** What the text of an error calls it. */
  readonly act: string;
  readonly queue: string;
  readonly encoded: Encoded;
  readonly bytes: number;
  readonly done: PublishDone;
  /**
   * When it was sent for the first time without being refused for its rate: the broker may have it
   * since.
   */
  firstSentMs: number | undefined;
  sent: boolean;
  settled: boolean;
  tries: number;
  cancelTimer: () => void;
}

/**
 * Publishes that are not settled, by queue: one for each channel, and one for each publish that
 * needs no order.
 */
export class Publisher {
  readonly #engine: EngineContext;
  readonly #limits: { readonly countMax: number; readonly bytesMax: number };
  readonly #prefix: string;
  readonly #queues = new Map<string, Item[]>();
  /** Queues that were refused and are not sent for a while; `""`: none is. */
  readonly #resting = new Set<string>();
  #number = 0;
  #count = 0;
  #bytes = 0;
  #inFlight = 0;
  /**
   * One after a refusal for the rate, and one more for each publish that is taken: what is over the
   * rate is hardly sent.
   */
  #batchMax = BATCH_MAX;

  constructor(
    engine: EngineContext,
    limits: { readonly countMax: number; readonly bytesMax: number },
  ) {
    this.#engine = engine;
    this.#limits = limits;
    const word = () => Math.floor(engine.chance() * 2 ** 32).toString(36);
    this.#prefix = `${word()}${word()}${word()}${word()}`;
  }

  /**
   * Takes a publish; the data is encoded at once. `done` is called once, never inside this call's
   * turn unless refused. The result gives it up with the error given.
   */
  publish(
    channel: string,
    data: unknown,
    options: PublishOptions,
    done: PublishDone,
  ): (error: HoldfastError) => void {
    const item = this.#item(channel, data, options, done);
    if (item instanceof HoldfastError) {
      done(item);
      return () => {};
    }
    this.#count++;
    this.#bytes += item.bytes;
    const queue = this.#queues.get(item.queue);
    if (queue) queue.push(item);
    else this.#queues.set(item.queue, [item]);
    item.cancelTimer = this.#engine.after(options.timeoutMs, () =>
      this.#settle(item, cannot("timeout", item.act, `no answer within ${options.timeoutMs} ms`)),
    );
    this.sendWaiting();
    return (error) => this.#settle(item, error);
  }

  /** Sends what may be sent now. Call it when a connection is ready. */
  sendWaiting(): void {
    const connection = this.#engine.ready();
    if (!connection) return;
    if (this.#resting.has("")) return;
    for (const [name, queue] of this.#queues) {
      if (this.#inFlight >= IN_FLIGHT_MAX) return;
      if (!this.#resting.has(name) && !queue.some(({ sent }) => sent))
        this.#sendBatch(connection, queue);
    }
  }

  endAll(error: HoldfastError): void {
    for (const queue of [...this.#queues.values()])
      for (const item of [...queue]) this.#settle(item, error);
  }

  #item(
    channel: string,
    data: unknown,
    options: PublishOptions,
    done: PublishDone,
  ): Item | HoldfastError {
    if (this.#engine.final) return this.#engine.final;
    const act = `publish to ${channel}`;
    const id = this.#engine.nextId();
    const idem = options.idempotencyKey ?? `${this.#prefix}-${++this.#number}`;
    let encoded: Encoded;
    try {
      encoded = this.#engine.codec.encode({
        ...defined({ k: options.key }),
        t: "publish",
        id,
        ch: channel,
        idem,
        data,
      });
    } catch (cause) {
      return dataError(cause);
    }
    const bytes = byteLength(encoded);
    const { countMax, bytesMax } = this.#limits;
    if (this.#count >= countMax || this.#bytes + bytes > bytesMax) {
      const found = `${this.#count} publishes of ${this.#bytes} bytes wait`;
      return cannot(
        "queue_full",
        act,
        `${found}, expected at most ${countMax} of ${bytesMax} bytes`,
      );
    }
    const queue = options.ordered ? channel : `${channel}\n${id}`;
    return {
      id,
      act,
      queue,
      encoded,
      bytes,
      done,
      firstSentMs: undefined,
      sent: false,
      settled: false,
      tries: 0,
      cancelTimer: () => {},
    };
  }

  #sendBatch(connection: Connection, queue: readonly Item[]): void {
    const nowMs = this.#engine.nowMs();
    let bytes = 0;
    const countMax = Math.min(this.#batchMax, IN_FLIGHT_MAX - this.#inFlight);
    for (const item of queue.slice(0, countMax)) {
      if (bytes > 0 && bytes + item.bytes > connection.messageBytesMax) return;
      if (item.bytes > connection.messageBytesMax) {
        this.#settle(item, tooLarge(item.act, item.bytes, connection.messageBytesMax));
        continue;
      }
      if (item.firstSentMs !== undefined && nowMs - item.firstSentMs > REPEAT_WITHIN_MS) {
        this.#settle(item, cannot("connection_lost", item.act, "sent too long ago"));
        continue;
      }
      bytes += item.bytes;
      const isFirst = item.firstSentMs === undefined;
      item.firstSentMs ??= nowMs;
      item.sent = true;
      this.#inFlight++;
      connection.requestEncoded(item.id, item.encoded, (answer) =>
        this.#onAnswer(item, answer, isFirst),
      );
    }
    // All of them were given up, so no answer will come that sends the next ones.
    if (!bytes && queue.length) this.#sendBatch(connection, queue);
  }

  #onAnswer(item: Item, answer: Answer | undefined, isFirst: boolean): void {
    item.sent = false;
    this.#inFlight--;
    if (item.settled) this.#tidy(item);
    else if (answer?.t === "published") {
      if (this.#batchMax < BATCH_MAX) this.#goBehindOthers(item.queue);
      this.#settle(item, {
        position: { epoch: answer.e, offset: answer.o },
        duplicate: answer.dup === true,
      });
    } else if (answer?.t === "err") this.#onRefused(item, errorFromWire(answer), isFirst);
    this.sendWaiting();
  }

  /** At the rate limit the queues take turns: the one that got through goes behind the others. */
  #goBehindOthers(name: string): void {
    this.#batchMax++;
    const queue = this.#queues.get(name) ?? [];
    this.#queues.delete(name);
    this.#queues.set(name, queue);
  }

  #onRefused(item: Item, error: HoldfastError, isFirst: boolean): void {
    if (error.retry !== "backoff") {
      this.#settle(item, error);
      return;
    }
    if (error.code === "rate_limited") {
      // The limit is the connection's: everything rests until there is room, and the node did not
      // take this one.
      if (isFirst) item.firstSentMs = undefined;
      this.#batchMax = 1;
      this.#rest("", (error.retryAfterMs ?? REST_MS) * (1 + this.#engine.chance()));
    } else {
      const delayMs = requestDelayMs(item.tries++, error.retryAfterMs, this.#engine.chance());
      this.#rest(item.queue, delayMs);
    }
  }

  #rest(name: string, delayMs: number): void {
    if (this.#resting.has(name)) return;
    this.#resting.add(name);
    this.#engine.after(delayMs, () => {
      this.#resting.delete(name);
      this.sendWaiting();
    });
  }

  #settle(item: Item, result: Parameters<PublishDone>[0]): void {
    if (item.settled) return;
    item.settled = true;
    item.cancelTimer();
    this.#count--;
    this.#bytes -= item.bytes;
    if (!item.sent) this.#tidy(item);
    item.done(result);
  }

  /**
   * Takes an item out of its queue. One that was given up while in flight stays until its answer,
   * so that nothing overtakes it.
   */
  #tidy(item: Item): void {
    const queue = this.#queues.get(item.queue);
    if (!queue?.includes(item)) return;
    queue.splice(queue.indexOf(item), 1);
    if (queue.length > 0) return;
    this.#queues.delete(item.queue);
    this.#resting.delete(item.queue);
  }
}
