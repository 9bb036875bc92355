import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startCluster, startServer, stopServers } from "./servers.ts";

const cluster = await startCluster({ replicas: false });
const valkey = await startCluster({ flavour: "valkey", replicas: false });
const shards = await Promise.all([startServer(), startServer({ flavour: "valkey" })]);
afterAll(async () => {
  await cluster.stop();
  await valkey.stop();
  await stopServers(shards);
});

describeBroker("Redis Cluster", async () => makeHarness(cluster.url));
describeBroker("Valkey Cluster", async () => makeHarness(valkey.url));
describeBroker("several servers, sharded by the client", async () => makeHarness(shards.map(({ url }) => url).join(",")));
