// Owns: the simulation of a partition's bad days: nodes that die, freeze and drain, a store and
// sinks that fail in every way, clocks that jump. One seed replays a run.
import {
  BrokerError,
  type Clock,
  createMemoryBroker,
  createSeededRandom,
  type SeededRandom,
  type StateStore,
} from "@holdfast/core";
import { createManualClock, type ManualClock } from "@holdfast/testkit";
import type { AnyStream } from "../define/builder.ts";
import { SinkBreaker } from "../delivery/breaker.ts";
import { SinkDelivery } from "../delivery/delivery.ts";
import { Partition } from "../partition/partition.ts";
import type { PartitionInput } from "../partition/partition-options.ts";
import { type Sink, SinkError, type SinkRecord } from "../sink.ts";

export interface SimEvent {
  readonly id: string;
  /** Event time. */
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

export interface LogEntry {
  readonly offset: number;
  readonly timeMs: number;
  readonly value: SimEvent;
}

export interface SimOptions {
  readonly seed: number;
  readonly stream: AnyStream;
  readonly channels: number;
  readonly settle: () => void;
  /** Idle channels are found by time. False: results depend on the log alone. */
  readonly idles: boolean;
  /** Bytes of one value of the store: small ones are kept in parts. */
  readonly valueBytesMax: number;
}

export interface SimResult {
  readonly log: ReadonlyMap<string, readonly LogEntry[]>;
  /** What reached the targets, by output: records by id, in the order of their first arrival. */
  readonly targets: readonly ReadonlyMap<string, SinkRecord>[];
  readonly refused: readonly SinkRecord[];
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
  readonly account: ReturnType<Partition["figures"]>["account"] | undefined;
  readonly lastTick: number;
}

const LEASE_MS = 5000;
const BAD_MS = 40_000;
const HEALED_MS = 60_000;
const STEP_MS = 10;
const NAME = "sim";

/** A node's view of time: nothing happens while it is frozen, nor ever again once it is dead. */
class NodeClock implements Clock {
  frozenUntilMs = 0;
  isDead = false;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  wallMs = (): number => this.#clock.wallMs();
  nowMs = (): number => this.#clock.nowMs();
  defer = (task: () => void): void => void this.after(0, task);

  after(delayMs: number, task: () => void): () => void {
    let cancel = (): void => {};
    const run = (): void => {
      if (this.isDead) return;
      const frozenMs = this.frozenUntilMs - this.#clock.nowMs();
      if (frozenMs > 0) cancel = this.#clock.after(frozenMs, run);
      else task();
    };
    cancel = this.#clock.after(delayMs, run);
    return () => cancel();
  }
}

interface SimNode {
  readonly name: string;
  readonly clock: NodeClock;
  partition: Partition | undefined;
  isBusy: boolean;
}

export class Simulation {
  readonly #options: SimOptions;
  readonly #random: SeededRandom;
  readonly #clock = createManualClock({ wallStartMs: 1_000_000_000 });
  readonly #store: StateStore;
  readonly #log = new Map<string, LogEntry[]>();
  readonly #targets: Map<string, SinkRecord>[] = [];
  readonly #refused: SinkRecord[] = [];
  readonly #violations: string[] = [];
  readonly #faults: Record<string, number> = {};
  #nodes: SimNode[] = [];
  #isBad = true;
  #born = 0;
  #storeAwayUntilMs = 0;
  #sinkAwayUntilMs = 0;
  #eventMs = 1_000_000_000;
  #lastTick = 0;

