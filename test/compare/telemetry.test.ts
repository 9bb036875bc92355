// Checks that every MQTT broker that is compared does the work that is measured: short runs, whose
// figures nobody compares.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BROKER_NAMES, Brokers, measureFlow, measureMemory } from "@holdfast/lab/telemetry-bench";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(import.meta.dir, "../../.cache/telemetry-bench-test-"));
const pinning = { text: undefined, onServerCore: (command: readonly string[]) => command };
const brokers = new Brokers({ folder, pinning });
afterAll(async () => {
  await brokers.stopAll();
  rmSync(folder, { recursive: true });
});

const rules = { payloadBytes: 100, warmUpMessages: 50, leadMs: 100, windowMs: 500 };

for (const name of BROKER_NAMES) {
  test(`${name} delivers every message of QoS 1 to every subscriber once, and its CPU and memory are read`, async () => {
    const broker = await brokers.start(name, 500);
    try {
      expect(broker.version).toMatch(/\d/);
      const size = { publishers: 3, subscribers: 4, messagesPerSecond: 100 };
      const flow = await measureFlow(broker, size, rules);
      expect(flow.wrong).toBe(0);
      expect(flow.messages).toBeGreaterThan(0);
      expect(flow.deliveries).toBe(flow.messages * 4);
      expect(flow.ackP99Ms).toBeGreaterThan(0);
      expect(flow.redisUsPerMessage === undefined).toBe(name !== "holdfast-redis");
      const memory = { connections: [20, 60], quietMs: 50, readings: 1 } as const;
      const idle = await measureMemory(broker, memory, true);
      expect(Number.isFinite(idle.betweenBytes)).toBe(true);
      expect(broker.usage().rssBytes).toBeGreaterThan(2 ** 20);
    } finally {
      await broker.stop();
    }
  });
}
