// Owns: the way from a partition's results into one sink: a bounded queue, batches by count, bytes
// and time, repeats, refusals, the end.
import type { Clock } from "@holdfast/core";
import {
  type Sink,
  type SinkBatch,
  type SinkBatching,
  SinkError,
  type SinkErrorCode,
  type SinkRecord,
} from "../sink.ts";
import type { SinkBreaker } from "./breaker.ts";

export const BATCHING: Required<SinkBatching> = {
  recordsMax: 500,
  bytesMax: 1024 * 1024,
  waitMs: 0,
};

export interface DeliveryLimits {
  /** Records that wait, those of the batch under way included. At either limit: `isFull`. */
  readonly queuedRecordsMax: number;
  /** Bytes of their values as JSON. */
  readonly queuedBytesMax: number;
  /** How long one `write` may take: `SinkContext.timeoutMs`. */
  readonly timeoutMs: number;
  /** How much longer it may stay unsettled before the sink is closed and opened anew. */
  readonly stuckMs: number;
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  queuedRecordsMax: 10_000,
  queuedBytesMax: 16 * 1024 * 1024,
  timeoutMs: 10_000,
  stuckMs: 5_000,
};

export interface DeliveryFigures {
  /** Records that wait, and their bytes. */
  readonly queued: number;
  readonly queuedBytes: number;
  /** Bytes of the batch that is being written. */
  readonly inFlightBytes: number;
  /** How long the oldest of them has waited, in ms; 0 if none waits. */
  readonly oldestMs: number;
  readonly delivered: number;
  readonly deliveredBytes: number;
  readonly batches: number;
  readonly refused: number;
  /** Attempts that failed. */
  readonly failures: number;
  /** Of the batch under way: 0 while there is none, above 1 while it is repeated. */
  readonly attempt: number;
  readonly lastError: SinkErrorCode | undefined;
}

export interface DeliveryOptions {
  readonly pipeline: string;
  readonly partition: number;
  readonly output: number;
  /** Opens the sink; called again if a `write` never settled. */
  readonly open: () => Sink;
  readonly breaker: SinkBreaker;
  readonly clock: Clock;
  readonly batching?: SinkBatching | undefined;
  readonly limits?: Partial<DeliveryLimits>;
  /** Every record up to this sequence is in the target, or was told as refused. */
  readonly delivered: (sequence: number) => void;
  /** The target will never take it: a dead letter. Told before `delivered`. */
  readonly refused: (record: SinkRecord, reason: string) => void;
  /** A batch failed and comes again after so many ms. */
  readonly failed?: (error: SinkError, againMs: number) => void;
  /** There is room again, after `isFull`. */
  readonly room?: () => void;
  /** It is closed: these are its last figures. */
  readonly closed?: (figures: DeliveryFigures) => void;
  /** The sink broke its port. */
  readonly onBug: (error: unknown) => void;
}

interface Queued {
  readonly record: SinkRecord;
  readonly bytes: number;
  readonly atMs: number;
}

/** Characters of a reason that dead letters and logs get. */
const REASON_MAX = 200;

/**
 * Delivers the records of one output and partition, in their order, at least once. One `write` at a
 * time: a record is never overtaken by a later one, whatever fails. A batch is repeated as it was,
 * without end, after the breaker's pause. While it is repeated the queue fills, and then `isFull`
 * holds back the pipeline.
 */
