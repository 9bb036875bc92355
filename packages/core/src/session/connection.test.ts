import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const contract = { channels: { "chat:{room}": { presence: true } } } as const;
const start = () => createEngineHarness({ contract, settings: TEST_SETTINGS });
const lengths = ({ link }: HandClient) => link.messages.splice(0).map(({ length }) => length);
const MIB = 1024 * 1024;

test("frames of one turn are one message of at most 1 MiB; a larger frame has one of its own", async () => {
  const { connect, settle } = await start();
  const client = await connect();
  const send = async (...sizes: readonly number[]) => {
    for (const size of sizes) client.connection.enqueue("x".repeat(size));
    await settle();
    return lengths(client);
  };
  expect(await send(10, 20, 30)).toEqual([62]);
  expect(await send(MIB / 2, MIB / 2, 10)).toEqual([MIB + 1, 10]);
  expect(await send(600_000, 600_000, 600_000)).toEqual([600_000, 600_000, 600_000]);
  expect(await send(10, 2 * MIB, 10)).toEqual([10, 2 * MIB, 10]);
  expect(await send(...Array(2000).fill(1))).toEqual([2 * 1024 - 1, 2 * 976 - 1]);
});

test("a connection says goodbye once, also if its last words are too much for the link", async () => {
  const { connect, observed } = await start();
  const client = await connect();
  client.link.stalled = true;
  client.link.buffered = TEST_SETTINGS.flow.queueBytesMax;
  await client.send({ t: "connect", id: 9 });
  const frames = await client.take();
  expect(frames.map(({ t }) => t)).toEqual(["goodbye"]);
  expect(client.link.closedWith?.reason).toBe("frame_invalid");
  expect(observed.filter((line) => line.startsWith("ended"))).toHaveLength(1);
});

test("a connection that ended keeps nothing: no channel, no member, no message that waited", async () => {
  const { connect, engine } = await start();
  const client = await connect();
  await client.send(
    { t: "subscribe", id: 2, ch: "chat:a" },
    { t: "watch", id: 3, ch: "chat:a" },
    { t: "enter", id: 4, ch: "chat:a" },
  );
  client.link.stalled = true;
  client.connection.enqueue("x".repeat(TEST_SETTINGS.flow.lagBytes + 1));
  await client.send({ t: "ping", id: 5 });
  expect(client.connection.held).toBeDefined();
  await client.lose();
  const { held, early, subscriptions, watches, entries } = client.connection;
  expect(held).toBeUndefined();
  expect(early).toBeUndefined();
  expect([subscriptions?.size, watches?.size, entries?.size]).toEqual([0, 0, 0]);
  expect(engine.info()).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
});

test("a reserved answer gives its room back once, however often it is told", async () => {
  const { connect } = await start();
  const { connection } = await connect();
  const [one, two] = [connection.reserve(3000), connection.reserve(3000)];
  expect(connection.reserved).toBe(6000);
  expect(connection.hasRoom()).toBe(false);
  one();
  one();
  expect(connection.reserved).toBe(3000);
  two();
  expect(connection.reserved).toBe(0);
  expect(connection.hasRoom()).toBe(true);
});

test("a link that does not read and has lost its peer is told to read, so that its end is noticed", async () => {
  const { connect, settle } = await start();
  const client = await connect();
  client.link.stalled = true;
  client.connection.enqueue("x".repeat(TEST_SETTINGS.flow.lagBytes + 1));
  await client.sendText(JSON.stringify({ t: "ping", id: 2, junk: "x".repeat(20_000) }));
  await client.sendText(JSON.stringify({ t: "ping", id: 3 }));
  expect(client.link.paused).toBe(true);
  // The peer is gone: what the node sends next is not taken, and nothing says why.
  client.link.wasCut = true;
  client.connection.enqueue("y");
  await settle();
  expect(client.link.paused).toBe(false);
});
