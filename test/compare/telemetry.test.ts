// Checks that every MQTT broker and stream processor that is compared does the work that is
// measured: short runs, whose figures nobody compares.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  BROKER_NAMES,
  Brokers,
  ENGINE_NAMES,
  Engines,
  Feed,
  measureFlow,
  measureMemory,
  measurePipeline,
  TOPICS,
} from "@holdfast/lab/telemetry-bench";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(import.meta.dir, "../../.cache/telemetry-bench-test-"));
const pinning = { text: undefined, onServerCore: (command: readonly string[]) => command };
const brokers = new Brokers({ folder, pinning });
const engines = new Engines({ folder, pinning });
afterAll(async () => {
  await brokers.stopAll();
  await engines.stopAll();
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

const flow = { perSecond: 500, devices: 20, disorderMs: 100, settleMs: patience(20_000) };

for (const name of ENGINE_NAMES) {
  test(`${name} gives every window of every device once, with the right figures`, async () => {
    const feed = await Feed.start(folder);
    try {
      for (const topic of Object.values(TOPICS)) await feed.make(topic);
      const engine = await engines.start(name, feed.port);
      // Its consumer has joined its group.
      await Bun.sleep(1500);
      const rules = { ...flow, warmUpMs: 500, measuredMs: 1000 };
      const figures = await measurePipeline(engine, feed, rules);
      expect(figures.wrong).toBe(0);
      expect(figures.results).toBeGreaterThanOrEqual(20);
      expect(figures.eventsPerCpuSecond).toBeGreaterThan(0);
      expect(figures.redisUsPerEvent === undefined).toBe(name !== "holdfast-redis");
      await engine.stop();
    } finally {
      await feed.stop();
    }
  });
}
