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

/** What an event takes besides its data, roughly. */
export const EVENT_BYTES = 160;

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
  /** Events of the batch that the consumer has, the first ones of `#held`; 0: it has none. */
  #inHand = 0;
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

  /** Behind it lies everything that is not dealt with; undefined: nothing is held. */
  get dealt(): Position | undefined {
    const first = this.#held[0]?.event;
    if (first === undefined) return undefined;
    const { epoch, offset } = first.position;
    if (first.kind === "publication") return { epoch, offset: offset - 1 };
    return { epoch, offset: first.reason === "epoch" ? 0 : first.from - 1 };
  }

  add(event: TapEvent, bytes: number): void {
    this.#held.push({ event, bytes });
    this.#bytes += bytes;
    this.#schedule();
  }

  /**
   * Nothing up to here may be handed over any more: a gap stands for it. The consumer may have it
   * already; it does not get it again.
   */
  removed({ epoch, offset }: Position): void {
    const isRemoved = ({ event: { kind, position } }: Held): boolean =>
      kind === "publication" && position.epoch === epoch && position.offset <= offset;
    if (!this.#held.some(isRemoved)) return;
    const inHand = withGaps(this.#held.slice(0, this.#inHand), isRemoved);
    this.#held = [...inHand, ...withGaps(this.#held.slice(this.#inHand), isRemoved)];
    this.#inHand = inHand.length;
    this.#bytes = sizeOf(this.#held);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#held = [];
    this.#bytes = 0;
  }

  #schedule(): void {
    if (this.#inHand > 0 || this.#held.length === 0) return;
    const { batchBytesMax, batchWaitMs } = this.#options;
    if (this.#bytes >= batchBytesMax) {
      this.#cancel?.();
      this.#cancel = undefined;
      this.#take();
      // Not within the hub's own turn: the consumer's code runs behind it.
      this.#parts.clock.defer(() => this.#attempt(1));
    } else
      this.#cancel ??= this.#parts.clock.after(batchWaitMs, () => {
        this.#cancel = undefined;
        this.#take();
        this.#attempt(1);
      });
  }

  /** The next batch: at least one event, and as many as fit. */
  #take(): void {
    let bytes = 0;
    this.#inHand =
      this.#held.findIndex((held) => {
        bytes += held.bytes;
        return bytes >= this.#options.batchBytesMax;
      }) + 1 || this.#held.length;
  }

  #attempt(attempt: number): void {
    // Made anew for each attempt: something may have been removed meanwhile.
    const events = this.#held.slice(0, this.#inHand).map(({ event }) => event);
    const next = events.at(-1)?.position;
    // Closed meanwhile.
    if (next === undefined) return;
    const { consumer, handleMsMax } = this.#options;
    const batch: TapBatch = { events, next, attempt };
    let settled = false;
    const settle = (then: () => void): void => {
      if (settled) return;
      settled = true;
      cancel();
      if (!this.#closed) then();
    };
    const fail = (why: "rejected" | "late", error?: unknown): void =>
      settle(() => {
        consumer.failed?.(why, attempt, error);
        this.#again(attempt);
      });
    const cancel = this.#parts.clock.after(handleMsMax, () => fail("late"));
    const handle = async (): Promise<void> => consumer.handle(batch);
    handle().then(
      () => settle(() => this.#done()),
      (error: unknown) => fail("rejected", error),
    );
  }

  #again(attempt: number): void {
    const { clock, random } = this.#parts;
    this.#cancel = clock.after(backoffMs(attempt - 1, random), () => {
      this.#cancel = undefined;
      this.#attempt(attempt + 1);
    });
  }

  #done(): void {
    this.#bytes -= sizeOf(this.#held.splice(0, this.#inHand));
    this.#inHand = 0;
    this.#onRoom();
    this.#schedule();
  }
}

const sizeOf = (held: readonly Held[]): number => held.reduce((sum, { bytes }) => sum + bytes, 0);

/** The same, but each run of removed publications is one gap. */
function withGaps(held: readonly Held[], isRemoved: (held: Held) => boolean): Held[] {
  const kept: Held[] = [];
  let run: number | undefined;
  for (const [index, one] of held.entries()) {
    if (!isRemoved(one)) {
      kept.push(one);
      continue;
    }
    const { position } = one.event;
    run ??= position.offset;
    const next = held[index + 1];
    if (next !== undefined && isRemoved(next)) continue;
    const gap = {
      kind: "gap",
      position,
      from: run,
      to: position.offset,
      reason: "history",
    } as const;
    kept.push({ event: gap, bytes: EVENT_BYTES });
    run = undefined;
  }
  return kept;
}