export class SinkDelivery {
  readonly #options: DeliveryOptions;
  readonly #batching: Required<SinkBatching>;
  readonly #limits: DeliveryLimits;
  readonly #queue: Queued[] = [];
  #queuedBytes = 0;
  /** How many of the queue are in the batch that is under way or repeated. */
  #inBatch = 0;
  #attempt = 0;
  #isWriting = false;
  #sink: Sink | undefined;
  #cancelTimer: (() => void) | undefined;
  #wasFull = false;
  #isClosing = false;
  #isClosed = false;
  /** Calls of `flush` that wait. */
  readonly #waiting = new Set<() => void>();
  readonly #counts = { delivered: 0, deliveredBytes: 0, batches: 0, refused: 0, failures: 0 };
  #lastError: SinkErrorCode | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#batching = { ...BATCHING, ...options.batching };
    this.#limits = { ...DELIVERY_LIMITS, ...options.limits };
  }

  /** Whether the caller should wait for `room`. What is pushed is taken in any case. */
  get isFull(): boolean {
    const { queuedRecordsMax, queuedBytesMax } = this.#limits;
    return this.#queue.length >= queuedRecordsMax || this.#queuedBytes >= queuedBytesMax;
  }

  get figures(): DeliveryFigures {
    const [queued, queuedBytes] = [this.#queue.length, this.#queuedBytes];
    const [attempt, lastError] = [this.#attempt, this.#lastError];
    let inFlightBytes = 0;
    if (this.#isWriting)
      for (const { bytes } of this.#queue.slice(0, this.#inBatch)) inFlightBytes += bytes;
    const [first] = this.#queue;
    const oldestMs = first === undefined ? 0 : this.#options.clock.nowMs() - first.atMs;
    return {
      ...{ queued, queuedBytes, inFlightBytes, oldestMs },
      ...this.#counts,
      ...{ attempt, lastError },
    };
  }

  /** `bytes`: of the value as JSON, which the caller may know already. */
  push(record: SinkRecord, bytes = JSON.stringify(record.value)?.length ?? 0): void {
    if (this.#isClosing) return;
    this.#queue.push({ record, bytes, atMs: this.#options.clock.nowMs() });
    this.#queuedBytes += bytes;
    this.#wasFull ||= this.isFull;
    this.#proceed();
  }

  /** Resolves when nothing waits, or after `withinMs`. Answers whether all is delivered. */
  async flush(withinMs: number): Promise<boolean> {
    if (this.#queue.length > 0) {
      let cancel = (): void => {};
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        cancel = this.#options.clock.after(withinMs, () => {
          this.#waiting.delete(resolve);
          resolve();
        });
        this.#proceed();
      });
      cancel();
    }
    return this.#queue.length === 0;
  }

  /** Takes nothing more, delivers what waits for at most `withinMs`, and closes the sink. */
  async close(withinMs: number): Promise<boolean> {
    this.#isClosing = true;
    const isDone = await this.flush(withinMs);
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#options.breaker.left(this);
    this.#options.closed?.(this.figures);
    const sink = this.#sink;
    this.#sink = undefined;
    await sink?.close();
    return isDone;
  }

  /** Sends the next batch if it is time, or sets the timer for it. */
  #proceed(): void {
    if (this.#isWriting || this.#isClosed || this.#cancelTimer !== undefined) {
      // A timer that waits for more records may be overtaken by a full batch.
      if (this.#attempt > 0 || this.#isWriting || this.#isClosed || !this.#isDue()) return;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    }
    const [first] = this.#queue;
    if (first === undefined) return;
    const { clock, breaker } = this.#options;
    const nowMs = clock.nowMs();
    if (this.#attempt === 0 && !this.#isDue())
      return this.#later(first.atMs + this.#batching.waitMs - nowMs);
    const waitMs = breaker.waitMs(this, nowMs);
    if (waitMs > 0) return this.#later(waitMs);
    if (this.#attempt === 0) this.#inBatch = this.#nextCount();
    this.#attempt += 1;
    void this.#write(this.#queue.slice(0, this.#inBatch).map(({ record }) => record));
  }

  /** At least a whole millisecond: a clock need not have smaller steps. */
  #later(delayMs: number): void {
    this.#cancelTimer = this.#options.clock.after(Math.max(1, Math.ceil(delayMs)), () => {
      this.#cancelTimer = undefined;
      this.#proceed();
    });
  }

  /** Whether what waits makes a batch: it is full, the oldest waited long enough, or the end. */
  #isDue(): boolean {
    const [first] = this.#queue;
    if (first === undefined) return false;
    const { waitMs, recordsMax, bytesMax } = this.#batching;
    if (waitMs <= 0 || this.#isClosing || this.#waiting.size > 0) return true;
    if (this.#queue.length >= recordsMax || this.#queuedBytes >= bytesMax || this.isFull)
      return true;
    return this.#options.clock.nowMs() - first.atMs >= waitMs;
  }

  #nextCount(): number {
    const { recordsMax, bytesMax } = this.#batching;
    let bytes = 0;
    let count = 0;
    for (const queued of this.#queue) {
      if (count > 0 && (count >= recordsMax || bytes + queued.bytes > bytesMax)) break;
      bytes += queued.bytes;
      count += 1;
    }
    return count;
  }

  async #write(records: readonly SinkRecord[]): Promise<void> {
    const { pipeline, partition, output } = this.#options;
    const batch = { pipeline, partition, output, records, attempt: this.#attempt };
    this.#isWriting = true;
    const outcome = await this.#attemptOf(batch);
    this.#isWriting = false;
    if (this.#isClosed) return;
    if (outcome instanceof SinkError) this.#repeat(outcome);
    else this.#settle(records, outcome);
    this.#proceed();
  }

  /** Settles in any case: a sink that is stuck is replaced, so that no two writes overlap in it. */
  async #attemptOf(batch: SinkBatch): Promise<ReadonlyMap<number, string> | SinkError> {
    const { clock, open } = this.#options;
    const { timeoutMs, stuckMs } = this.#limits;
    let cancel = (): void => {};
    const stuck = new Promise<SinkError>((resolve) => {
      cancel = clock.after(timeoutMs + stuckMs, () => {
        const sink = this.#sink;
        this.#sink = undefined;
        void sink?.close();
        resolve(new SinkError("timeout", "the sink did not settle; it was closed"));
      });
    });
    const writing = (async () => {
      try {
        this.#sink ??= open();
        return this.#checked(batch, await this.#sink.write(batch));
      } catch (error) {
        if (error instanceof SinkError) return error;
        this.#options.onBug(error);
        return new SinkError("internal", "the sink failed", { cause: error });
      }
    })();
    try {
      return await Promise.race([writing, stuck]);
    } finally {
      cancel();
    }
  }

  #checked(
    { records }: SinkBatch,
    answer: Awaited<ReturnType<Sink["write"]>>,
  ): ReadonlyMap<number, string> | SinkError {
    const refused = new Map<number, string>();
    for (const { index, reason } of answer?.refused ?? []) {
      if (records[index] === undefined)
        return new SinkError("internal", "it refused nothing of it");
      refused.set(index, reason.slice(0, REASON_MAX));
    }
    return refused;
  }

  #settle(records: readonly SinkRecord[], refused: ReadonlyMap<number, string>): void {
    this.#options.breaker.succeeded(this);
    this.#attempt = 0;
    this.#inBatch = 0;
    this.#lastError = undefined;
    let settledBytes = 0;
    for (const { bytes } of this.#queue.splice(0, records.length)) settledBytes += bytes;
    this.#queuedBytes -= settledBytes;
    this.#counts.batches += 1;
    this.#counts.deliveredBytes += settledBytes;
    this.#counts.refused += refused.size;
    this.#counts.delivered += records.length - refused.size;
    for (const [index, record] of records.entries()) {
      const reason = refused.get(index);
      if (reason !== undefined) this.#options.refused(record, reason);
    }
    const last = records.at(-1);
    if (last !== undefined) this.#options.delivered(last.sequence);
    if (this.#queue.length === 0) this.#wake();
    if (!this.#wasFull || this.isFull) return;
    this.#wasFull = false;
    this.#options.room?.();
  }

  #repeat(error: SinkError): void {
    const { breaker, clock, failed } = this.#options;
    const failure = {
      code: error.code,
      retryMs: error.retryMs,
      attempt: this.#attempt,
      nowMs: clock.nowMs(),
    };
    const againMs = breaker.failed(this, failure);
    this.#counts.failures += 1;
    this.#lastError = error.code;
    failed?.(error, againMs);
    this.#later(againMs);
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
