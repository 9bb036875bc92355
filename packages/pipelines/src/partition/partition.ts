// Owns: one partition on the node that holds it: events in, commits of positions with state and
// records, deliveries, the end. P1 to P4 for one partition.
import { BrokerError } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import { stateFault } from "../engine/compile.ts";
import { PipelineEngine } from "../engine/engine.ts";
import { PipelineError } from "../pipeline-error.ts";
import { type Checkpoint, parseCheckpoint, spreadOf } from "./checkpoint.ts";
import { KeptState } from "./kept-state.ts";
import { Lookups } from "./lookups.ts";
import { Outboxes } from "./outboxes.ts";
import {
  PARTITION_LIMITS,
  type PartitionFigures,
  type PartitionInput,
  type PartitionLimits,
  type PartitionOptions,
  partitionKey,
  type Refused,
} from "./partition-options.ts";
import { StateWriter } from "./state-writer.ts";

const RETRY_MS_MAX = 2000;

/**
 * Records are committed together with the positions that they come from, and only then handed to
 * sinks. Whoever takes the partition over hands over again what was not confirmed, with the same
 * ids. So no record is lost, and none has two ids.
 */
export class Partition {
  readonly #options: PartitionOptions;
  readonly #limits: PartitionLimits;
  readonly #kept: KeptState;
  readonly #engine: PipelineEngine;
  readonly #lookups: Lookups;
  readonly #outboxes: Outboxes;
  readonly #positions = new Map<string, Position>();
  readonly #sources = new Map<string, { readonly source: number; params: Params }>();
  readonly #writer: StateWriter;
  readonly #waiters: (() => void)[] = [];
  #phase: "open" | "releasing" | "ended" = "open";
  #isDirty = false;
  #hasFresh = false;
  #uncommitted = 0;
  #committing: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #commits = 0;
  #lastCommitMs: number;
  #failures = 0;

  private constructor(options: PartitionOptions, kept: KeptState, checkpoint?: Checkpoint) {
    this.#options = options;
    this.#limits = { ...PARTITION_LIMITS, ...options.limits };
    this.#kept = kept;
    this.isNew = checkpoint === undefined;
    this.#lastCommitMs = options.clock.nowMs();
    const { definition, clock, latest } = options;
    const tables = { find: (table: number, key: string) => this.#lookups.find(table, key) };
    this.#engine = new PipelineEngine(definition, tables);
    this.#lookups = new Lookups(definition, this.#engine.tables, { clock, latest });
    // A life of the state that began with this fence had no other before.
    const generation = checkpoint?.generation ?? kept.fence;
    const { name, partition } = options;
    this.#outboxes = new Outboxes(
      this.#engine.outputs,
      `${name}/${partition}/${generation.toString(36)}`,
    );
    this.#writer = new StateWriter({
      ...{ kept, engine: this.#engine, outboxes: this.#outboxes, positions: this.#positions },
      ...{ definition, generation, clock, fullShare: this.#limits.fullShare },
      ...{ keepMs: options.kept.keepMs, valueBytesMax: options.kept.valueBytesMax },
    });
    if (checkpoint !== undefined) this.#load(checkpoint);
  }

  /**
   * Takes the partition if nobody's lease runs; undefined if one does. Rejects with the store's
   * errors, and with PipelineError "state" if this version may not go on from what is kept: then it
   * is released again.
   */
  static async take(options: PartitionOptions): Promise<Partition | undefined> {
    const { name, partition, definition } = options;
    const taken = await KeptState.take({ ...options.kept, key: partitionKey(name, partition) });
    if (taken === undefined) return undefined;
    const { kept, text, changes } = taken;
    try {
      const checkpoint = text === undefined ? undefined : parseCheckpoint(text, changes);
      if (checkpoint !== undefined && checkpoint.version > definition.version)
        throw new PipelineError(
          "state",
          `Cannot run pipeline "${name}": found state of version ${checkpoint.version}, expected ` +
            `at most this node's version ${definition.version}`,
        );
      return Partition.#begin(options, kept, checkpoint);
    } catch (error) {
      await kept.release().catch(() => {});
      throw error;
    }
  }

