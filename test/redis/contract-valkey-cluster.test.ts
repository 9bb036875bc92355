import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startCluster } from "./servers.ts";

const cluster = await startCluster({ flavour: "valkey", replicas: false });
afterAll(() => cluster.stop());

describeBroker("Valkey Cluster", async () => makeHarness(cluster.url));
