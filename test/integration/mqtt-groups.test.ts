// Owns: shared subscriptions of MQTT on two nodes: each message goes to one member, also when
// members and nodes come and go.
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { MemoryBroker } from "@holdfast/core";
import { patience } from "../patience.ts";
import { connectMqtt, type TestClient } from "./mqtt-client.ts";
import { sharedBroker, startNode, type TestNode, until } from "./start-node.ts";

setDefaultTimeout(patience(60_000));

const OPEN = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
let broker: MemoryBroker;
let nodes: TestNode[];
const clients: TestClient[] = [];

const start = (): Promise<TestNode> =>
  startNode({
    broker,
    contract: {
      channels: {
        "closed:{name}": { permissions: { subscribe: "token" } },
        "jobs:{kind}": { permissions: OPEN, history: { size: 10_000 } },
      },
    },
    env: {
      HOLDFAST_MQTT_TRANSPORTS: "tcp",
      HOLDFAST_MQTT_PORT: "0",
      HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "2000",
      HOLDFAST_MQTT_TOPICS: JSON.stringify({
        "jobs/+kind/#rest": "jobs:{kind}",
        "closed/+name": "closed:{name}",
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

async function connect(index: number): Promise<TestClient> {
  const client = await connectMqtt(`mqtt://127.0.0.1:${nodes[index]?.node.mqttPort}`);
  clients.push(client);
  return client;
}

const SHARED = "$share/workers/jobs/paint/#";
const numbersOf = (members: readonly TestClient[]): number[] =>
  members.flatMap(({ received }) => received.map(({ text }) => Number(text)));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test("each message goes to one member, and every member gets some", async () => {
  const members = [await connect(0), await connect(0)];
  for (const { client } of members) await client.subscribeAsync(SHARED, { qos: 1 });
  const boss = await connect(1);
  const count = 200;
  await Promise.all(
    upTo(count).map((n) => boss.client.publishAsync("jobs/paint/x", String(n), { qos: 1 })),
  );
  await until("all arrived", () => numbersOf(members).length >= count);
  expect(numbersOf(members).toSorted((a, b) => a - b)).toEqual(upTo(count));
  for (const { received } of members) expect(received.length).toBeGreaterThan(count / 4);
});

test("a second node takes its part, and what a member leaves goes to the others", async () => {
  const first = await connect(0);
  await first.client.subscribeAsync(SHARED, { qos: 1 });
  const second = await connect(1);
  await second.client.subscribeAsync(SHARED, { qos: 1 });
  const boss = await connect(1);
  let sent = 0;
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++, sent++)
      await boss.client.publishAsync("jobs/paint/x", String(sent), { qos: 1 });
  };
  await until(
    "the second node hands out its part",
    async () => {
      await send(8);
      return second.received.length > 0;
    },
    20_000,
  );
  first.cut();
  await send(40);
  await until(
    "the other node hands out everything",
    () => new Set(numbersOf([first, second])).size === sent,
    30_000,
  );
});

test("what cannot be shared is refused with its reason", async () => {
  const { client } = await connect(0);
  const grantedOf = (filter: string): Promise<number | undefined> =>
    client.subscribeAsync(filter, { qos: 1 }).then(
      ([granted]) => granted?.qos,
      (error: { readonly packet?: { readonly granted?: readonly number[] } }) =>
        error.packet?.granted?.[0],
    );
  expect(await grantedOf("$share/g/jobs/+/x")).toBe(0x9e);
  expect(await grantedOf("$share/g/nothing")).toBe(0x9e);
  expect(await grantedOf("$share/g/closed/a")).toBe(0x87);
});
