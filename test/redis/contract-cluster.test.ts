import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { grantDocumented } from "./account.ts";
import { makeHarness } from "./harness.ts";
import { startCluster } from "./servers.ts";

const cluster = await startCluster({ replicas: false });
afterAll(() => cluster.stop());

const url = await grantDocumented(cluster.url, cluster.servers);
describeBroker("Redis Cluster", async () => makeHarness(url));
