// Owns: the pipelines of one node: which partitions it takes, keeps, moves and gives up.
import type { BusMessage } from "@holdfast/core";
import type { PipelineDefinition } from "../define/types.ts";
import { tablesOf } from "../engine/compile.ts";
import { Partition } from "../partition/partition.ts";
import { type PartitionOptions, partitionKey } from "../partition/partition-options.ts";
import { PipelineError } from "../pipeline-error.ts";
import { channelsOf } from "./channels.ts";
import { Deliveries, type SinkFigures } from "./deliveries.ts";
import { HeldPartition } from "./held-partition.ts";
import { ChannelTables } from "./latest-tables.ts";
import { Members } from "./members.ts";
import type { PipelineFigures } from "./pipeline-figures.ts";
import type { RunnerPorts } from "./ports.ts";
import { nodeFor, partitionOf, type RunnerMember } from "./spread.ts";
import { addAccount, copyTotals, noTotals, type Totals } from "./totals.ts";

export interface RunnerSettings {
  /** A node that dies holds its partitions for so long. */
  readonly leaseMs: number;
  /** How long the state of a pipeline that nobody runs is kept. */
  readonly keepMs: number;
  readonly valueBytesMax: number;
}

export const RUNNER_SETTINGS: RunnerSettings = {
  leaseMs: 5000,
  keepMs: 7 * 24 * 3_600_000,
  valueBytesMax: 1024 * 1024,
};

/** Bus messages of runners. */
export const RUNNER_KINDS = ["pipelines", "pipeline_free"] as const;

const ANNOUNCE_MS = 1000;
const LOOK_MS = 500;
const TICK_MS = 250;
const CHANNELS_MS = 2000;
/** A partition that was refused is tried again after so long. */
const REFUSED_MS = 30_000;

interface Running {
  readonly name: string;
  readonly definition: PipelineDefinition;
  readonly held: Map<number, HeldPartition>;
  /** Partitions that are being taken or given up. */
  readonly busy: Set<number>;
  readonly refusedUntilMs: Map<number, number>;
  refused: string | undefined;
  readonly totals: Totals;
  channels: readonly string[];
}

export class PipelineRunner {
  readonly #ports: RunnerPorts;
  readonly #settings: RunnerSettings;
  readonly #running: readonly Running[];
  readonly #members = new Members();
  readonly #tables: ChannelTables;
  readonly #deliveries: Deliveries;
  readonly #timers: (() => void)[] = [];
  readonly #owner: string;
  #isReady = false;
  #isStarted = false;
  #isStopped = false;

