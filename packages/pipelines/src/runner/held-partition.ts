// Owns: one partition that this node holds: its channels' taps, ticks, lag and retention.
import type { TapBatch } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import type { PipelineDefinition } from "../define/types.ts";
import type { Account } from "../engine/engine.ts";
import type { Partition } from "../partition/partition.ts";
import type { PartitionInput } from "../partition/partition-options.ts";
import type { RunnerPorts, RunnerTap } from "./ports.ts";

/** Channels of one partition at most: each costs a tap. */
export const CHANNELS_MAX = 500;
const BATCH_BYTES = 128 * 1024;
const BATCH_WAIT_MS = 2;
/** Buffers of all taps of a partition. */
const BUFFERS_BYTES = 2 * 1024 * 1024;
const BUFFER_BYTES_MIN = 16 * 1024;
const BUFFER_BYTES_MAX = 512 * 1024;
/** A sink may be away for long: the batch is not given up meanwhile. */
const HANDLE_MS_MAX = 24 * 3_600_000;

interface Reading {
  readonly tap: RunnerTap;
  /** Batches that wait to be taken. */
  waiting: number;
}

/** How far a partition is behind, as it was last looked at. */
export interface Behind {
  /** Publications that it has yet to take. */
  readonly events: number;
  /** Age of the oldest of them. */
  readonly ms: number;
  /** From 1: at the head, to 0: what it reads next is about to be removed. */
  readonly retentionLeft: number;
}

export class HeldPartition {
  readonly partition: Partition;
  readonly base: Account;
  behind: Behind = { events: 0, ms: 0, retentionLeft: 1 };
  /** Channels beyond the limit: they are not read. */
  channelsSkipped = 0;
  readonly #ports: RunnerPorts;
  readonly #name: string;
  readonly #definition: PipelineDefinition;
  readonly #readings = new Map<string, Reading>();
  #isClosed = false;

  constructor(
    ports: RunnerPorts,
    name: string,
    definition: PipelineDefinition,
    partition: Partition,
  ) {
    this.#ports = ports;
    this.#name = name;
    this.#definition = definition;
    this.partition = partition;
    this.base = structuredAccount(partition.figures().account);
  }

  get channels(): number {
    return this.#readings.size;
  }

  /**
   * The channels that belong to it now. `isFirst`: at the partition's begin; a channel that comes
   * later is read from its oldest publication.
   */
  async read(channels: readonly string[], isFirst: boolean): Promise<void> {
    const all = [...new Set([...this.partition.channels, ...channels])].sort();
    this.channelsSkipped = Math.max(0, all.length - CHANNELS_MAX);
    const fresh = all.slice(0, CHANNELS_MAX).filter((channel) => !this.#readings.has(channel));
    const startsNew = isFirst && this.partition.isNew && this.#definition.start === "new";
    for (const channel of fresh) {
      const resolved = this.#ports.resolve(channel);
      if (resolved === undefined) continue;
      let position: Position | undefined;
      if (this.partition.position(channel) === undefined && startsNew) {
        const { epoch, head } = await this.#ports.history(channel, { limit: 1 });
        position = { epoch, offset: head };
      }
      if (this.#isClosed) return;
      this.partition.open(channel, resolved.params, position);
    }
    if (isFirst) this.partition.start();
    const bufferBytesMax = Math.min(
      BUFFER_BYTES_MAX,
      Math.max(BUFFER_BYTES_MIN, Math.floor(BUFFERS_BYTES / Math.max(1, all.length))),
    );
    for (const channel of fresh) this.#tap(channel, bufferBytesMax);
  }

  tick(): void {
    const busy = new Set<string>();
    for (const [channel, { tap, waiting }] of this.#readings)
      if (waiting > 0 || tap.lag > 0 || tap.bufferedBytes > 0) busy.add(channel);
    this.partition.tick(busy);
  }

  /** Asks the broker how long what is to be read next will be kept. */
  async look(): Promise<void> {
    let [events, ms, retentionLeft] = [0, 0, 1];
    for (const [channel, { tap }] of this.#readings) {
      events += tap.lag;
      if (tap.lag === 0) continue;
      const offset = this.partition.position(channel)?.offset ?? 0;
      const page = await this.#ports.history(channel, { limit: 1, after: offset });
      const [next] = page.publications;
      if (next !== undefined) ms = Math.max(ms, this.#ports.clock.wallMs() - next.timeMs);
      const kept = page.head - page.oldest + 1;
      if (kept > 0)
        retentionLeft = Math.min(retentionLeft, Math.max(0, (offset + 1 - page.oldest) / kept));
    }
    this.behind = { events, ms, retentionLeft };
  }

  /** Publications that wait, without asking anybody. */
  lag(): number {
    let lag = 0;
    for (const { tap } of this.#readings.values()) lag += tap.lag;
    return lag;
  }

  close(): void {
    this.#isClosed = true;
    for (const { tap } of this.#readings.values()) tap.close();
    this.#readings.clear();
  }

  #tap(channel: string, bufferBytesMax: number): void {
    if (this.#isClosed || this.#readings.has(channel)) return;
    const from = this.partition.position(channel) ?? "oldest";
    const tap = this.#ports.tap(channel, {
      from,
      batchBytesMax: Math.min(BATCH_BYTES, bufferBytesMax / 2),
      batchWaitMs: BATCH_WAIT_MS,
      bufferBytesMax,
      handleMsMax: HANDLE_MS_MAX,
      consumer: { handle: (batch) => this.#handle(channel, batch) },
    });
    if (typeof tap === "string") {
      this.channelsSkipped += 1;
      return this.#ports.observer.refused(this.#name, this.partition.number, tap);
    }
    this.#readings.set(channel, { tap, waiting: 0 });
  }

  async #handle(channel: string, { events }: TapBatch): Promise<void> {
    const reading = this.#readings.get(channel);
    if (reading !== undefined) reading.waiting += 1;
    try {
      await this.partition.accept(channel, this.#inputsOf(channel, events));
    } finally {
      if (reading !== undefined) reading.waiting -= 1;
    }
  }

  #inputsOf(channel: string, events: TapBatch["events"]): PartitionInput[] {
    const { values, clock, observer } = this.#ports;
    return events.map((event): PartitionInput => {
      const { position } = event;
      if (event.kind === "gap") {
        const { from, to, reason } = event;
        observer.gap(this.#name, channel, to === null ? null : to - from + 1);
        return { kind: "gap", position, gap: { from, to, reason }, timeMs: clock.wallMs() };
      }
      const { o: offset, ts: timeMs, k: key, u: user, data } = event.entry;
      const more = {
        ...(key === undefined ? {} : { key }),
        ...(user === undefined ? {} : { user }),
      };
      try {
        const value = values.toValue(data);
        return { kind: "event", position, event: { offset, timeMs, value, ...more } };
      } catch {
        return { kind: "unreadable", position, event: { offset, timeMs, value: null, ...more } };
      }
    });
  }
}

/** A copy: the engine counts on in the same objects. */
function structuredAccount({ events, results, told, deadBy }: Account): Account {
  return {
    events: { ...events },
    results: { ...results },
    told: { ...told },
    deadBy: { ...deadBy },
  };
}
