import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

const shards = await Promise.all([startServer(), startServer({ flavour: "valkey" })]);
afterAll(() => stopServers(shards));

describeBroker("several servers, sharded by the client", async () =>
  makeHarness(shards.map(({ url }) => url).join(",")),
);
