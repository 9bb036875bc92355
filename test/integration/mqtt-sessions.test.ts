// Owns: sessions of MQTT that outlive their connection, on two nodes over one broker: what was
// missed, take-over, retained messages, wills, drains.
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { MemoryBroker } from "@holdfast/core";
import type { IClientOptions } from "mqtt";
import { patience } from "../patience.ts";
import { connectMqtt, type TestClient } from "./mqtt-client.ts";
import { sharedBroker, startNode, type TestNode, until } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const OPEN = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const KEPT = { sessionExpiryInterval: 600 };

let broker: MemoryBroker;
let nodes: TestNode[];
const clients: TestClient[] = [];

const start = (): Promise<TestNode> =>
  startNode({
    broker,
    contract: {
      channels: {
        "kept:{name}": { class: "latest", permissions: OPEN },
        "{rest*}": { permissions: OPEN, history: { size: 10_000 } },
      },
    },
    env: {
      HOLDFAST_MQTT_TRANSPORTS: "tcp",
      HOLDFAST_MQTT_PORT: "0",
      HOLDFAST_DRAIN_WINDOW_MS: "1000",
      HOLDFAST_MQTT_TOPICS: JSON.stringify({
        "home/+room/#rest": { channel: "home:{room}", retained: "kept:{room}" },
        "state/+name": "kept:{name}",
        "#topic": "{topic}",
      }),
    },
  });

beforeEach(async () => {
  broker = sharedBroker();
  nodes = [await start(), await start()];
});
afterEach(async () => {
  for (const { client } of clients.splice(0)) client.end(true);
  for (const { node } of nodes) await node.stop();
  for (const { bugs } of nodes) expect(bugs).toEqual([]);
});

const urlOf = (index: number): string => `mqtt://127.0.0.1:${nodes[index]?.node.mqttPort}`;

async function connect(index: number, options: IClientOptions = {}): Promise<TestClient> {
  const client = await connectMqtt(urlOf(index), options);
  clients.push(client);
  return client;
}

/** A client whose session is kept. */
const kept = (index: number, clientId: string, more: IClientOptions = {}): Promise<TestClient> =>
  connect(index, {
    clientId,
    clean: false,
    resubscribe: false,
    properties: KEPT,
    ...more,
  });

const textsOf = ({ received }: TestClient): readonly string[] => received.map(({ text }) => text);

describe("what was missed", () => {
  for (const protocolVersion of [4, 5] as const)
    for (const qos of [1, 2] as const)
      test(`version ${protocolVersion}, QoS ${qos}: arrives on another node, once and in order`, async () => {
        const { properties: _, ...old } = { protocolVersion, properties: undefined };
        const more = protocolVersion === 4 ? { ...old, properties: undefined as never } : {};
        const before = await kept(0, "device", more);
        expect(before.sessionPresent).toBe(false);
        await before.client.subscribeAsync("jobs/#", { qos });
        const boss = await connect(1);
        await boss.client.publishAsync("jobs/a", "0", { qos });
        await before.until(1);
        await before.end();
        const texts = Array.from({ length: 200 }, (_, index) => String(index + 1));
        await Promise.all(texts.map((text) => boss.client.publishAsync("jobs/a", text, { qos })));
        const after = await kept(1, "device", more);
        expect(after.sessionPresent).toBe(true);
        await after.until(texts.length);
        await boss.client.publishAsync("jobs/a", "end", { qos });
        await after.until(texts.length + 1);
        expect(textsOf(after)).toEqual([...texts, "end"]);
      });

  test("a channel that began while the client was away is read from its beginning", async () => {
    const before = await kept(0, "device");
    await before.client.subscribeAsync("jobs/+/todo", { qos: 1 });
    await before.end();
    const boss = await connect(1);
    for (const name of ["x", "y"])
      await boss.client.publishAsync(`jobs/${name}/todo`, name, { qos: 1 });
    const after = await kept(1, "device");
    await after.until(2);
    expect(textsOf(after).toSorted()).toEqual(["x", "y"]);
  });

  test("a clean start forgets it, and an expiry of 0 keeps nothing", async () => {
    const before = await kept(0, "device");
    await before.client.subscribeAsync("jobs/a", { qos: 1 });
    await before.end();
    const clean = await kept(1, "device", { clean: true });
    expect(clean.sessionPresent).toBe(false);
    await clean.end();
    const short = await kept(0, "other", { properties: { sessionExpiryInterval: 0 } });
    await short.client.subscribeAsync("jobs/a", { qos: 1 });
    await short.end();
    expect((await kept(1, "other")).sessionPresent).toBe(false);
  });
});

