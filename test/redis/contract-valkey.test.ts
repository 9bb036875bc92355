import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

const server = await startServer({ flavour: "valkey" });
afterAll(() => stopServers([server]));

describeBroker("Valkey, one server", async () => makeHarness(server.url, server.port));
