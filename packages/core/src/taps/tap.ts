// Owns: a consumer of a channel that is no connection: it reads from a cursor, at least once, in
// order, and holds no more than it was given room for.

import type { ChannelRules } from "@holdfast/contract";
import type { GapReason, Position, PubEntry, ServerFrame } from "@holdfast/protocol";
import { payloadBytes } from "@holdfast/protocol";
import { backoffMs } from "../backoff.ts";
import { type CatchUpNeeds, feed, findStart, pump, type Start } from "../channel/catch-up.ts";
import type { ChannelHub } from "../channel/channel-hub.ts";
import { type Receiver, Subscription } from "../channel/subscription.ts";
import { BrokerError, type Clock, type Random } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import { Batches, type BatchLimits, type TapConsumer, type TapEvent } from "./batches.ts";

/** What a tap needs of the node. */
export interface TapNeeds {
  readonly clock: Clock;
  readonly random: Pick<Random, "next">;
  readonly hubs: { acquire(rules: ChannelRules): ChannelHub; release(hub: ChannelHub): void };
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

/** Epochs that may begin while the beginning is looked for. */
const FIND_MAX = 3;
/** What a publication takes besides its data, roughly. */
const EVENT_BYTES = 160;

/**
 * Every publication behind the cursor is handed over at least once and in offset order, or a gap is
 * declared before anything newer. That holds when the broker is lost and found, when its stream
 * begins anew, and when the consumer is slow or fails: then the position waits in the channel's
 * history. At most `bufferBytesMax` and one chunk of `flow.chunkBytes` are held.
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
  #hub: ChannelHub | undefined;
  #subscription: Subscription | undefined;
  /** Position of the last event that was taken into the buffer. */
  #last: Position | undefined;
  /** Publications passed by while the buffer was full: they are read again from `#last`. */
  #missed = false;
  #waiting: (() => void)[] = [];
  #cancelRetry: () => void = () => {};

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

  /** Nothing is handed over any more; a batch that is being handled may still be. */
  close(): void {
    if (this.phase === "ended") return;
    this.phase = "ended";
    this.#cancelRetry();
    this.#batches.close();
    if (this.#subscription !== undefined) this.#hub?.remove(this.#subscription);
    if (this.#hub !== undefined) this.#parts.hubs.release(this.#hub);
    for (const then of this.#waiting.splice(0)) then();
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

  whenRoom(then: () => void): void {
    if (this.lagging && this.phase === "open") this.#waiting.push(then);
    else then();
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
      const start = await this.#find(hub, from);
      if (this.phase === "ended") return hubs.release(hub);
      const subscription = new Subscription(this, hub);
      subscription.cursor = start.cursor;
      this.#hub = hub;
      this.#subscription = subscription;
      hub.add(subscription);
      this.#last = { epoch: hub.epoch, offset: start.cursor };
      if (start.gap !== undefined) this.#gap(start.gap);
      if (start.page?.epoch === hub.epoch) feed(subscription, start.page, hubPorts);
      pump(subscription, hubPorts);
    } catch {
      hubs.release(hub);
      // The broker is out of reach, or this node has yet to hear of a new epoch.
      this.#again(from, attempt);
    }
  }

  /** Where to begin, in the epoch that the hub has when it is known. */
  async #find(hub: ChannelHub, from: TapOptions["from"]): Promise<Start> {
    for (let attempt = 0; attempt < FIND_MAX; attempt++) {
      const { epoch } = hub;
      const pos = from === "oldest" ? { epoch, offset: 0 } : from;
      const start = await findStart(hub, pos === undefined ? {} : { pos });
      if (hub.epoch === epoch) return start;
    }
    throw new BrokerError("unavailable", `the stream of "${hub.channel}" begins anew all the time`);
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
    const hub = this.#hub;
    if (hub === undefined || this.#missed) return;
    const bytes = payloadBytes(entry.data) + EVENT_BYTES;
    // While it catches up the hub waits for room by itself, chunk by chunk.
    if (this.#subscription?.state === "live" && this.lagging) return this.#miss();
    this.#take(
      { kind: "publication", position: { epoch: hub.epoch, offset: entry.o }, entry },
      bytes,
    );
  }

  #gap({ from, to, reason, pos }: GapOf): void {
    // What was passed by is read again; there the gap is found, too. Not so in a new epoch.
    if (this.#missed && reason !== "epoch") return;
    const since = this.#missed && this.#last !== undefined ? this.#last.offset + 1 : from;
    this.#missed = false;
    this.#take({ kind: "gap", position: pos, from: since, to, reason }, EVENT_BYTES);
  }

  #take(event: TapEvent, bytes: number): void {
    this.#last = event.position;
    this.#batches.add(event, bytes);
    if (this.#batches.bytes >= this.#bufferBytesMax) this.lagging = true;
  }

  /** The buffer is full. Not now: the hub is in the middle of handing over to others. */
  #miss(): void {
    this.#missed = true;
    this.#parts.clock.defer(() => {
      const [hub, subscription] = [this.#hub, this.#subscription];
      if (!this.#missed || subscription?.state !== "live" || hub === undefined) return;
      hub.demote(subscription);
      subscription.cursor = this.#last?.offset ?? subscription.cursor;
      this.#missed = false;
      this.#room();
    });
  }

  #room(): void {
    if (!this.lagging || this.phase === "ended") return;
    if (this.#batches.bytes * 2 > this.#bufferBytesMax) return;
    this.lagging = false;
    for (const then of this.#waiting.splice(0)) then();
    if (this.#subscription?.state === "lagging") pump(this.#subscription, this.#parts.hubPorts);
  }
}

interface GapOf {
  readonly from: number;
  readonly to: number | null;
  readonly reason: GapReason;
  readonly pos: Position;
}