describe("take-over", () => {
  test("a client on another node ends the older connection at once, with 0x8E", async () => {
    const first = await kept(0, "device");
    await first.client.subscribeAsync("jobs/a", { qos: 1 });
    const told = new Promise((resolve) => first.client.once("disconnect", resolve));
    const second = await kept(1, "device");
    expect(second.sessionPresent).toBe(true);
    expect(await told).toMatchObject({ reasonCode: 0x8e });
  });

  test("two clients that fight for an identifier lose nothing, and hurt nobody else", async () => {
    const other = await connect(0);
    await other.client.subscribeAsync("jobs/a", { qos: 1 });
    const boss = await connect(1);
    const seen = new Set<string>();
    let last: TestClient | undefined;
    for (let round = 0; round < 20; round++) {
      last = await kept(round % 2, "device");
      last.client.on("message", (_topic, payload) => seen.add(payload.toString()));
      if (round === 0) await last.client.subscribeAsync("jobs/a", { qos: 1 });
      await boss.client.publishAsync("jobs/a", String(round), { qos: 1 });
    }
    await until("the last one has seen the rest", () => seen.size === 20);
    await other.until(20);
    expect(textsOf(other)).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
  });
});

describe("retained", () => {
  test("a new subscription gets what each topic keeps; an empty message removes it", async () => {
    const device = await connect(0);
    for (const [topic, text] of [
      ["home/hall/light", "on"],
      ["home/hall/heat", "21"],
      ["home/hall/light", "off"],
      ["home/attic/light", "dim"],
    ] as const)
      await device.client.publishAsync(topic, text, { qos: 1, retain: true });
    const reader = await connect(1);
    await reader.client.subscribeAsync("home/hall/#", { qos: 1 });
    await reader.until(2);
    expect(
      reader.received.map(({ topic, text, packet }) => [topic, text, packet.retain]).toSorted(),
    ).toEqual([
      ["home/hall/heat", "21", true],
      ["home/hall/light", "off", true],
    ]);
    await device.client.publishAsync("home/hall/light", "", { qos: 1, retain: true });
    await reader.until(3);
    expect(reader.received[2]).toMatchObject({ topic: "home/hall/light", text: "" });
    expect(reader.received[2]?.packet.retain).toBe(false);
    const later = await connect(0);
    await later.client.subscribeAsync("home/+/light", { qos: 1 });
    await later.until(1);
    expect(later.received.map(({ topic, text }) => [topic, text])).toEqual([
      ["home/attic/light", "dim"],
    ]);
  });

  test("what is published at QoS 0 right before DISCONNECT is retained, too", async () => {
    const device = await connect(0);
    const publishing = device.client.publishAsync("home/hall/light", "on", { retain: true });
    await Promise.all([publishing, device.end()]);
    const reader = await connect(1);
    await reader.client.subscribeAsync("home/hall/light", { qos: 1 });
    await reader.until(1);
    expect(textsOf(reader)).toEqual(["on"]);
  });

  test("a channel of class latest keeps each of its topics", async () => {
    const device = await connect(0);
    await device.client.publishAsync("state/pump", '{"on":true}', { qos: 1 });
    const reader = await connect(1);
    await reader.client.subscribeAsync("state/pump", { qos: 1 });
    await reader.until(1);
    expect(reader.received[0]).toMatchObject({ text: '{"on":true}' });
    expect(reader.received[0]?.packet.retain).toBe(true);
  });

  test("retain handling says whether a subscription gets them", async () => {
    const device = await connect(0);
    await device.client.publishAsync("home/hall/light", "on", { qos: 1, retain: true });
    const reader = await connect(1);
    const subscribe = (rh: 0 | 1 | 2) =>
      reader.client.subscribeAsync("home/hall/light", { qos: 1, rh });
    await subscribe(2);
    await subscribe(1);
    await device.client.publishAsync("home/hall/light", "x", { qos: 1 });
    await reader.until(1);
    await subscribe(0);
    await reader.until(2);
    expect(textsOf(reader)).toEqual(["x", "on"]);
  });
});