  constructor(options: SimOptions) {
    this.#options = options;
    this.#random = createSeededRandom(`pipeline ${options.seed}`);
    const broker = createMemoryBroker({ clock: this.#clock, random: this.#random.fork("broker") });
    this.#store = broker.connect("sim").states;
    for (let i = 0; i < options.channels; i++) this.#log.set(`c${i}`, []);
  }

  run(): SimResult {
    for (let i = 0; i < 3; i++) this.#birth();
    this.#produce();
    while (this.#clock.nowMs() < BAD_MS + HEALED_MS) {
      this.#clock.advance(STEP_MS);
      this.#options.settle();
      const nowMs = this.#clock.nowMs();
      if (nowMs >= BAD_MS) this.#isBad = false;
      else if (this.#random.chance(STEP_MS / 1500)) this.#fault();
    }
    const owner = this.#nodes.find(({ partition }) => partition !== undefined);
    const account = owner?.partition?.figures().account;
    if (owner === undefined) this.#violations.push("nobody has the partition");
    return {
      log: this.#log,
      targets: this.#targets,
      refused: this.#refused,
      faults: this.#faults,
      violations: this.#violations,
      account,
      lastTick: this.#lastTick,
    };
  }

  // ---- the world ----

  #count(fault: string): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
  }

  #fault(): void {
    const random = this.#random;
    if (this.#nodes.length === 0) return;
    const node = random.pick(this.#nodes);
    const owner = this.#nodes.find(({ partition }) => partition !== undefined) ?? node;
    const nowMs = this.#clock.nowMs();
    const kind = random.pick(["kill", "kill", "freeze", "drain", "store", "sink", "jump"]);
    this.#count(kind);
    if (kind === "kill") this.#kill(random.chance(0.8) ? owner : node);
    else if (kind === "freeze") owner.clock.frozenUntilMs = nowMs + random.int(3 * LEASE_MS);
    else if (kind === "drain") {
      void owner.partition?.release();
      owner.partition = undefined;
    } else if (kind === "store") this.#storeAwayUntilMs = nowMs + random.int(4000);
    else if (kind === "sink") this.#sinkAwayUntilMs = nowMs + random.int(8000);
    else this.#clock.jumpWall(random.int(7000) - 3500);
  }

  #birth(): void {
    this.#born += 1;
    const name = `n${this.#born}`;
    const node: SimNode = {
      name,
      clock: new NodeClock(this.#clock),
      partition: undefined,
      isBusy: false,
    };
    this.#nodes.push(node);
    this.#live(node);
  }

  #kill(node: SimNode): void {
    node.clock.isDead = true;
    this.#nodes = this.#nodes.filter((one) => one !== node);
    this.#clock.after(this.#random.int(3000), () => this.#birth());
  }

  /** Publications: mostly in event time, some late, some twice. */
  #produce(): void {
    const random = this.#random;
    if (this.#clock.nowMs() > BAD_MS + 5000) return;
    const log = this.#log.get(`c${random.int(this.#options.channels)}`) ?? [];
    this.#eventMs += random.int(40);
    const late = random.chance(0.1) ? random.int(6000) : random.int(800);
    const value = {
      id: `e${[...this.#log.values()].reduce((sum, { length }) => sum + length, 0)}`,
      t: this.#eventMs - late,
      k: `k${random.int(4)}`,
      v: random.int(100),
    };
    log.push({ offset: log.length + 1, timeMs: this.#clock.wallMs() + 1e6, value });
    this.#clock.after(5 + random.int(60), () => this.#produce());
  }

  // ---- a node ----

  #live(node: SimNode): void {
    const { clock } = node;
    clock.after(100 + this.#random.int(400), () => {
      this.#live(node);
      if (node.partition === undefined) {
        if (!node.isBusy) void this.#take(node);
      } else {
        void this.#storeOf(node)
          .renew([node.partition.hold], LEASE_MS)
          .catch(() => {});
        const busy = this.#options.idles ? [] : [...this.#log.keys()];
        node.partition.tick(new Set(busy));
      }
    });
  }

  async #take(node: SimNode): Promise<void> {
    node.isBusy = true;
    try {
      const partition = await Partition.take(this.#partitionOptions(node));
      if (partition === undefined) return;
      node.partition = partition;
      for (const channel of this.#log.keys())
        partition.open(channel, {}, { epoch: "e", offset: 0 });
      partition.start();
      for (const channel of this.#log.keys()) void this.#feed(node, partition, channel);
    } catch (error) {
      if (!(error instanceof BrokerError)) this.#violations.push(`take: ${String(error)}`);
    } finally {
      node.isBusy = false;
    }
  }

  #partitionOptions(node: SimNode): Parameters<typeof Partition.take>[0] {
    const { stream, valueBytesMax } = this.#options;
    const { clock, name } = node;
    const codec = new TextEncoder();
    const breaker = new SinkBreaker(this.#random.fork(name), { backoffMsMax: 2000 });
    return {
      name: NAME,
      partition: 0,
      definition: stream.definition,
      kept: {
        store: this.#storeOf(node),
        codec: {
          encode: (text) => codec.encode(text),
          decode: (bytes) => new TextDecoder().decode(bytes),
        },
        owner: name,
        leaseMs: LEASE_MS,
        keepMs: 3_600_000,
        valueBytesMax,
      },
      clock,
      random: this.#random,
      latest: { find: () => undefined },
      deliver: (_output, index, tell) =>
        new SinkDelivery({
          pipeline: NAME,
          partition: 0,
          output: index,
          open: () => this.#sink(node, index),
          breaker,
          clock,
          limits: { timeoutMs: 1000, stuckMs: 500, queuedRecordsMax: 200 },
          delivered: (sequence) => tell.confirm(sequence),
          refused: (record, reason) => {
            this.#refused.push(record);
            tell.refuse(record, reason);
          },
          onBug: (error) => this.#violations.push(`bug: ${String(error)}`),
        }),
      lost: () => {
        this.#count("lost");
        node.partition = undefined;
      },
      failed: () => this.#count("commit failed"),
      limits: { commitMs: 500, flushMs: 300, outboxBytesMax: Math.min(4e6, valueBytesMax * 4) },
    };
  }

  /** Batches of any size, some of them twice, as a tap may hand them over. */
  async #feed(node: SimNode, partition: Partition, channel: string): Promise<void> {
    const log = this.#log.get(channel) ?? [];
    let next = partition.position(channel)?.offset ?? 0;
    for (;;) {
      await this.#wait(node.clock, 20 + this.#random.int(80));
      if (node.partition !== partition) return;
      const from = this.#random.chance(0.1) ? Math.max(0, next - this.#random.int(20)) : next;
      const batch = log.slice(from, next + 1 + this.#random.int(60));
      if (batch.length === 0) continue;
      const inputs = batch.map(({ offset, timeMs, value }): PartitionInput => {
        const position = { epoch: "e", offset };
        return { kind: "event", position, event: { offset, timeMs, value } };
      });
      try {
        await partition.accept(channel, inputs);
      } catch {
        return;
      }
      next = Math.max(next, batch.at(-1)?.offset ?? 0);
    }
  }

  #wait(clock: Clock, ms: number): Promise<void> {
    return new Promise((resolve) => void clock.after(ms, resolve));
  }

  // ---- the store and the sinks, which fail ----

  /** Requests and answers take time and may be lost; a dead node hears nothing any more. */
  #storeOf({ clock }: SimNode): StateStore {
    const call = async <T>(work: () => Promise<T>): Promise<T> => {
      const random = this.#random;
      const isAway = (): boolean => this.#clock.nowMs() < this.#storeAwayUntilMs;
      // On its way: nothing of the node's is waited for.
      await this.#wait(this.#clock, 1 + random.int(5));
      if (isAway() || (this.#isBad && random.chance(0.02))) {
        await this.#wait(clock, random.int(500));
        throw new BrokerError(random.chance(0.5) ? "timeout" : "unavailable", "no");
      }
      const outcome = await work().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      await this.#wait(clock, 1 + random.int(5));
      if (this.#isBad && random.chance(0.03)) throw new BrokerError("timeout", "answer lost");
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    };
    const store = this.#store;
    return {
      take: (key, options) => call(() => store.take(key, options)),
      write: (key, hold, value, options) => call(() => store.write(key, hold, value, options)),
      renew: (holds, leaseMs) => call(() => store.renew(holds, leaseMs)),
      release: (key, hold) => call(() => store.release(key, hold)),
      read: (key) => call(() => store.read(key)),
      list: (query) => call(() => store.list(query)),
    };
  }

  #sink({ clock }: SimNode, output: number): Sink {
    const random = this.#random;
    this.#targets[output] ??= new Map();
    return {
      write: async ({ records }) => {
        await this.#wait(this.#clock, random.int(10));
        if (this.#clock.nowMs() < this.#sinkAwayUntilMs) throw new SinkError("unavailable", "no");
        const partly = this.#isBad && random.chance(0.1) ? random.int(records.length) : undefined;
        const refused = records.flatMap(({ value }, index) =>
          output === 0 && refuses(value) ? [{ index, reason: "never" }] : [],
        );
        for (const [index, record] of records.slice(0, partly).entries())
          if (!refused.some((one) => one.index === index)) this.#arrive(output, record);
        if (partly !== undefined) throw new SinkError("unavailable", "in the middle");
        // It answers late, or not at all, though it has everything.
        const answerMs = this.#isBad && random.chance(0.05) ? random.int(3000) : random.int(20);
        await this.#wait(clock, answerMs);
        return refused.length > 0 ? { refused } : undefined;
      },
      close: async () => {},
    };
  }

  #arrive(output: number, record: SinkRecord): void {
    const target = this.#targets[output] ?? new Map<string, SinkRecord>();
    const known = target.get(record.id);
    if (known === undefined) target.set(record.id, record);
    else if (JSON.stringify(known) !== JSON.stringify(record))
      this.#violations.push(`two records of id ${record.id}`);
  }
}

/** Some results are refused by the sink for good. */
export const refuses = (value: unknown): boolean =>
  (value as { readonly refuse?: boolean } | null)?.refuse === true;
