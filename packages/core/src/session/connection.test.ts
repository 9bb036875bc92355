import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import type { DoorCodec } from "../door.ts";
import { Connection, type Flusher } from "./connection.ts";

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

/** A connection whose charges and flushes are noted. */
function alone() {
  const noted: string[] = [];
  const link = new HandLink();
  const flusher = {
    add: () => noted.push("add"),
    charge: ({ answered }: Connection) => noted.push(`charge ${answered}`),
    pressed: () => noted.push("pressed"),
  } as unknown as Flusher;
  const codec = { encode: ({ t }: { t: string }) => t } as unknown as DoorCodec;
  const connection = new Connection({
    link,
    codec,
    codecNumber: 3,
    owner: "o",
    nowMs: 70,
    flusher,
  });
  return { connection, link, noted };
}

test("a connection that was just opened is nobody's, asks for nothing and was told nothing", () => {
  const { connection } = alone();
  expect(connection).toMatchObject({
    codecNumber: 3,
    openedMs: 70,
    phase: "opening",
    migrates: false,
    toldToLeave: false,
    lagging: false,
    queued: false,
    overdrawn: false,
  });
  expect(connection.view).toEqual({ id: "", address: "127.0.0.1" });
  connection.identity = { user: "ada", info: { age: 36 } };
  expect(connection.view).toEqual({
    id: "",
    address: "127.0.0.1",
    user: "ada",
    info: { age: 36 },
  });
});

test("answers are charged when 4096 bytes have gathered, and what nobody asked for is not", () => {
  const { connection, noted } = alone();
  connection.push({ t: "x".repeat(5000) } as never);
  connection.answer("x".repeat(4000));
  connection.charge(95);
  expect(noted).toEqual(["add"]);
  connection.send({ t: "x" } as never);
  expect(noted).toEqual(["add", "charge 4096"]);
});

test("what is added in one turn is handed over once, in order, and nothing to one that has ended", () => {
  const { connection, link, noted } = alone();
  for (const frame of ["a", "b", "c"]) connection.enqueue(frame);
  expect([connection.outLength, noted]).toEqual([3, ["add"]]);
  connection.flush();
  connection.flush();
  expect([link.messages, connection.outLength]).toEqual([["a", "b", "c"], 0]);
  connection.enqueue("d");
  expect(noted).toEqual(["add", "add"]);
  connection.flush();
  connection.phase = "ended";
  connection.enqueue("e");
  connection.flush();
  expect([link.messages, noted]).toEqual([
    ["a", "b", "c", "d"],
    ["add", "add"],
  ]);
});

test("a link that could not send all is known as one that queues, and is looked at", () => {
  const { connection, link, noted } = alone();
  connection.enqueue("a");
  connection.flush();
  expect([connection.queued, noted]).toEqual([false, ["add"]]);
  link.stalled = true;
  connection.enqueue("b");
  connection.flush();
  expect([connection.queued, noted]).toEqual([true, ["add", "add", "pressed"]]);
});

test("room for an answer is kept at once if there is some, and otherwise when it is given back", async () => {
  const { connect, settle } = await start();
  const { connection } = await connect();
  const kept = connection.keepRoom(6000);
  const waiting = connection.keepRoom(10);
  expect([typeof kept, waiting instanceof Promise]).toEqual(["function", true]);
  await settle();
  expect(connection.reserved).toBe(6000);
  if (typeof kept === "function") kept();
  await settle();
  expect(connection.reserved).toBe(10);
  (await waiting)();
  expect(connection.reserved).toBe(0);
});
