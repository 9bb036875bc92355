// Owns: tests of what comes in the wrong moment: behind connect, while a drain begins, and of keys
// that look alike.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, createManualClock, TEST_SETTINGS } from "@holdfast/testkit";

const open = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract: ContractDefinition = {
  channels: { "chat:{room}": { presence: true, permissions: open } },
};
const kinds = (frames: readonly ServerFrame<unknown>[]) => frames.map((frame) => frame.t);

test("a faulty request behind connect is answered behind connected, and the connection goes on", async () => {
  const { open } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = open();
  await client.sendText(
    '{"t":"connect","id":1}\n{"t":"subscribe","id":2,"ch":7}\n{"t":"ping","id":3}',
  );
  expect(await client.take()).toMatchObject([
    { t: "connected" },
    { t: "err", id: 2, name: "request_invalid", path: "ch" },
    { t: "pong", id: 3 },
  ]);
});

test("a fault without an id behind connect ends the connection", async () => {
  const { open } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = open();
  await client.sendText('{"t":"connect","id":1}\n{"t":"nonsense"}');
  expect(await client.take()).toMatchObject([{ t: "goodbye", name: "frame_invalid" }]);
});

test("H6: a client that is still being checked when a drain reaches it is told to come back, not to migrate", async () => {
  const onConnect = () => new Promise<undefined>(() => {});
  const { open, engine, advance } = await createEngineHarness({
    contract: { ...contract, hooks: { onConnect } },
    settings: TEST_SETTINGS,
  });
  const client = open();
  await client.send({ t: "connect", id: 1, migrates: true });
  const drained = engine.drain({ windowMs: 4000, preDelayMs: 0 });
  await advance(100);
  expect(await client.take()).toMatchObject([{ t: "goodbye", name: "draining" }]);
  expect(await drained).toMatchObject({ told: 1, cut: 0, remaining: 0 });
});

test("H6: an order to drain that follows another in its delay brings its own window and a sooner begin", async () => {
  const { connect, engine, advance } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
  });
  const client = await connect({ migrates: true });
  void engine.drain({ windowMs: 600_000, preDelayMs: 60_000 });
  await advance(100);
  void engine.drain({ windowMs: 2000, preDelayMs: 500 });
  await advance(450);
  expect(kinds(await client.take())).toEqual([]);
  await advance(100);
  expect(kinds(await client.take())).toEqual(["migrate"]);
  await advance(2000);
  expect(client.link.closedWith?.code).toBe(1012);
});

test("a drain undone in its delay and ordered again runs once, by the newest order", async () => {
  const { connect, engine, advance } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
  });
  const client = await connect({ migrates: true });
  void engine.drain({ windowMs: 2000, preDelayMs: 1000 });
  await advance(500);
  engine.undrain();
  void engine.drain({ windowMs: 2000, preDelayMs: 1000 });
  await advance(900);
  expect(kinds(await client.take())).toEqual([]);
  await advance(200);
  expect(kinds(await client.take())).toEqual(["migrate"]);
});

test("H3: the idempotency keys of two users never meet, whatever the users are called", async () => {
  const tokens = { a: { user: "a" }, ab: { user: "a:b" } };
  const { connect } = await createEngineHarness({ contract, settings: TEST_SETTINGS, tokens });
  const first = await connect({ token: "a" });
  const second = await connect({ token: "ab" });
  await first.send({ t: "publish", id: 2, ch: "chat:x", idem: "b:k", data: 1 });
  await second.send({ t: "publish", id: 2, ch: "chat:x", idem: "k", data: 2 });
  const [answer] = await second.take();
  expect(answer).toMatchObject({ t: "published", o: 2 });
  expect(answer).not.toHaveProperty("dup");
});

test("a node that is stopped before its broker has answered does not start any more", async () => {
  const clock = createManualClock();
  const { engine, settle } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    clock,
  });
  engine.stop();
  await settle();
  const waiting = clock.waiting();
  await engine.start();
  expect(engine.state).toBe("stopped");
  expect(clock.waiting()).toBe(waiting);
});

test("a node that is stopped keeps no timer and no work", async () => {
  const { engine, connect, advance, broker, clock } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
  });
  const client = await connect();
  await client.send(
    { t: "subscribe", id: 2, ch: "chat:a" },
    { t: "enter", id: 3, ch: "chat:a" },
    { t: "watch", id: 4, ch: "chat:a" },
  );
  await advance(100);
  engine.stop();
  expect(client.link.wasCut).toBe(true);
  engine.stop();
  await advance(30_000);
  broker.close();
  expect(clock.waiting()).toBe(0);
});
