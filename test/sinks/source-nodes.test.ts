// Owns: sources of real nodes, declared in YAML: two nodes over one Redis, of which one reads and
// is killed. Every record is in its channel once, and every one is in a window.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastApi } from "@holdfast/api";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { freshPrefix } from "../redis/harness.ts";
import { startServer, stopServers, type TestServer } from "../redis/servers.ts";
import {
  KAFKA_USER,
  type LogRecord,
  NATS_USER,
  startKafka,
  startNats,
  type TestLog,
} from "./logs.ts";

setDefaultTimeout(patience(90_000));

const API_KEY = "test-key-of-the-sources-0123456789abcdef";
const folder = mkdtempSync(join(tmpdir(), "holdfast-source-nodes-"));
let redis: TestServer;
let logs: Readonly<Record<"kafka" | "nats", TestLog>>;
beforeAll(async () => {
  redis = await startServer({ persistence: "none" });
  logs = { kafka: await startKafka(folder), nats: await startNats(folder) };
  for (const site of ["north", "south"]) await logs.kafka.make(`plant.${site}`);
  await logs.nats.make("readings");
});
afterAll(async () => {
  for (const log of Object.values(logs ?? {})) await log.power.kill();
  await stopServers([redis]);
  rmSync(folder, { recursive: true, force: true });
});

const HISTORY = { size: 20_000, ttlMs: 600_000 };
const CHANNELS = {
  "kafka:{site}": { history: HISTORY },
  "nats:{site}": { history: HISTORY },
  "counts:{site}": { history: HISTORY },
  dead: { history: HISTORY },
};

const yaml = (): string => `
sources:
  fromKafka:
    kafka:
      brokers: ["${logs.kafka.address}"]
      topics: ["plant.{site}"]
      usernameFrom: KAFKA_USER
      passwordFrom: KAFKA_PASSWORD
    channel: "kafka:{site}"
    dead: dead
  fromNats:
    nats:
      servers: ["${logs.nats.address}"]
      stream: readings
      subjects: ["readings.{site}.{device}"]
      usernameFrom: NATS_USER
      passwordFrom: NATS_PASSWORD
    channel: "nats:{site}"
    dead: dead
pipelines:
  counts:
    from: "kafka:{site}"
    steps:
      - window: { counting: 100, key: { site: params.site } }
        aggregate: { n: count, total: { sum: value.n } }
      - to: { channel: "counts:{site}" }
`;

interface Node {
  readonly command: RunningCommand;
  readonly api: HoldfastApi;
  metrics(): Promise<string>;
}

async function startNode(id: string, prefix: string): Promise<Node> {
  const file = join(folder, "pipelines.yaml");
  writeFileSync(file, yaml());
  const [http, internal] = [await freePort(), await freePort()];
  const command = startCommand(["serve", "--pipelines", file], {
    env: {
      HOLDFAST_NODE_ID: id,
      ...{ HOLDFAST_HOST: "127.0.0.1", HOLDFAST_INTERNAL_HOST: "127.0.0.1" },
      ...{ HOLDFAST_PORT: String(http), HOLDFAST_INTERNAL_PORT: String(internal) },
      ...{ HOLDFAST_AUTH_ANONYMOUS: "true", HOLDFAST_AUTH_INSECURE: "true" },
      HOLDFAST_BROKER_URL: `${redis.url}?prefix=${prefix}`,
      HOLDFAST_CHANNELS: JSON.stringify(CHANNELS),
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "test", key: API_KEY, scopes: ["*"] }]),
      ...{ KAFKA_USER: KAFKA_USER.name, KAFKA_PASSWORD: KAFKA_USER.password },
      ...{ NATS_USER: NATS_USER.name, NATS_PASSWORD: NATS_USER.password },
    },
  });
  await command.until((output) => output.includes("node_listening"));
  return {
    command,
    api: new HoldfastApi(`http://127.0.0.1:${http}`, { apiKey: API_KEY }),
    metrics: async () => (await fetch(`http://127.0.0.1:${internal}/metrics`)).text(),
  };
}

