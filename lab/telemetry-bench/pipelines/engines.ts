// Owns: starting the stream processors of one measurement, each a separate process on the servers'
// core: the same filter and window for all of them.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pinning } from "../../compare/pinning.ts";
import { type Usage, usageOf } from "../../compare/process-usage.ts";
import { NodeProcess } from "../../prove/node-process.ts";
import { RedisServers } from "../../prove/redis-servers.ts";
import { holdfastCommand } from "../../rivals/holdfast.ts";
import type { ServerCommand } from "../../rivals/server-command.ts";
import { programOf } from "../programs.ts";
import type { WindowResult } from "./feed.ts";
import type { EngineName } from "./rivals.ts";

export const TOPICS = { events: "events", results: "results" } as const;
export const WINDOW_MS = 10_000;
/** Windows wait for events that come late by so much. */
export const LATENESS_MS = 5000;

/** A stream processor that runs. */
export interface Engine {
  /** Name and version, as the page says it. */
  readonly version: string;
  usage(): Usage;
  /** Undefined: there is no Redis. */
  redisUsage(): Usage | undefined;
  stop(): Promise<void>;
}

export interface EnginesOptions {
  /** For configurations, logs and data. */
  readonly folder: string;
  readonly pinning: Pinning;
}

const END_MS = 5000;

export class Engines {
  readonly #options: EnginesOptions;
  readonly #running = new Set<() => Promise<void>>();
  #count = 0;

  constructor(options: EnginesOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  /** `kafkaPort`: of the broker with both topics. Throws ProveError and RivalError. */
  async start(name: EngineName, kafkaPort: number): Promise<Engine> {
    const folder = join(this.#options.folder, `${name}-${++this.#count}`);
    mkdirSync(folder, { recursive: true });
    const redis =
      name === "holdfast-redis" ? await RedisServers.start(join(folder, "redis")) : undefined;
    let node: NodeProcess | undefined;
    const stop = async () => {
      this.#running.delete(stop);
      node?.signal("SIGKILL");
      await Promise.all([node?.ended(END_MS), redis?.close()]);
      rmSync(folder, { recursive: true, force: true });
    };
    this.#running.add(stop);
    try {
      const brokers = [`127.0.0.1:${kafkaPort}`];
      const { command, env } =
        name === "benthos"
          ? benthos(folder, brokers)
          : holdfast(folder, brokers, redis === undefined ? {} : { redisPort: redis.port });
      node = new NodeProcess({
        id: name,
        revision: "",
        command: this.#options.pinning.onServerCore(command),
        env,
        logFile: join(this.#options.folder, `${name}.log`),
      });
      const { pid } = node;
      if (name !== "benthos") await node.started();
      return {
        version: name === "benthos" ? "Benthos 4.27.0" : `this version, Bun ${Bun.version}`,
        usage: () => usageOf([pid]),
        redisUsage: () => (redis === undefined ? undefined : usageOf([redis.pid])),
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** For an end before its time. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.#running].map((stop) => stop()));
  }
}

/** What a record of the results says, whoever wrote it. Undefined: it is none. */
export function resultOf(record: unknown): WindowResult | undefined {
  const { device, key, toMs, to, n, sum, max } = record as Readonly<Record<string, unknown>>;
  const name = device ?? key;
  const endMs = toMs ?? Date.parse(String(to));
  const numbers = [endMs, n, sum, max].map(Number);
  if (typeof name !== "string" || numbers.some(Number.isNaN)) return undefined;
  const [end = 0, count = 0, total = 0, most = 0] = numbers;
  return { device: name, fromMs: end - WINDOW_MS, n: count, sum: total, max: most };
}

function holdfast(
  folder: string,
  brokers: readonly string[],
  place: { readonly redisPort?: number },
): ServerCommand {
  const file = join(folder, "pipelines.yaml");
  const { events, results } = TOPICS;
  writeFileSync(
    file,
    JSON.stringify({
      sources: { [events]: { kafka: { brokers, topics: [events] }, channel: events } },
      pipelines: {
        heat: {
          from: events,
          steps: [
            { filter: 'value.unit == "C"' },
            {
              window: {
                tumbling: `${WINDOW_MS}ms`,
                time: "value.at",
                lateness: `${LATENESS_MS}ms`,
                key: "value.device",
              },
              aggregate: { n: "count", sum: { sum: "value.value" }, max: { max: "value.value" } },
            },
            { to: { kafka: { brokers, topic: results } } },
          ],
        },
      },
    }),
  );
  const { command, env } = holdfastCommand({ ...place, connectionsMax: 100, historySize: 200_000 });
  return { command, env: { ...env, HOLDFAST_PIPELINES: file } };
}

function benthos(folder: string, brokers: readonly string[]): ServerCommand {
  const file = join(folder, "benthos.yaml");
  const { events, results } = TOPICS;
  const give = [
    "root = if batch_index() == 0 {",
    '  { "device": this.device, "to": meta("window_end_timestamp"), "n": batch_size(),',
    '    "sum": json("value").from_all().sum(), "max": json("value").from_all().max() }',
    "} else { deleted() }",
  ].join("\n");
  writeFileSync(
    file,
    JSON.stringify({
      http: { enabled: false },
      logger: { level: "ERROR" },
      input: {
        kafka_franz: {
          seed_brokers: brokers,
          topics: [events],
          consumer_group: "bench",
          // An open window holds its events unacknowledged: with the default 1,024 it would stop.
          checkpoint_limit: 10_000_000,
          commit_period: "1s",
        },
        processors: [{ mapping: 'root = if this.unit != "C" { deleted() }' }],
      },
      buffer: {
        system_window: {
          // An event at the very end of a window belongs to it here: with 1 ms more it does not.
          timestamp_mapping: "root = (this.at + 1) / 1000",
          size: `${WINDOW_MS}ms`,
          allowed_lateness: `${LATENESS_MS}ms`,
        },
      },
      pipeline: {
        processors: [{ group_by_value: { value: '${! json("device") }' } }, { mapping: give }],
      },
      output: {
        kafka_franz: {
          seed_brokers: brokers,
          topic: results,
          key: '${! json("device") }',
          // One message by itself would be one request.
          batching: { count: 500, period: "100ms" },
        },
      },
    }),
  );
  return { command: [programOf("BENTHOS", "Benthos"), "-c", file], env: {} };
}