describe("wills", () => {
  const will = { topic: "wills/a", payload: Buffer.from("gone"), qos: 1 as const, retain: false };

  test("a will comes if the connection breaks, and not after a DISCONNECT", async () => {
    const reader = await connect(1);
    await reader.client.subscribeAsync("wills/a", { qos: 1 });
    const polite = await connect(0, { will });
    await polite.end();
    const rude = await connect(0, { will: { ...will, payload: Buffer.from("rude") } });
    rude.cut();
    await reader.until(1);
    expect(textsOf(reader)).toEqual(["rude"]);
  });

  test("a delayed will is void if the client comes back on another node in time", async () => {
    const reader = await connect(1);
    await reader.client.subscribeAsync("wills/a", { qos: 1 });
    const delayed = (text: string) => ({
      will: { ...will, payload: Buffer.from(text), properties: { willDelayInterval: 1 } },
    });
    (await kept(0, "returns", delayed("void"))).cut();
    (await kept(0, "stays away", delayed("due"))).cut();
    await kept(1, "returns");
    await reader.until(1);
    expect(textsOf(reader)).toEqual(["due"]);
  });

  test("a will that the client may not publish refuses the connection", async () => {
    const wrong = { ...will, topic: "$SYS/a" };
    await expect(connect(0, { will: wrong })).rejects.toMatchObject({ code: 0x90 });
  });
});

test("a gap is told to whoever asked for it", async () => {
  const reader = await connect(0);
  const [granted] = await reader.client.subscribeAsync("$holdfast/gap");
  expect(granted).toMatchObject({ qos: 0 });
});

test("a drain sends each client to another node, which goes on: nothing is lost or doubled", async () => {
  const servers = nodes.map(({ node }) => ({ host: "127.0.0.1", port: node.mqttPort }));
  const told: number[] = [];
  const roaming = async (clientId: string): Promise<TestClient> => {
    const client = await kept(0, clientId, { servers, reconnectPeriod: 20 });
    client.client.on("disconnect", ({ reasonCode = 0 }) => told.push(reasonCode));
    return client;
  };
  const [once, twice, device] = await Promise.all(["one", "two", "three"].map(roaming));
  await once?.client.subscribeAsync("load/a", { qos: 1 });
  await twice?.client.subscribeAsync("load/a", { qos: 2 });
  const texts: string[] = [];
  const publishing: Promise<unknown>[] = [];
  const publish = (): void => {
    const text = String(texts.length);
    texts.push(text);
    publishing.push(device?.client.publishAsync("load/a", text, { qos: 2 }) ?? Promise.resolve());
  };
  for (let index = 0; index < 100; index++) publish();
  const draining = nodes[0]?.node.drain();
  while (told.length < 3) {
    publish();
    await Bun.sleep(2);
  }
  await draining;
  for (let index = 0; index < 100; index++) publish();
  await Promise.all(publishing);
  expect(told).toEqual([0x9c, 0x9c, 0x9c]);
  await twice?.until(texts.length);
  const numbers = (client: TestClient | undefined) =>
    client === undefined ? [] : textsOf(client).map(Number);
  const ascending = texts.map(Number);
  expect(numbers(twice).toSorted((a, b) => a - b)).toEqual(ascending);
  await until("QoS 1 has all", () => new Set(numbers(once)).size === texts.length);
});
