// Owns: publishes from the call to the acknowledgement: order in each channel, repeats with one
// idempotency key, the bounded queue (H3).
import type { Encoded, Position } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { errorFromWire, HoldfastError } from "./errors.ts";
import { type Answer, byteLength, defined, type Host } from "./host.ts";

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

export interface PublishOptions {
  /** Only in `latest` channels: what this publication replaces. */
  readonly key?: string;
  /** Replaces the key that the client makes; at most 128 characters. */
  readonly idempotencyKey?: string;
  readonly timeoutMs: number;
  /** False: neither waits for earlier publishes of the channel nor keeps later ones waiting. */
  readonly ordered: boolean;
}

export type PublishDone = (
  result: { readonly position: Position; readonly duplicate: boolean } | HoldfastError,
) => void;

interface Item {
  readonly id: number;
  readonly channel: string;
  readonly lane: string;
  readonly encoded: Encoded;
  readonly bytes: number;
  readonly done: PublishDone;
  /**
   * When it was sent for the first time without being refused for its rate: the broker may have it
   * since.
   */
  firstSentMs: number | undefined;
  firstTry: boolean;
  sent: boolean;
  settled: boolean;
  tries: number;
  cancelTimer: () => void;
}

/** Publishes that are not settled, by lane: a channel, or one publish that needs no order. */
export class Publisher {
  readonly #host: Host;
  readonly #limits: { readonly countMax: number; readonly bytesMax: number };
  readonly #prefix: string;
  readonly #lanes = new Map<string, Item[]>();
  readonly #notBefore = new Map<string, number>();
  #number = 0;
  #count = 0;
  #bytes = 0;
  #inFlight = 0;
  #restUntilMs = 0;
  /**
   * One after a refusal for the rate, and one more for each publish that is taken: what is over the
   * rate is hardly sent.
   */
  #batchMax = BATCH_MAX;
  #wake: { readonly atMs: number; readonly cancel: () => void } | undefined;

