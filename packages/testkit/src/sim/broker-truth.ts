// Owns: what the broker of a run really took, kept or lost: what the oracle compares everything
// with.
import type { StreamOptions } from "@holdfast/contract";
import type { PublishRequest, PublishResult } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import { payloadText } from "./data.ts";
import type { Trace } from "./trace.ts";

export interface TakenPublication {
  readonly offset: number;
  readonly atMs: number;
  readonly key: string | undefined;
  readonly user: string | undefined;
  readonly session: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** The data, as `dataText` writes it. */
  readonly text: string;
}

/** One life of a channel's stream. */
export interface StreamLife {
  readonly epoch: string;
  readonly publications: TakenPublication[];
  /** Offsets up to this were removed by an operator. */
  removedTo: number;
  /** When that was done last. */
  removedMs: number;
  /** When the broker lost it; undefined while it lives. */
  lostMs: number | undefined;
}

interface ChannelTruth {
  readonly stream: StreamOptions;
  readonly lives: StreamLife[];
}

/** The record. Written by the broker's side only; everything else reads. */
export class BrokerTruth {
  readonly #channels = new Map<string, ChannelTruth>();
  readonly #trace: Trace;
  readonly #now: () => number;
  readonly #faults: string[] = [];

  constructor(trace: Trace, now: () => number) {
    this.#trace = trace;
    this.#now = now;
  }

  /** How often history was removed. */
  removals = 0;

  /** Things that a publish did that no broker may do. */
  get violations(): readonly string[] {
    return this.#faults;
  }

  took(
    channel: string,
    stream: StreamOptions,
    request: PublishRequest,
    { position, duplicate }: PublishResult,
  ): void {
    const life = this.seen(channel, stream, position.epoch);
    this.#trace.add(
      "broker",
      duplicate ? "duplicate" : "took",
      `${channel} ${position.epoch} ${position.offset}`,
    );
    if (duplicate) return;
    if (position.offset !== life.publications.length + 1)
      this.#faults.push(
        `broker gave offset ${position.offset} in ${channel} after ${life.publications.length}`,
      );
    const { payload, key, user, session, idempotencyKey } = request;
    life.publications.push({
      offset: position.offset,
      atMs: this.#now(),
      key,
      user,
      session,
      idempotencyKey,
      text: payloadText(payload),
    });
  }

  /** A stream lives under this epoch. */
  seen(channel: string, stream: StreamOptions, epoch: string): StreamLife {
    let truth = this.#channels.get(channel);
    if (truth === undefined) {
      truth = { stream, lives: [] };
      this.#channels.set(channel, truth);
    }
    const newest = truth.lives.at(-1);
    if (newest?.epoch === epoch) return newest;
    if (newest !== undefined && newest.lostMs === undefined)
      this.#faults.push(
        `the broker began ${channel} anew as ${epoch} and had not lost ${newest.epoch}`,
      );
    const life: StreamLife = {
      epoch,
      publications: [],
      removedTo: 0,
      removedMs: 0,
      lostMs: undefined,
    };
    truth.lives.push(life);
    return life;
  }

  removed(channel: string, position: Position): void {
    const life = this.life(channel, position.epoch);
    if (life === undefined) return;
    life.removedTo = Math.max(life.removedTo, position.offset);
    life.removedMs = this.#now();
    this.removals += 1;
  }

  /** The broker lost everything. */
  lost(): void {
    this.#trace.add("broker", "lost", "");
    for (const { lives } of this.#channels.values())
      for (const life of lives) life.lostMs ??= this.#now();
  }

  note(nodeId: string, what: string): void {
    this.#trace.add(nodeId, "broker fault", what);
  }

  /** Those of clients; what nodes tell each other over streams may be told twice. */
  channels(): readonly string[] {
    return [...this.#channels.keys()].filter((name) => name >= " ");
  }

  stream(channel: string): StreamOptions | undefined {
    return this.#channels.get(channel)?.stream;
  }

  lives(channel: string): readonly StreamLife[] {
    return this.#channels.get(channel)?.lives ?? [];
  }

  life(channel: string, epoch: string): StreamLife | undefined {
    return this.#channels.get(channel)?.lives.find((life) => life.epoch === epoch);
  }

  /** The life that goes on; undefined when the newest was lost or nothing was published. */
  current(channel: string): StreamLife | undefined {
    const life = this.#channels.get(channel)?.lives.at(-1);
    return life?.lostMs === undefined ? life : undefined;
  }

  at(channel: string, position: Position): TakenPublication | undefined {
    return this.life(channel, position.epoch)?.publications[position.offset - 1];
  }

  isRemoved(channel: string, { epoch, offset }: Position): boolean {
    return offset <= (this.life(channel, epoch)?.removedTo ?? 0);
  }

  /**
   * Whether the broker may still have the publication: not trimmed by count, not expired, not
   * removed, not lost.
   */
  isKept(channel: string, position: Position): boolean {
    const truth = this.#channels.get(channel);
    const life = this.life(channel, position.epoch);
    const publication = life?.publications[position.offset - 1];
    if (
      truth === undefined ||
      life === undefined ||
      publication === undefined ||
      life.lostMs !== undefined
    )
      return false;
    const { sizeMax, ttlMs } = truth.stream;
    return (
      position.offset > life.removedTo &&
      life.publications.length - position.offset < sizeMax &&
      this.#now() - publication.atMs < ttlMs
    );
  }
}
