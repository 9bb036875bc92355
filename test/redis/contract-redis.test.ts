import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

const server = await startServer();
afterAll(() => stopServers([server]));

describeBroker("Redis, one server", async () => makeHarness(server.url, server.port));
