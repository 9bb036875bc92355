// Owns: the steps of the telemetry proof: what is done to nodes, broker and sinks while devices go
// on.
import type { RedisServers } from "../redis-servers.ts";
import type { Nodes } from "./nodes.ts";
import type { Database, Kafka } from "./servers.ts";

export interface Stage {
  readonly nodes: Nodes;
  readonly redis: RedisServers;
  readonly database: Database;
  readonly kafka: Kafka;
  readonly sinkAwayMs: number;
}

export interface TelemetryStep {
  readonly name: string;
  readonly title: string;
  /** Devices publish into the pipeline without a window. */
  readonly isDirect?: true;
  /** The broker cannot know whether it lost something, and says so. */
  readonly mayTellGaps?: true;
  /** Some owner must find that another has its partition. */
  readonly mustFence?: true;
  readonly fault?: (stage: Stage) => Promise<void>;
}

/** Longer than the lease of a partition, so that another node has taken all that it held. */
const FROZEN_MS = 8000;
const REDIS_DOWN_MS = 1000;

export const STEPS: readonly TelemetryStep[] = [
  { name: "direct", title: "Event by event, without a window", isDirect: true },
  { name: "steady", title: "Nothing happens" },
  {
    name: "roll",
    title: "Both nodes are replaced",
    async fault({ nodes }) {
      await nodes.replaceOldest();
      await nodes.replaceOldest();
    },
  },
  { name: "kill", title: "A node is killed", fault: ({ nodes }) => nodes.killOldest() },
  {
    name: "redis",
    title: "Redis restarts",
    mayTellGaps: true,
    fault: ({ redis }) => redis.restart({ downMs: REDIS_DOWN_MS, keepData: true }),
  },
  {
    name: "kafka",
    title: "Kafka is away",
    async fault({ kafka, sinkAwayMs }) {
      await kafka.kill();
      await Bun.sleep(sinkAwayMs);
      await kafka.up();
    },
  },
  {
    name: "postgres",
    title: "PostgreSQL is away",
    async fault({ database, sinkAwayMs }) {
      await database.crash();
      await Bun.sleep(sinkAwayMs);
      await database.up();
    },
  },
  {
    name: "version",
    title: "A new version of the pipelines is deployed",
    async fault({ nodes }) {
      nodes.setEnv({ PROVE_VERSION: "2" });
      await nodes.replaceOldest();
      await nodes.replaceOldest();
    },
  },
  {
    name: "two-owners",
    title: "A node stands still past its lease and goes on",
    mustFence: true,
    async fault({ nodes }) {
      await nodes.freezeOne();
      await Bun.sleep(FROZEN_MS);
      nodes.thaw();
      await nodes.allReady();
    },
  },
];