  constructor(host: Host, limits: { readonly countMax: number; readonly bytesMax: number }) {
    this.#host = host;
    this.#limits = limits;
    const part = () => Math.floor(host.environment.random.next() * 2 ** 32).toString(36);
    this.#prefix = `${part()}${part()}${part()}${part()}`;
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
    const lane = this.#lanes.get(item.lane);
    if (lane) lane.push(item);
    else this.#lanes.set(item.lane, [item]);
    item.cancelTimer = this.#host.environment.clock.after(options.timeoutMs, () =>
      this.#settle(
        item,
        new HoldfastError(
          "timeout",
          `Cannot publish to ${channel}: not acknowledged within ${options.timeoutMs} ms`,
        ),
      ),
    );
    this.pump();
    return (error) => this.#settle(item, error);
  }

  /** Sends what may be sent now. Call it when a connection is ready. */
  pump(): void {
    const connection = this.#host.ready();
    if (!connection) return;
    const nowMs = this.#host.environment.clock.nowMs();
    if (this.#restUntilMs > nowMs) {
      this.#wakeAt(this.#restUntilMs);
      return;
    }
    for (const [name, lane] of this.#lanes) {
      if (this.#inFlight >= IN_FLIGHT_MAX) return;
      const notBeforeMs = this.#notBefore.get(name) ?? 0;
      if (notBeforeMs > nowMs) this.#wakeAt(notBeforeMs);
      else if (!lane.some(({ sent }) => sent)) this.#sendBatch(connection, lane, nowMs);
    }
  }

  endAll(error: HoldfastError): void {
    for (const lane of [...this.#lanes.values()])
      for (const item of [...lane]) this.#settle(item, error);
    this.#wake?.cancel();
    this.#wake = undefined;
  }

  #item(
    channel: string,
    data: unknown,
    options: PublishOptions,
    done: PublishDone,
  ): Item | HoldfastError {
    if (this.#host.final) return this.#host.final;
    const id = this.#host.nextId();
    const idem = options.idempotencyKey ?? `${this.#prefix}-${++this.#number}`;
    let encoded: Encoded;
    try {
      encoded = this.#host.codec.encode({
        ...defined({ k: options.key }),
        t: "publish",
        id,
        ch: channel,
        idem,
        data,
      });
    } catch (cause) {
      return new HoldfastError(
        "payload_invalid",
        `Cannot publish to ${channel}: the data cannot be encoded`,
        { cause },
      );
    }
    const bytes = byteLength(encoded);
    const { countMax, bytesMax } = this.#limits;
    if (this.#count >= countMax || this.#bytes + bytes > bytesMax) {
      const found = `${this.#count} publishes of ${this.#bytes} bytes wait`;
      return new HoldfastError(
        "queue_full",
        `Cannot publish to ${channel}: ${found}, expected at most ${countMax} of ${bytesMax} bytes`,
      );
    }
    const lane = options.ordered ? channel : `${channel}\n${id}`;
    const fresh = {
      firstSentMs: undefined,
      firstTry: true,
      sent: false,
      settled: false,
      tries: 0,
      cancelTimer: () => {},
    };
    return { id, channel, lane, encoded, bytes, done, ...fresh };
  }

  #sendBatch(connection: Connection, lane: readonly Item[], nowMs: number): void {
    let bytes = 0;
    for (const item of lane.slice(0, this.#batchMax)) {
      if (
        this.#inFlight >= IN_FLIGHT_MAX ||
        (bytes > 0 && bytes + item.bytes > connection.messageBytesMax)
      )
        return;
      if (item.bytes > connection.messageBytesMax) {
        const found = `${item.bytes} bytes, expected at most ${connection.messageBytesMax}`;
        this.#settle(
          item,
          new HoldfastError("payload_too_large", `Cannot publish to ${item.channel}: ${found}`),
        );
        continue;
      }
      if (item.firstSentMs !== undefined && nowMs - item.firstSentMs > REPEAT_WITHIN_MS) {
        const text = `Cannot publish to ${item.channel} again: it was sent too long ago`;
        this.#settle(item, new HoldfastError("connection_lost", text));
        continue;
      }
      bytes += item.bytes;
      item.firstTry = item.firstSentMs === undefined;
      item.firstSentMs ??= nowMs;
      item.sent = true;
      this.#inFlight++;
      connection.requestEncoded(item.id, item.encoded, (answer) => this.#onAnswer(item, answer));
    }
  }

  #onAnswer(item: Item, answer: Answer | undefined): void {
    item.sent = false;
    this.#inFlight--;
    if (item.settled) this.#tidy(item);
    else if (answer?.t === "published") {
      if (this.#batchMax < BATCH_MAX) this.#takeTurns(item.lane);
      this.#settle(item, {
        position: { epoch: answer.e, offset: answer.o },
        duplicate: answer.dup === true,
      });
    } else if (answer?.t === "err") this.#onRefused(item, errorFromWire(answer));
    this.pump();
  }

  /** At the rate limit the lanes take turns: the one that got through goes behind the others. */
  #takeTurns(name: string): void {
    this.#batchMax++;
    const lane = this.#lanes.get(name);
    if (!lane) return;
    this.#lanes.delete(name);
    this.#lanes.set(name, lane);
  }

  #onRefused(item: Item, error: HoldfastError): void {
    if (error.retry !== "backoff") {
      this.#settle(item, error);
      return;
    }
    const { clock, random } = this.#host.environment;
    if (error.code === "rate_limited") {
      // The limit is the connection's: everything rests until there is room, and the node did not
      // take this one.
      if (item.firstTry) item.firstSentMs = undefined;
      this.#batchMax = 1;
      const restMs = (error.retryAfterMs ?? REST_MS) * (1 + random.next());
      this.#restUntilMs = Math.max(this.#restUntilMs, clock.nowMs() + restMs);
      return;
    }
    const atMs = clock.nowMs() + requestDelayMs(item.tries++, error.retryAfterMs, random.next());
    this.#notBefore.set(item.lane, Math.max(this.#notBefore.get(item.lane) ?? 0, atMs));
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
   * Takes an item out of its lane. One that was given up while in flight stays until its answer, so
   * that nothing overtakes it.
   */
  #tidy(item: Item): void {
    const lane = this.#lanes.get(item.lane);
    const place = lane?.indexOf(item) ?? -1;
    if (!lane || place < 0) return;
    lane.splice(place, 1);
    if (lane.length > 0) return;
    this.#lanes.delete(item.lane);
    this.#notBefore.delete(item.lane);
  }

  #wakeAt(atMs: number): void {
    if (this.#wake && this.#wake.atMs <= atMs) return;
    this.#wake?.cancel();
    const { clock } = this.#host.environment;
    const cancel = clock.after(atMs - clock.nowMs(), () => {
      this.#wake = undefined;
      this.pump();
    });
    this.#wake = { atMs, cancel };
  }
}
