// Owns: a consumer of a channel that is no connection: it reads from a cursor, at least once, in
// order, and holds no more than it was given room for.

import type { ChannelRules } from "@holdfast/contract";
import type { GapReason, Position, PubEntry, ServerFrame } from "@holdfast/protocol";
import { payloadBytes } from "@holdfast/protocol";
import { backoffMs } from "../backoff.ts";
import { type CatchUpNeeds, findStart, pump } from "../channel/catch-up.ts";
import type { ChannelHub } from "../channel/channel-hub.ts";
import { type Receiver, Subscription } from "../channel/subscription.ts";
import type { Clock, Random } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import {
  Batches,
  type BatchLimits,
  EVENT_BYTES,
  type TapConsumer,
  type TapEvent,
} from "./batches.ts";

/** What a tap needs of the node. */
export interface TapNeeds {
  readonly clock: Clock;
  readonly random: Pick<Random, "next">;
  readonly hubs: {
    acquire(rules: ChannelRules): ChannelHub;
    release(hub: { readonly channel: string }): void;
  };
  readonly hubPorts: CatchUpNeeds;
}

export interface TapOptions extends BatchLimits {
  /**
   * The position behind which to begin: `next` of the last batch that the consumer kept, or
   * `oldest`: everything that the channel still has. Absent: what comes from now on.
   */
  readonly from?: Position | "oldest";
  readonly consumer: TapConsumer;
}

/**
 * Every publication behind the cursor is handed over at least once and in offset order, or a gap is
 * declared before anything newer. That holds when the broker is lost and found, when its stream
 * begins anew, and when the consumer is slow or fails: then the position waits in the channel's
 * history. At most `bufferBytesMax` and one chunk of `flow.chunkBytes` are held. What an operator
 * removes from the history is not handed over any more: a gap stands for it.
 */
export class Tap implements Receiver {
  readonly codecNumber = OWN;
  readonly codec = { encode: (): string => "" };
  readonly link = { join: (): void => {}, leave: (): void => {} };
  phase: "open" | "ended" = "open";
  lagging = false;
  readonly #parts: TapNeeds;
  readonly #rules: ChannelRules;
  readonly #batches: Batches;
  readonly #onClosed: () => void;
  readonly #bufferBytesMax: number;
  #subscription: Subscription | undefined;
  /** Offset of the last event that was taken into the buffer. */
  #taken = 0;
  /** Publications passed by while the buffer was full: they are read again behind `#taken`. */
  #missed = false;
  #cancelRetry: () => void = () => {};
  #unhear: () => void = () => {};

  constructor(
    parts: TapNeeds,
    rules: ChannelRules,
    options: TapOptions & { readonly onClosed?: () => void },
  ) {
    this.#parts = parts;
    this.#onClosed = options.onClosed ?? (() => {});
    this.#rules = rules;
    this.#bufferBytesMax = options.bufferBytesMax;
    this.#batches = new Batches(parts, options, () => this.#room());
    void this.#begin(options.from, 0);
  }

  charge(): void {}

  /** Bytes held, as they are counted. */
  get bufferedBytes(): number {
    return this.#batches.bytes;
  }

  /** Offsets between what the consumer has dealt with and the newest that this node passed on. */
  get lag(): number {
    if (this.#subscription === undefined) return 0;
    const { hub, state, cursor } = this.#subscription;
    const dealt = this.#batches.dealt ?? {
      epoch: hub.epoch,
      offset: state === "live" ? hub.passed : cursor,
    };
    return Math.max(0, hub.passed - (dealt.epoch === hub.epoch ? dealt.offset : 0));
  }

