// Owns: a load process: its share of the clients, its share of the publishing, its share of the
// judgement.

import { answerCommands } from "@holdfast/load/processes";
import { createSeededRandom } from "@holdfast/testkit";
import { Clients } from "./clients.ts";
import type { ShareOfStep } from "./figures.ts";
import { Pacer } from "./pacer.ts";
import { eventually } from "./prove-error.ts";
import type { Published, Stamp } from "./publication.ts";
import { rivalOf } from "./rivals/rivals.ts";
import {
  type ClientSpec,
  LATEST_KEYS,
  type Workload,
  type WorkloadSize,
  workloadOf,
} from "./workload.ts";

export interface WorkerStart {
  readonly size: WorkloadSize;
  readonly rival: string;
  readonly url: string;
  /** Clients are assigned in blocks, so that every worker has some of each kind. */
  readonly share: number;
  readonly of: number;
  readonly connectsPerSecond: number;
  readonly publishesPerSecond: number;
}

export interface StepEnd {
  readonly published: readonly Published[];
  readonly mayLoseData: boolean;
  /** For what is still on its way. */
  readonly timeoutMs: number;
}

const BLOCK = 10;
/** Indices of idle clients, behind those of every workload. */
const IDLE_FROM = 1_000_000;

interface Running {
  readonly workload: Workload;
  readonly clients: Clients;
  readonly pacer: Pacer;
  readonly log: Published[];
}

let running: Running | undefined;

function run(): Running {
  if (running === undefined)
    throw new RangeError("Cannot continue: found no clients, expected start first");
  return running;
}

/** Commands of a load process. */
const commands = {
  async start(options: WorkerStart): Promise<void> {
    const workload = workloadOf(options.size);
    const clients = new Clients(rivalOf(options.rival), workload);
    const log: Published[] = [];
    const publish = publisher(options, { workload, clients, log });
    running = {
      workload,
      clients,
      log,
      pacer: new Pacer({ perSecond: options.publishesPerSecond, publish }),
    };
    const mine = workload.clients.filter(
      ({ index }) => Math.floor(index / BLOCK) % options.of === options.share,
    );
    const startMs = performance.now();
    await Promise.all(
      mine.map(async (spec, place) => {
        await Bun.sleep(
          Math.max(0, startMs + (place * 1000) / options.connectsPerSecond - performance.now()),
        );
        await clients.add(spec, options.url);
      }),
    );
  },
  async add({
    specs,
    url,
  }: {
    readonly specs: readonly ClientSpec[];
    readonly url: string;
  }): Promise<void> {
    await Promise.all(specs.map((spec) => run().clients.add(spec, url, true)));
  },
  /** Clients without subscriptions, so many a second. */
  async addIdle({
    count,
    perSecond,
    url,
  }: {
    readonly count: number;
    readonly perSecond: number;
    readonly url: string;
  }): Promise<void> {
    const { clients } = run();
    const startMs = performance.now();
    await Promise.all(
      Array.from({ length: count }, async (_, place) => {
        await Bun.sleep(Math.max(0, startMs + (place * 1000) / perSecond - performance.now()));
        const spec = { index: IDLE_FROM + place, user: `idle-${place}`, codec: "json" } as const;
        await clients.add({ ...spec, channels: [], publishes: false }, url, true);
      }),
    );
  },
  async removeIdle({ perSecond }: { readonly perSecond: number }): Promise<void> {
    await run().clients.removeExtras(perSecond);
  },
  /** A step begins: publishing continues. */
  begin({ stepMs }: { readonly stepMs: number }): void {
    run().clients.begin(stepMs);
    run().log.length = 0;
    run().pacer.start();
  },
  connected(): { connected: number; total: number } {
    const { clients } = run();
    return { connected: clients.connected(), total: clients.all.length };
  },
  /** Publishing ends; answers what was published since the step's beginning. */
  async pause(): Promise<readonly Published[]> {
    await run().pacer.pause();
    return run().log;
  },
  /** Waits for what must still come, and judges. */
  async end({ published, mayLoseData, timeoutMs }: StepEnd): Promise<ShareOfStep> {
    const byChannel = groupByChannel(published);
    const { clients } = run();
    // The judgement reports what does not come in time.
    await eventually("everything arrived", () => clients.missing(byChannel) === 0, {
      timeoutMs,
      everyMs: 50,
    }).catch(() => {});
    // A duplicate would come directly after it.
    await Bun.sleep(200);
    return clients.share(byChannel, mayLoseData);
  },
  async close(): Promise<void> {
    await running?.clients.close();
  },
};
export type WorkerCommands = typeof commands;

function groupByChannel(
  published: readonly Published[],
): ReadonlyMap<number, readonly Published[]> {
  const groups = new Map<number, Published[]>();
  for (const one of published) {
    const group = groups.get(one.channel);
    if (group === undefined) groups.set(one.channel, [one]);
    else group.push(one);
  }
  return groups;
}

function publisher(
  { size, share }: WorkerStart,
  { workload, clients, log }: Omit<Running, "pacer">,
): (atMs: number) => Promise<void> {
  const random = createSeededRandom(size.seed).fork(`publishing ${share}`);
  const counts = new Map<number, number>();
  return async (atMs) => {
    const publishers = clients.all.filter(({ spec, isExtra }) => spec.publishes && !isExtra);
    const { spec, rival } = random.pick(publishers);
    const channel = workload.channels[random.int(workload.ordinary)];
    if (channel === undefined) return;
    const n = (counts.get(spec.index) ?? 0) + 1;
    counts.set(spec.index, n);
    const key = channel.cls === "latest" ? `key-${random.int(LATEST_KEYS)}` : undefined;
    const stamp: Stamp = { p: spec.index, n, at: atMs };
    const outcome = await rival.publish(channel.name, stamp, key);
    log.push({
      channel: channel.index,
      p: spec.index,
      n,
      atMs,
      outcome,
      ...(key === undefined ? {} : { key }),
    });
  };
}

if (import.meta.main) answerCommands(process, commands);
