// Owns: MQTT with a library of others: versions, transports, qualities of service, tokens, and the
// other doors on the same channels.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { SignJWT } from "jose";
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { patience } from "../patience.ts";
import { until as eventually, startNode, type TestNode } from "./start-node.ts";

const SECRET = "the secret that signs tokens in this test";
const OPEN = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;

let running: TestNode;
const clients: MqttClient[] = [];

beforeAll(async () => {
  running = await startNode({
    contract: {
      channels: {
        "telemetry:{site}": { permissions: OPEN },
        "closed:{name}": { permissions: { subscribe: "token", publish: "token" } },
        "{rest*}": { permissions: OPEN },
      },
    },
    env: {
      // A token that is refused costs its address as much again as it has used of its share, and
      // these clients do not come back by themselves.
      HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: "100000",
      HOLDFAST_MQTT_TRANSPORTS: "tcp,websocket",
      HOLDFAST_MQTT_PORT: "0",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_MQTT_TOPICS: JSON.stringify({
        "telemetry/+site/#rest": "telemetry:{site}",
        "closed/+name": "closed:{name}",
        "#topic": "{topic}",
      }),
    },
  });
});
afterAll(async () => {
  for (const client of clients) client.end(true);
  await running.node.stop();
  expect(running.bugs).toEqual([]);
});

interface Received {
  readonly topic: string;
  readonly text: string;
  readonly packet: IPublishPacket;
}

async function connect(options: IClientOptions & { readonly ws?: boolean } = {}) {
  const { ws = false, ...rest } = options;
  const url = ws ? `${running.url}` : `mqtt://127.0.0.1:${running.node.mqttPort}`;
  const client = mqtt.connect(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: patience(5000),
    ...rest,
  });
  clients.push(client);
  const received: Received[] = [];
  const waiting: (() => void)[] = [];
  client.on("message", (topic, payload, packet) => {
    received.push({ topic, text: payload.toString(), packet });
    for (const wake of waiting.splice(0)) wake();
  });
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
  });
  const until = async (count: number): Promise<readonly Received[]> => {
    while (received.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return received;
  };
  return { client, received, until };
}

for (const protocolVersion of [4, 5] as const)
  for (const ws of [false, true])
    for (const qos of [0, 1, 2] as const)
      test(`version ${protocolVersion}, ${ws ? "WebSocket" : "TCP"}, QoS ${qos}: in order, once`, async () => {
        const topic = `room/${protocolVersion}${ws}${qos}`;
        const a = await connect({ protocolVersion, ws });
        const b = await connect({ protocolVersion, ws });
        expect(await b.client.subscribeAsync(topic, { qos })).toMatchObject([{ topic, qos }]);
        const texts = Array.from({ length: 50 }, (_, index) => `message ${index}`);
        await Promise.all(texts.map((text) => a.client.publishAsync(topic, text, { qos })));
        const heard = await b.until(texts.length);
        expect(heard.map(({ text }) => text)).toEqual(texts);
        expect(heard.every(({ packet }) => packet.qos === qos)).toBe(true);
      });

describe("channels", () => {
  test("a level that the channel does not name is told to MQTT's clients all the same", async () => {
    const device = await connect();
    const reader = await connect();
    await reader.client.subscribeAsync("telemetry/north/+/temp", { qos: 1 });
    await device.client.publishAsync("telemetry/north/d1/temp", "21.5", { qos: 1 });
    await device.client.publishAsync("telemetry/north/d1/noise", "3", { qos: 1 });
    await device.client.publishAsync("telemetry/north/d2/temp", "19", { qos: 1 });
    const heard = await reader.until(2);
    expect(heard.map(({ topic, text }) => [topic, text])).toEqual([
      ["telemetry/north/d1/temp", "21.5"],
      ["telemetry/north/d2/temp", "19"],
    ]);
  });

  test("a browser reads what a device says as JSON, and the device what the browser says", async () => {
    const device = await connect();
    const browser = new Holdfast(running.url);
    const read: unknown[] = [];
    const subscription = browser
      .channel("telemetry:south")
      .subscribe(({ data }) => read.push(data));
    await subscription.ready;
    await device.client.subscribeAsync("telemetry/south/#", { qos: 1 });
    await device.client.publishAsync("telemetry/south/d1", '{"value": 21.5}', { qos: 1 });
    await eventually("the browser reads it", () => read.length > 0);
    expect(read).toEqual([{ value: 21.5 }]);
    await browser.channel("telemetry:south").publish({ go: true });
    const heard = await device.until(2);
    expect(heard.map(({ text }) => text)).toEqual(['{"value": 21.5}', '{"go":true}']);
    browser.close();
  });

  test("a filter with a wildcard finds channels that come later, with what they keep", async () => {
    const reader = await connect();
    await reader.client.subscribeAsync("telemetry/+/late", { qos: 1 });
    const device = await connect();
    for (const site of ["x1", "x2", "x3"])
      await device.client.publishAsync(`telemetry/${site}/late`, site, { qos: 1 });
    const heard = await reader.until(3);
    expect(heard.map(({ text }) => text).toSorted()).toEqual(["x1", "x2", "x3"]);
  });
});

describe("rights", () => {
  const token = (caps: unknown): Promise<string> =>
    new SignJWT({ channels: caps })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("device-7")
      .setExpirationTime("1 h")
      .sign(new TextEncoder().encode(SECRET));

  test("the password is a token; a wrong one is refused with a reason of each version", async () => {
    for (const protocolVersion of [4, 5] as const) {
      const options = { protocolVersion, username: "device-7" };
      const password = await token([]);
      const good = await connect({ ...options, password });
      expect(good.client.connected).toBe(true);
      const bad = connect({ ...options, password: `${password}x` });
      await expect(bad).rejects.toMatchObject({ code: protocolVersion === 4 ? 4 : 0x86 });
    }
  });

  test("what a client may not do is refused with a reason", async () => {
    const nobody = await connect();
    const [granted] = await nobody.client
      .subscribeAsync("closed/a", { qos: 1 })
      .catch((error: { readonly packet?: { readonly granted: readonly number[] } }) =>
        (error.packet?.granted ?? []).map((qos) => ({ qos })),
      );
    expect(granted?.qos).toBe(0x87);
    const publishing = nobody.client.publishAsync("closed/a", "1", { qos: 1 });
    await expect(publishing).rejects.toMatchObject({ code: 0x87 });
  });

  test("a second client with the identifier ends the first, but not one of another user", async () => {
    const clientId = "one-and-only";
    const first = await connect({ clientId });
    const other = await connect({ clientId, username: "device-7", password: await token([]) });
    const told = new Promise((resolve) => first.client.once("disconnect", resolve));
    await connect({ clientId });
    expect(await told).toMatchObject({ reasonCode: 0x8e });
    expect(other.client.connected).toBe(true);
  });
});