  /** Nothing is handed over any more; a batch that is being handled may still be. */
  close(): void {
    if (this.phase === "ended") return;
    this.phase = "ended";
    this.#cancelRetry();
    this.#unhear();
    this.#batches.close();
    if (this.#subscription !== undefined) {
      const { hub } = this.#subscription;
      hub.remove(this.#subscription);
      this.#parts.hubs.release(hub);
    }
    this.#onClosed();
  }

  // ---- as the channel's hub sees it ----

  push(frame: ServerFrame): void {
    if (frame.t === "gap") this.#gap(frame);
    else if (frame.t === "pub") this.#publication(frame);
  }

  send(frame: ServerFrame): void {
    this.push(frame);
  }

  /** A receiver with a codec of its own is given frames. */
  enqueue(): void {}
  answer(): void {}
  flush(): void {}
  checkPressure(): void {}

  /** Room is `lagging` alone, which is looked at before anything is sent. */
  whenRoom(then: () => void): void {
    then();
  }

  reserve(): () => void {
    return () => {};
  }

  // ---- beginning ----

  async #begin(from: TapOptions["from"], attempt: number): Promise<void> {
    const { hubs, hubPorts } = this.#parts;
    const hub = hubs.acquire(this.#rules);
    try {
      await hub.opened;
      const pos = from === "oldest" ? { epoch: hub.epoch, offset: 0 } : from;
      const start = await findStart(hub, pos === undefined ? {} : { pos });
      if (this.phase === "ended") return hubs.release(hub);
      const subscription = new Subscription(this, hub);
      subscription.cursor = start.cursor;
      this.#subscription = subscription;
      hub.add(subscription);
      this.#unhear = hub.hearRemovals((offset, epoch) => this.#batches.removed({ epoch, offset }));
      if (start.gap !== undefined) this.#gap(start.gap);
      pump(subscription, hubPorts);
    } catch {
      hubs.release(hub);
      // The broker is out of reach, or this node has yet to hear of a new epoch.
      this.#again(from, attempt);
    }
  }

  #again(from: TapOptions["from"], attempt: number): void {
    if (this.phase === "ended") return;
    const { clock, random } = this.#parts;
    this.#cancelRetry = clock.after(
      backoffMs(attempt, random),
      () => void this.#begin(from, attempt + 1),
    );
  }

  // ---- events ----

  #publication(entry: PubEntry): void {
    const subscription = this.#subscription;
    if (subscription === undefined || this.#missed) return;
    // While it catches up the hub waits for room by itself, chunk by chunk.
    if (subscription.state === "live" && this.lagging) return this.#miss(subscription);
    const position = { epoch: subscription.hub.epoch, offset: entry.o };
    this.#take({ kind: "publication", position, entry }, payloadBytes(entry.data) + EVENT_BYTES);
  }

  #gap({ from, to, reason, pos }: GapOf): void {
    // What was passed by is read again; there the gap is found, too. Not so in a new epoch.
    if (this.#missed && reason !== "epoch") return;
    const since = this.#missed ? this.#taken + 1 : from;
    this.#take({ kind: "gap", position: pos, from: since, to, reason }, EVENT_BYTES);
  }

  #take(event: TapEvent, bytes: number): void {
    this.#taken = event.position.offset;
    this.#batches.add(event, bytes);
    if (this.#batches.bytes >= this.#bufferBytesMax) this.lagging = true;
  }

  /** The buffer is full. Not now: the hub is in the middle of handing over to others. */
  #miss(subscription: Subscription): void {
    this.#missed = true;
    this.#parts.clock.defer(() => {
      this.#missed = false;
      if (subscription.state !== "live") return;
      subscription.hub.demote(subscription);
      subscription.cursor = this.#taken;
      // There may be room again by now.
      pump(subscription, this.#parts.hubPorts);
    });
  }

  #room(): void {
    if (!this.lagging || this.#batches.bytes * 2 > this.#bufferBytesMax) return;
    this.lagging = false;
    if (this.#subscription !== undefined) pump(this.#subscription, this.#parts.hubPorts);
  }
}

interface GapOf {
  readonly from: number;
  readonly to: number | null;
  readonly reason: GapReason;
  readonly pos: Position;
}