  static #begin(
    options: PartitionOptions,
    kept: KeptState,
    checkpoint: Checkpoint | undefined,
  ): Partition {
    try {
      return new Partition(options, kept, checkpoint);
    } catch (error) {
      const { onChange } = options.definition;
      const isState = error instanceof PipelineError && error.code === "state";
      if (!isState || onChange === "refuse" || checkpoint === undefined) throw error;
      const engine = new PipelineEngine(options.definition).save();
      const positions = onChange === "rebuild" ? new Map<string, Position>() : checkpoint.positions;
      const generation = kept.fence;
      const outboxes = onChange === "rebuild" ? [] : checkpoint.outboxes;
      const version = options.definition.version;
      // Positions of another spread are of other channels: `discard` cannot go on from them.
      const spread = onChange === "rebuild" ? spreadOf(options.definition) : checkpoint.spread;
      const anew = { version, spread, generation, positions, engine, engineChanges: [], outboxes };
      return new Partition(options, kept, anew);
    }
  }

  /** Whether it has never run: the definition says where it begins. */
  readonly isNew: boolean;

  get number(): number {
    return this.#options.partition;
  }

  /** Behind which publication of a channel to read on; undefined: it never read this channel. */
  position(channel: string): Position | undefined {
    return this.#positions.get(channel);
  }

  /** Channels with a position. */
  get channels(): readonly string[] {
    return [...this.#positions.keys()];
  }

  /** For `StateStore.renew`. */
  get hold() {
    return this.#kept.hold;
  }

  /** A channel from which events may come; `position`: where it begins if it has none. */
  open(channel: string, params: Params, position?: Position): void {
    const source = this.#engine.source(channel, params, this.#options.clock.nowMs());
    this.#sources.set(channel, { source, params });
    if (position !== undefined && !this.#positions.has(channel)) {
      this.#move(channel, position);
      this.#isDirty = true;
      this.#plan();
    }
  }

  /** What is committed goes to the sinks from now on: first what an earlier owner left. */
  start(): void {
    const { deliver, clock } = this.#options;
    // That it has begun must be known at once: if this node dies first, the next owner would begin
    // at the head of its own moment, and leave out what came meanwhile.
    this.#lastCommitMs = this.isNew ? Number.NEGATIVE_INFINITY : clock.nowMs();
    this.#outboxes.open((output, index) =>
      deliver(output, index, {
        confirm: (sequence) => this.#confirm(index, sequence),
        refuse: ({ value, key, timeMs, params }, reason) =>
          this.#refuse({ output: index, value, key, timeMs, params }, output.id, reason),
      }),
    );
    this.#outboxes.hand(this.#outboxes.marks());
    this.#isDirty ||= this.isNew;
    this.#plan();
  }

  /**
   * Takes what came from a channel, in its order. Resolves when there is room for more. What the
   * positions say was dealt with is left out, so that a repeated batch does no harm. Rejects with
   * PipelineError "closed" if the partition has ended meanwhile.
   */
  async accept(channel: string, inputs: readonly PartitionInput[]): Promise<void> {
    while (this.#isHeldBack() && this.#phase === "open")
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    const { source, params } = this.#sources.get(channel) ?? { source: -1, params: {} };
    if (source === -1) throw new PipelineError("closed", `Cannot take events of ${channel}`);
    if (this.#lookups.asks) {
      const events = inputs.flatMap((input) => (input.kind === "event" ? [input.event] : []));
      await this.#lookups.prepare(channel, params, events);
    }
    if (this.#phase !== "open") throw new PipelineError("closed", "the partition has ended");
    const nowMs = this.#options.clock.nowMs();
    let position = this.#positions.get(channel);
    for (const input of inputs) {
      const { epoch, offset } = input.position;
      if (position?.epoch === epoch && offset <= position.offset) continue;
      position = input.position;
      if (input.kind === "gap") this.#engine.gap(source, input.gap, input.timeMs);
      else if (input.kind === "event") this.#engine.push(source, input.event, nowMs);
      else this.#engine.unreadable(source, input.event, nowMs);
      this.#uncommitted += 1;
    }
    if (position !== undefined) this.#move(channel, position);
    this.#gather();
  }

  /** Time passes; `busy`: channels whose events are still to come. */
  tick(busy: ReadonlySet<string>): void {
    if (this.#phase !== "open") return;
    const sources = new Set<number>();
    for (const channel of busy) {
      const known = this.#sources.get(channel);
      if (known !== undefined) sources.add(known.source);
    }
    this.#engine.tick(this.#options.clock.nowMs(), sources);
    // A watermark that rose without a result is no reason to commit; parts that expire are.
    const idleMs = this.#options.clock.nowMs() - this.#lastCommitMs;
    this.#gather(idleMs > this.#options.kept.keepMs / 4);
  }

  /**
   * Gives the partition up: takes nothing more, waits a moment for the sinks, commits and releases
   * in one step. Resolves when that is done, or when it was lost meanwhile.
   */
  async release(): Promise<void> {
    if (this.#phase !== "open") return;
    this.#phase = "releasing";
    this.#wake();
    this.#cancel?.();
    this.#cancel = undefined;
    while (this.#committing !== undefined) await this.#committing;
    if (this.#hasFresh) await this.#commitNow(false);
    await this.#outboxes.flush(this.#limits.flushMs);
    if ((this.#phase as string) === "ended") return;
    await this.#commitNow(true);
    await this.end();
  }

  /** Ends without a commit. Nothing is handed over any more. */
  async end(): Promise<void> {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#cancel?.();
    this.#wake();
    await this.#outboxes.close();
  }

  figures(): PartitionFigures {
    return {
      account: this.#engine.account(),
      keys: this.#engine.kept().keys,
      stateBytes: this.#kept.bytes,
      commits: this.#commits,
      waiting: this.#outboxes.records,
      isHeldBack: this.#isHeldBack(),
    };
  }

  #load({ spread, positions, engine, engineChanges, outboxes }: Checkpoint): void {
    const expected = spreadOf(this.#options.definition);
    if (spread !== expected) throw stateFault(`the source ${spread}`, expected);
    this.#engine.load(engine, engineChanges);
    for (const [channel, position] of positions) this.#positions.set(channel, position);
    for (const record of this.#outboxes.load(outboxes)) {
      this.#engine.refused(record, "output", "this version has no such output");
      this.#isDirty = true;
    }
    this.#gather(false);
  }

  #move(channel: string, position: Position): void {
    this.#positions.set(channel, position);
    this.#writer.moved(channel);
  }

  #isHeldBack(): boolean {
    const { uncommittedMax, outboxBytesMax } = this.#limits;
    return (
      this.#uncommitted >= uncommittedMax ||
      this.#outboxes.bytes >= outboxBytesMax ||
      this.#outboxes.isFull
    );
  }

  #collect(): void {
    for (const emitted of this.#engine.take()) {
      this.#outboxes.add(emitted);
      this.#hasFresh = true;
    }
  }

  #gather(isDirty = true): void {
    this.#collect();
    if (isDirty || this.#hasFresh) this.#isDirty = true;
    this.#plan();
  }

  #confirm(index: number, sequence: number): void {
    this.#outboxes.confirm(index, sequence);
    this.#isDirty = true;
    this.#plan();
    if (!this.#isHeldBack()) this.#wake();
  }

  #refuse(emitted: Refused & { value: unknown; output: number }, step: string, why: string): void {
    // A dead letter that is refused itself is counted alone.
    const isDead = this.#engine.outputs[emitted.output]?.of === "dead";
    this.#engine.refused(emitted, step, why, isDead);
    // Not committed before the record is confirmed, in the same turn: it would be refused again.
    this.#collect();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  // ---- commits ----

  /** Records are committed as soon as the pace allows; anything else within `commitMs`. */
  #plan(): void {
    if (this.#phase !== "open" || this.#committing !== undefined || !this.#isDirty) return;
    const { commitMs, commitBytesPerMs, uncommittedMax } = this.#limits;
    const paceMs = Math.floor(this.#writer.writtenBytes / commitBytesPerMs);
    const isUrgent = this.#hasFresh || this.#uncommitted >= uncommittedMax / 2;
    const backoffMs =
      this.#failures === 0 ? 0 : Math.min(RETRY_MS_MAX, 50 * 2 ** Math.min(this.#failures, 10));
    const waitMs = Math.max(backoffMs, isUrgent ? paceMs : Math.max(paceMs, commitMs));
    const dueMs = this.#lastCommitMs + waitMs - this.#options.clock.nowMs();
    this.#cancel?.();
    this.#cancel = undefined;
    if (dueMs <= 0) void this.#commit();
    else
      this.#cancel = this.#options.clock.after(dueMs, () => {
        this.#cancel = undefined;
        void this.#commit();
      });
  }

  async #commit(): Promise<void> {
    if (this.#committing !== undefined || this.#phase !== "open") return;
    this.#committing = this.#commitNow(false);
    await this.#committing;
    this.#committing = undefined;
    this.#plan();
    if (!this.#isHeldBack()) this.#wake();
  }

  async #commitNow(isLast: boolean): Promise<void> {
    const { failed, clock } = this.#options;
    const marks = this.#outboxes.marks();
    const uncommitted = this.#uncommitted;
    this.#isDirty = false;
    this.#hasFresh = false;
    try {
      await this.#writer.write(isLast);
      this.#commits += 1;
      this.#failures = 0;
      this.#uncommitted -= uncommitted;
    } catch (error) {
      this.#isDirty = true;
      this.#hasFresh = true;
      this.#failures += 1;
      if (isFenced(error)) await this.#lose(error);
      else failed(error);
      return;
    } finally {
      this.#lastCommitMs = clock.nowMs();
    }
    if ((this.#phase as string) !== "ended" && !isLast) this.#outboxes.hand(marks);
  }

  async #lose(cause: unknown): Promise<void> {
    const why = new PipelineError("fenced", "another owner has the partition", { cause });
    const wasEnded = this.#phase === "ended";
    await this.end();
    if (!wasEnded) this.#options.lost(why);
  }
}

type Params = Readonly<Record<string, string>>;

const isFenced = (error: unknown): boolean =>
  (error instanceof BrokerError || error instanceof PipelineError) && error.code === "fenced";
