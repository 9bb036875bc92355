import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { grantDocumented } from "./account.ts";
import { makeHarness } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

const server = await startServer();
afterAll(() => stopServers([server]));

const url = await grantDocumented(server.url, [server]);
describeBroker("Redis, one server", async () => makeHarness(url, server.port));