async function historyOf(api: HoldfastApi, channel: string): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const { data } of api.historyStream(channel, { onGap: () => {} })) found.push(data);
  return found;
}

async function until(sentence: string, condition: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patience(40_000);
  while (!(await condition().catch(() => false))) {
    if (performance.now() > untilMs) throw new Error(`not in time: ${sentence}`);
    await Bun.sleep(50);
  }
}

const SITES = ["north", "south"];
/** Records from `first` on, for both sites in turn. */
const records = (kind: "kafka" | "nats", first: number, count: number): LogRecord[] =>
  Array.from({ length: count }, (_, i) => {
    const n = first + i;
    const site = SITES[n % 2];
    const name = kind === "kafka" ? `plant.${site}` : `readings.${site}.d${n % 5}`;
    return { name, key: `d${n % 5}`, value: { n } };
  });

const reads = async ({ metrics }: Node, source: string): Promise<boolean> =>
  new RegExp(`holdfast_source_reading\\{[^}]*source="${source}"[^}]*\\} 1`).test(await metrics());

test("P1: records of Kafka and NATS are in their channels once, in order, over the death of the node that reads", async () => {
  const prefix = freshPrefix();
  const nodes = [await startNode("node-1", prefix), await startNode("node-2", prefix)] as const;
  try {
    await logs.kafka.add(records("kafka", 0, 400));
    await logs.nats.add(records("nats", 0, 400));
    await logs.nats.add([{ name: "readings.north.d0", key: "", value: undefined }]);
    const [first] = nodes;
    await until(
      "some have come",
      async () => (await historyOf(first.api, "kafka:north")).length > 9,
    );
    const readsFirst = await reads(nodes[0], "fromKafka");
    const [dies, lives] = readsFirst ? nodes : ([nodes[1], nodes[0]] as const);
    expect(await reads(lives, "fromKafka")).toBe(false);
    // In the middle of a flood.
    const flood = (async () => {
      for (let at = 400; at < 2_000; at += 100) {
        await logs.kafka.add(records("kafka", at, 100));
        await logs.nats.add(records("nats", at, 100));
      }
    })();
    await until(
      "the flood has begun",
      async () => (await historyOf(lives.api, "kafka:north")).length > 250,
    );
    dies.command.signal("SIGKILL");
    await dies.command.ended().catch(() => {});
    await flood;
    for (const kind of ["kafka", "nats"] as const)
      for (const [at, site] of SITES.entries()) {
        const expected = Array.from({ length: 1_000 }, (_, i) => 2 * i + at);
        const channel = `${kind}:${site}`;
        await until(
          `${channel} has all`,
          async () => (await historyOf(lives.api, channel)).length >= expected.length,
        );
        const found = (await historyOf(lives.api, channel)).map(
          (data) => (data as { n: number }).n,
        );
        expect(found.toSorted((a, b) => a - b)).toEqual(expected);
        for (let device = 0; device < 5; device++) {
          const own = found.filter((n) => n % 5 === device);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
      }
    await until(
      "every record is in a window",
      async () => (await historyOf(lives.api, "counts:south")).length >= 10,
    );
    const windows = await historyOf(lives.api, "counts:south");
    expect(windows.map((data) => (data as { n: number }).n)).toEqual(Array(10).fill(100));
    const total = windows.reduce((sum: number, data) => sum + (data as { total: number }).total, 0);
    expect(total).toBe(1_000_000);
    expect(await reads(lives, "fromKafka")).toBe(true);
    for (const { command } of nodes) expect(command.output()).not.toContain("secret-of");
  } catch (error) {
    for (const { command, metrics } of nodes) {
      const series = await metrics().catch(() => "");
      const own = series
        .split("\n")
        .filter(
          (line) => line.startsWith("holdfast_source") || line.startsWith("holdfast_pipeline"),
        );
      console.error(command.output(), own.join("\n"));
    }
    throw error;
  } finally {
    for (const { command } of nodes) command.signal("SIGKILL");
  }
});
