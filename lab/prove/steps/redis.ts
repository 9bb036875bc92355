// Owns: the steps that happen to Redis: a restart with its data, one without, a failover.
import { ProveError } from "../prove-error.ts";
import type { RedisServers } from "../redis-servers.ts";
import { drainNodes, nodeIds, type Stage, type Step } from "./step.ts";

const common = { isDrain: false, needsRedis: true } as const;
const DOWN_MS = 2000;

function servers({ broker }: Stage): RedisServers {
  if (broker.servers === undefined)
    throw new ProveError("redis_unusable", "Cannot continue: found no Redis servers");
  return broker.servers;
}

export const redisRestart: Step = {
  ...common,
  name: "redis-restart",
  title: "Redis restarts, 2 s down, with its data",
  quick: true,
  mayLoseData: false,
  timeLimitMs: 60_000,
  async run(stage) {
    stage.mark("Redis stops");
    await servers(stage).restart({ downMs: DOWN_MS, keepData: true });
    stage.mark("Redis answers");
    await stage.fleet.allReady(20_000);
  },
};

export const redisDataLost: Step = {
  ...common,
  name: "redis-data-lost",
  title: "Redis is killed and comes back empty",
  quick: false,
  mayLoseData: true,
  timeLimitMs: 60_000,
  async run(stage) {
    stage.mark("Redis is killed");
    await servers(stage).restart({ downMs: DOWN_MS, keepData: false });
    stage.mark("Redis is back, empty");
    await stage.fleet.allReady(20_000);
  },
};

export const redisFailover: Step = {
  ...common,
  name: "redis-failover",
  title: "Redis fails over (Sentinel promotes the replica)",
  quick: false,
  // Replication is asynchronous: publications that the replica did not get in time are lost, and a
  // gap says so.
  mayLoseData: true,
  timeLimitMs: 180_000,
  async run(stage) {
    await servers(stage).watch();
    const revision = stage.nextRevision();
    for (const old of nodeIds(stage)) {
      await stage.fleet.start(revision);
      await drainNodes(stage, [old]);
    }
    stage.mark("the primary is killed");
    await servers(stage).failOver();
    stage.mark("the replica is promoted");
    await stage.fleet.allReady(30_000);
  },
};
