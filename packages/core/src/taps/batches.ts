// Owns: handing a tap's events to its consumer: in batches bounded by bytes and time, one at a
// time, each again until it is done.

import type { GapReason, Position, PubEntry } from "@holdfast/protocol";
import { backoffMs } from "../backoff.ts";
import type { Clock, Random } from "../ports.ts";

/** `position` is where a consumer goes on that has dealt with the event. */
export type TapEvent =
  | { readonly kind: "publication"; readonly position: Position; readonly entry: PubEntry }
  /** Publications `from` to `to` will not be seen. `to` null: nobody knows how many. */
  | {
      readonly kind: "gap";
      readonly position: Position;
      readonly from: number;
      readonly to: number | null;
      readonly reason: GapReason;
    };

export interface TapBatch {
  /** At least one, in the channel's order. */
  readonly events: readonly TapEvent[];
  /** Where to go on behind the batch: keep it together with what the batch led to. */
  readonly next: Position;
  /** From 1. Above 1: an earlier attempt failed, or its answer came too late. */
  readonly attempt: number;
}

export interface TapConsumer {
  /**
   * Resolves when the batch is dealt with. The same batch comes again when it rejects, or does not
   * settle within `handleMsMax`; an answer after that is ignored.
   */
  handle(batch: TapBatch): Promise<void>;
  /** An attempt failed; for a log and a metric. `late`: it did not settle in time. */
  failed?(why: "rejected" | "late", attempt: number, error: unknown): void;
}

export interface BatchLimits {
  /** A batch of at least this many bytes is handed over at once. */
  readonly batchBytesMax: number;
  /** How long an event waits at most for others to come with it. */
  readonly batchWaitMs: number;
  /** Bytes that wait for the consumer at most, the batch that it has included. */
  readonly bufferBytesMax: number;
  /** How long the consumer may take for one batch. */
  readonly handleMsMax: number;
}

interface Held {
  readonly event: TapEvent;
  readonly bytes: number;
}

export class Batches {
  readonly #parts: { readonly clock: Clock; readonly random: Pick<Random, "next"> };
  readonly #options: BatchLimits & { readonly consumer: TapConsumer };
  readonly #onRoom: () => void;
  #held: Held[] = [];
  #bytes = 0;
  #inHand = false;
  #closed = false;
  #cancel: (() => void) | undefined;

  constructor(
    parts: { readonly clock: Clock; readonly random: Pick<Random, "next"> },
    options: BatchLimits & { readonly consumer: TapConsumer },
    onRoom: () => void,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#onRoom = onRoom;
  }

  /** Of everything that is not dealt with. */
  get bytes(): number {
    return this.#bytes;
  }

  add(event: TapEvent, bytes: number): void {
    this.#held.push({ event, bytes });
    this.#bytes += bytes;
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#held = [];
    this.#bytes = 0;
  }

  #schedule(): void {
    if (this.#inHand || this.#held.length === 0) return;
    const { batchBytesMax, batchWaitMs } = this.#options;
    if (this.#bytes >= batchBytesMax) {
      this.#cancel?.();
      this.#cancel = undefined;
      this.#inHand = true;
      // Not within the hub's own turn: the consumer's code runs behind it.
      this.#parts.clock.defer(() => this.#hand());
    } else
      this.#cancel ??= this.#parts.clock.after(batchWaitMs, () => {
        this.#cancel = undefined;
        this.#inHand = true;
        this.#hand();
      });
  }

  #hand(): void {
    if (this.#closed) return;
    const events: TapEvent[] = [];
    let bytes = 0;
    for (const held of this.#held) {
      events.push(held.event);
      bytes += held.bytes;
      if (bytes >= this.#options.batchBytesMax) break;
    }
    const { position: next } = events.at(-1) as TapEvent;
    this.#attempt({ events, next, attempt: 1 }, bytes);
  }

  #attempt(batch: TapBatch, bytes: number): void {
    const { consumer, handleMsMax } = this.#options;
    let settled = false;
    const settle = (then: () => void): void => {
      if (settled) return;
      settled = true;
      cancel();
      if (!this.#closed) then();
    };
    const fail = (why: "rejected" | "late", error?: unknown): void =>
      settle(() => {
        consumer.failed?.(why, batch.attempt, error);
        this.#again(batch, bytes);
      });
    const cancel = this.#parts.clock.after(handleMsMax, () => fail("late"));
    const handle = async (): Promise<void> => consumer.handle(batch);
    handle().then(
      () => settle(() => this.#done(batch, bytes)),
      (error: unknown) => fail("rejected", error),
    );
  }

  #again(batch: TapBatch, bytes: number): void {
    const { clock, random } = this.#parts;
    this.#cancel = clock.after(backoffMs(batch.attempt - 1, random), () => {
      this.#cancel = undefined;
      this.#attempt({ ...batch, attempt: batch.attempt + 1 }, bytes);
    });
  }

  #done(batch: TapBatch, bytes: number): void {
    this.#held.splice(0, batch.events.length);
    this.#bytes -= bytes;
    this.#inHand = false;
    this.#onRoom();
    this.#schedule();
  }
}
