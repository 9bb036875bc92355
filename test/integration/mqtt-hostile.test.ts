// Owns: clients of MQTT that flood, leave at once with wills, or retain too much: they are held
// back, and nobody else is hurt.
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { IClientOptions } from "mqtt";
import { patience } from "../patience.ts";
import { connectMqtt, type TestClient } from "./mqtt-client.ts";
import { startNode, type TestNode, until } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const OPEN = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
let running: TestNode;
const clients: TestClient[] = [];

beforeEach(async () => {
  running = await startNode({
    contract: {
      channels: {
        kept: { class: "latest", history: { size: 100 }, permissions: OPEN },
        "{rest*}": { permissions: OPEN },
      },
    },
    env: {
      HOLDFAST_MQTT_TRANSPORTS: "tcp",
      HOLDFAST_MQTT_PORT: "0",
      HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "1000",
      HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: "100000",
      HOLDFAST_MQTT_TOPICS: JSON.stringify({
        "#topic": { channel: "all", retained: "kept" },
      }),
    },
  });
});
afterEach(async () => {
  for (const { client } of clients.splice(0)) client.end(true);
  await running.node.stop();
  expect(running.bugs).toEqual([]);
});

async function connect(options: IClientOptions = {}): Promise<TestClient> {
  const client = await connectMqtt(`mqtt://127.0.0.1:${running.node.mqttPort}`, options);
  clients.push(client);
  return client;
}

test("who publishes far over its rate is read more slowly, and others go on", async () => {
  const rude = await connect();
  const polite = await connect();
  await polite.client.subscribeAsync("polite", { qos: 1 });
  for (let n = 0; n < 5000; n++) rude.client.publish("rude", String(n), { qos: 0 });
  for (let n = 0; n < 20; n++) await polite.client.publishAsync("polite", String(n), { qos: 1 });
  await polite.until(20);
  expect(rude.client.connected).toBe(true);
});

test("many wills at once all arrive, and the node answers others", async () => {
  const reader = await connect();
  await reader.client.subscribeAsync("wills/#", { qos: 1 });
  const count = 100;
  const leavers: TestClient[] = [];
  for (let n = 0; n < count; n++) {
    const will = { topic: `wills/${n}`, payload: Buffer.from(String(n)), qos: 1, retain: false };
    leavers.push(await connect({ will: will as NonNullable<IClientOptions["will"]> }));
  }
  for (const leaver of leavers) leaver.cut();
  await until("every will came", () => new Set(reader.received.map((r) => r.text)).size === count);
});

test("what is retained is bounded by its channel: the newest topics stay", async () => {
  const rude = await connect();
  for (let n = 0; n < 150; n++)
    await rude.client.publishAsync(`flood/${n}`, "x", { qos: 1, retain: true });
  const reader = await connect();
  await reader.client.subscribeAsync("flood/#", { qos: 1 });
  await reader.until(100);
  const topics = reader.received.map(({ topic }) => Number(topic.split("/")[1]));
  expect(topics.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n + 50));
});
