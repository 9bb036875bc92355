import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const contract = { channels: { "fast:{room}": { class: "volatile" } } } as const;
const { lagBytes, queueBytesMax, lagMsMax } = TEST_SETTINGS.flow;

async function subscribed() {
  const node = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = await node.connect();
  await client.send({ t: "subscribe", id: 2, ch: "fast:a" });
  await client.take();
  return { ...node, client };
}
const press = (client: HandClient, bytes: number): void => {
  client.link.buffered = bytes;
  client.connection.checkPressure();
};

test("a connection lags above lagBytes, and takes more again from half of them", async () => {
  const { client, settle, observed } = await subscribed();
  press(client, lagBytes);
  expect(client.connection.lagging).toBe(false);
  press(client, lagBytes + 1);
  expect(client.connection.lagging).toBe(true);
  expect(observed.filter((line) => line.startsWith("slowConsumer"))).toHaveLength(1);
  press(client, lagBytes + 2);
  expect(observed.filter((line) => line.startsWith("slowConsumer"))).toHaveLength(1);
  await settle();
});

test("a connection is closed above queueBytesMax, not at it", async () => {
  const { client, observed } = await subscribed();
  press(client, queueBytesMax);
  expect(client.link.closedWith).toBeUndefined();
  press(client, queueBytesMax + 1);
  expect(client.link.closedWith?.reason).toBe("slow_consumer");
  expect(observed).toContain("slowConsumer disconnect");
  press(client, queueBytesMax + 1);
  expect(observed.filter((line) => line === "slowConsumer disconnect")).toHaveLength(1);
});

test("a connection that lags for longer than lagMsMax is closed, one that recovers is not", async () => {
  const { client, connect, advance } = await subscribed();
  const other = await connect();
  press(client, lagBytes + 1);
  press(other, lagBytes + 1);
  await advance(lagMsMax - 1000);
  await other.drain();
  press(other, lagBytes + 1);
  await advance(3000);
  expect(client.link.closedWith?.reason).toBe("slow_consumer");
  expect(other.link.closedWith).toBeUndefined();
});

test("a link whose room nobody told is looked at all the same", async () => {
  const { client, engine, advance } = await subscribed();
  press(client, lagBytes + 1);
  client.link.buffered = lagBytes / 2;
  await advance(2000);
  expect(client.connection.lagging).toBe(false);
  await engine.publish("fast:a", { payload: { kind: "json", text: "1" } });
  expect((await client.take()).map(({ t }) => t)).toEqual(["pub"]);
});