  constructor(
    ports: RunnerPorts,
    pipelines: ReadonlyMap<string, PipelineDefinition>,
    settings: RunnerSettings = RUNNER_SETTINGS,
  ) {
    this.#ports = ports;
    this.#settings = settings;
    this.#owner = `${ports.node}/${ports.random.id().slice(0, 8)}`;
    this.#tables = new ChannelTables(ports);
    this.#deliveries = new Deliveries(ports);
    this.#running = [...pipelines].map(([name, definition]) => ({
      name,
      definition,
      held: new Map(),
      busy: new Set(),
      refusedUntilMs: new Map(),
      refused: undefined,
      totals: noTotals(),
      channels: [],
    }));
  }

  start(): void {
    if (this.#running.length === 0 || this.#isStarted) return;
    this.#isStarted = true;
    this.#isReady = true;
    for (const { definition } of this.#running)
      for (const table of tablesOf(definition))
        if (table.kind === "latest") this.#tables.open(table.channel, table.keysMax);
    this.#every(ANNOUNCE_MS, () => this.#announce());
    this.#every(LOOK_MS, () => this.#look());
    this.#every(TICK_MS, () => this.#tick());
    this.#every(CHANNELS_MS, () => void this.#refresh());
    this.#every(this.#settings.leaseMs / 3, () => void this.#renew());
    this.#announce();
    void this.#refresh().then(() => this.#look());
  }

  /** A message of another runner, or of this one. */
  heard(message: BusMessage): void {
    if (message.kind === "pipeline_free") return this.#look();
    const isNew = this.#members.heard(message, this.#ports.clock.nowMs());
    if (isNew) this.#look();
  }

  /** Gives up everything, in order, and takes nothing more. Resolves when that is done. */
  async drain(): Promise<void> {
    if (this.#running.length === 0) return;
    this.#isReady = false;
    this.#announce();
    const held = this.#running.flatMap((running) =>
      [...running.held.keys()].map((n) => ({ running, n })),
    );
    await Promise.all(held.map(({ running, n }) => this.#release(running, n, "drained")));
  }

  /** Takes partitions again, after a drain that was undone. */
  undrain(): void {
    if (this.#isStopped || !this.#isStarted) return;
    this.#isReady = true;
    this.#announce();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isReady = false;
    this.#isStopped = true;
    for (const cancel of this.#timers.splice(0)) cancel();
    this.#tables.close();
    for (const running of this.#running)
      for (const [n, held] of running.held) {
        this.#forget(running, n, held);
        await held.partition.end();
      }
  }

  figures(): PipelineFigures[] {
    return this.#running.map((running) => {
      const { name, definition, held, refused } = running;
      const totals = copyTotals(running.totals);
      const all = [...held.values()];
      const figures = all.map((one) => {
        const now = one.partition.figures();
        addAccount(totals, one.base, now.account);
        return now;
      });
      const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
      return {
        name,
        version: definition.version,
        held: held.size,
        partitions: definition.partitions,
        holds: [...held.keys()],
        totals,
        channels: sum(all.map(({ channels }) => channels)),
        channelsSkipped: sum(all.map(({ channelsSkipped }) => channelsSkipped)),
        lag: sum(all.map((one) => one.lag())),
        lagMs: Math.max(0, ...all.map(({ behind }) => behind.ms)),
        retentionLeft: Math.min(1, ...all.map(({ behind }) => behind.retentionLeft)),
        keys: sum(figures.map(({ keys }) => keys)),
        stateBytes: sum(figures.map(({ stateBytes }) => stateBytes)),
        waiting: sum(figures.map(({ waiting }) => waiting)),
        heldBack: figures.filter(({ isHeldBack }) => isHeldBack).length,
        refused,
      };
    });
  }

  /**
   * Publications that the slowest pipeline of a channel has yet to take, on all nodes, as they last
   * said. Infinite: a part of it runs nowhere. Undefined: no pipeline reads the channel.
   */
  behind(channel: string, pattern: string): number | undefined {
    const { node, clock } = this.#ports;
    const others = this.#members.others(node, clock.nowMs());
    let most: number | undefined;
    for (const { name, definition, held } of this.#running) {
      const source = definition.source.pattern;
      if (source !== channel && source !== pattern) continue;
      let [partitions, lag] = [held.size, lagOf(held)];
      for (const { holds } of others) {
        partitions += holds[name]?.partitions ?? 0;
        lag += holds[name]?.lag ?? 0;
      }
      const all = partitions < definition.partitions ? Number.POSITIVE_INFINITY : lag;
      most = Math.max(most ?? 0, all);
    }
    return most;
  }

  /** Outputs that this node has opened. */
  sinks(): readonly SinkFigures[] {
    return this.#deliveries.figures();
  }

  // ---- who runs what ----

  #every(ms: number, task: () => void): void {
    const { clock } = this.#ports;
    const slot = this.#timers.push(() => {}) - 1;
    const again = (): void => {
      this.#timers[slot] = clock.after(ms, () => {
        again();
        task();
      });
    };
    again();
  }

  #announce(): void {
    const runs = Object.fromEntries(
      this.#running.map(({ name, definition }) => [name, definition.version]),
    );
    const holds = Object.fromEntries(
      this.#running.map(({ name, held }) => [name, { partitions: held.size, lag: lagOf(held) }]),
    );
    const { node: from } = this.#ports;
    const message = { kind: "pipelines", from, isReady: this.#isReady, runs, holds };
    this.#ports.bus.send(message).catch(() => {});
  }

  #present(): readonly RunnerMember[] {
    const { node, clock } = this.#ports;
    const runs = Object.fromEntries(
      this.#running.map(({ name, definition }) => [name, definition.version]),
    );
    const others = this.#members.others(node, clock.nowMs());
    return [...others, { node, isReady: this.#isReady, runs }];
  }

  #look(): void {
    // Others are heard before: nothing may be taken that no timer would keep.
    if (!this.#isStarted) return;
    if (this.#isReady !== this.#ports.isServing()) {
      if (this.#isReady) void this.drain();
      else this.undrain();
    }
    if (!this.#isReady) return;
    const members = this.#present();
    const nowMs = this.#ports.clock.nowMs();
    for (const running of this.#running) {
      const { name, definition, held, busy, refusedUntilMs } = running;
      for (let n = 0; n < definition.partitions; n++) {
        if (busy.has(n)) continue;
        const node = nodeFor(members, name, n);
        const isMine = node === this.#ports.node;
        if (held.has(n)) {
          if (!isMine && node !== undefined) void this.#release(running, n, "moved");
        } else if (isMine && !((refusedUntilMs.get(n) ?? 0) > nowMs)) void this.#take(running, n);
      }
    }
  }

  async #take(running: Running, n: number): Promise<void> {
    const { name, definition, held, busy } = running;
    const { observer, clock } = this.#ports;
    busy.add(n);
    let partition: Partition | undefined;
    try {
      partition = await Partition.take(this.#partitionOptions(running, n));
      if (partition === undefined) return;
      const one = new HeldPartition(this.#ports, name, definition, partition);
      const tables = tablesOf(definition).flatMap((table) =>
        table.kind === "latest" ? [table.channel] : [],
      );
      await this.#tables.filled(tables);
      await one.read(this.#channelsOf(running, n), true);
      if (!this.#isReady) {
        one.close();
        await partition.release();
        return;
      }
      held.set(n, one);
      running.refused = undefined;
      observer.taken(name, n, partition.position(partition.channels[0] ?? ""));
    } catch (error) {
      await partition?.end();
      if (error instanceof PipelineError && error.code === "state") {
        running.refused = error.message;
        running.refusedUntilMs.set(n, clock.nowMs() + REFUSED_MS);
        observer.refused(name, n, error.message);
      } else observer.commitFailed(name, n, textOf(error));
    } finally {
      busy.delete(n);
    }
  }

  async #release(running: Running, n: number, why: "moved" | "drained"): Promise<void> {
    const one = running.held.get(n);
    if (one === undefined) return;
    running.busy.add(n);
    try {
      one.close();
      await one.partition.release();
      this.#forget(running, n, one);
      this.#ports.observer.released(running.name, n, why);
      const message = {
        kind: "pipeline_free",
        from: this.#ports.node,
        key: partitionKey(running.name, n),
      };
      await this.#ports.bus.send(message).catch(() => {});
    } finally {
      running.busy.delete(n);
    }
  }

  /** What it counted stays in the node's totals. */
  #forget(running: Running, n: number, one: HeldPartition): void {
    one.close();
    if (running.held.get(n) !== one) return;
    running.held.delete(n);
    addAccount(running.totals, one.base, one.partition.figures().account);
  }

  async #renew(): Promise<void> {
    const holds = this.#running.flatMap(({ held }) =>
      [...held.values()].map(({ partition }) => partition.hold),
    );
    if (holds.length === 0) return;
    // Whoever is fenced learns it from its next commit as well.
    await this.#ports.states.renew(holds, this.#settings.leaseMs).catch(() => []);
  }

  #tick(): void {
    for (const { held } of this.#running) for (const one of held.values()) one.tick();
  }

  // ---- channels ----

  async #refresh(): Promise<void> {
    for (const running of this.#running) {
      try {
        running.channels = await channelsOf(running.definition.source.pattern, this.#ports);
        for (const [n, one] of running.held) {
          await one.read(this.#channelsOf(running, n), false);
          await one.look();
        }
      } catch {
        // The broker is out of reach: the next look finds what there is.
      }
    }
  }

  #channelsOf({ channels, definition }: Running, n: number): readonly string[] {
    return channels.filter(
      (channel) => partitionOf(this.#ports.resolve(channel)?.params ?? {}, definition) === n,
    );
  }

  // ---- partitions ----

  #partitionOptions(running: Running, n: number): PartitionOptions {
    const { name, definition } = running;
    const { states: store, codec, clock, random, observer } = this.#ports;
    return {
      name,
      partition: n,
      definition,
      kept: { ...this.#settings, store, codec, owner: this.#owner },
      clock,
      random,
      latest: this.#tables,
      deliver: (output, index, tell) =>
        this.#deliveries.open(output, { pipeline: name, partition: n, index, tell }),
      lost: () => {
        const one = running.held.get(n);
        if (one !== undefined) this.#forget(running, n, one);
        observer.released(name, n, "fenced");
      },
      failed: (error) => observer.commitFailed(name, n, textOf(error)),
    };
  }
}

const lagOf = (held: ReadonlyMap<number, HeldPartition>): number => {
  let lag = 0;
  for (const one of held.values()) lag += one.lag();
  return lag;
};

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
