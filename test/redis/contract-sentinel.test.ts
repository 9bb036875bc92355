import { afterAll } from "bun:test";
import { describeBroker } from "@holdfast/testkit/contract";
import { makeHarness } from "./harness.ts";
import { startSentinel } from "./servers.ts";

const layout = await startSentinel();
afterAll(() => layout.stop());

describeBroker("Redis behind Sentinels", async () => makeHarness(layout.url));
