import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";

const contract = { channels: { "chat:{room}": {} } };

async function node(drain: Partial<typeof TEST_SETTINGS.drain> = {}) {
  const settings = { ...TEST_SETTINGS, drain: { ...TEST_SETTINGS.drain, ...drain } };
  const harness = await createEngineHarness({ contract, settings });
  const { engine, observed, open } = harness;
  return {
    ...harness,
    progress: () => engine.info().drain,
    /** The steps that an operator sees, with their numbers, without the progress. */
    steps: () =>
      observed.flatMap((line) =>
        line.startsWith("drainStep ") ? [line.split(" ").slice(1, 3).join(" ")] : [],
      ),
    /** How the node answers one who comes now. */
    async answer() {
      const client = open();
      await client.send({ t: "connect", id: 1 });
      const [frame] = await client.take();
      return frame?.t === "goodbye" ? frame.name : frame?.t;
    },
  };
}

test("newcomers are taken in until the delay is over, and they count for the drain", async () => {
  const { engine, connect, advance, answer, progress } = await node();
  const client = await connect({ migrates: true });
  void engine.drain({ preDelayMs: 1000, windowMs: 4000 });
  expect(progress()).toMatchObject({ total: 1, remaining: 1, asked: 0, deadlineInMs: 5000 });
  await advance(995);
  expect(await answer()).toBe("connected");
  expect(progress()).toMatchObject({ asked: 0, deadlineInMs: 4005 });
  await advance(5);
  expect(await answer()).toBe("draining");
  expect(progress()).toMatchObject({ total: 2, deadlineInMs: 4000 });
  expect(await client.take()).toEqual([{ t: "migrate", reason: "drain", deadlineMs: 4000 }]);
});

test("a drain of a node that nobody is on ends when its delay does, and is over until it is undone", async () => {
  const { engine, advance, answer, progress, steps } = await node();
  let ended = 0;
  void engine.drain({ preDelayMs: 100 }).then(() => {
    ended += 1;
  });
  await advance(95);
  expect(ended).toBe(0);
  await advance(10);
  expect(ended).toBe(1);
  expect(await engine.drain()).toEqual({
    total: 0,
    remaining: 0,
    asked: 0,
    moved: 0,
    told: 0,
    cut: 0,
    deadlineInMs: 0,
  });
  expect([engine.state, await answer()]).toEqual(["draining", "draining"]);
  expect(steps()).toEqual(["started 0", "finished 0"]);
  expect(engine.undrain()).toBe(true);
  expect([engine.state, progress(), await answer()]).toEqual(["ready", undefined, "connected"]);
  expect(engine.undrain()).toBe(false);
});

test("a further order's window counts from then on; one without a window changes nothing", async () => {
  const { engine, connect, advance, progress, steps } = await node();
  const client = await connect({ migrates: true });
  void engine.drain({ windowMs: 60_000 });
  await advance(1000);
  void engine.drain();
  expect(progress()).toMatchObject({ deadlineInMs: 59_000 });
  const drained = engine.drain({ windowMs: 2110, preDelayMs: 10 });
  expect(progress()).toMatchObject({ deadlineInMs: 2110 });
  await advance(2105);
  expect(client.link.closedWith).toBeUndefined();
  await advance(5);
  expect(client.link.closedWith).toEqual({ code: 1012, reason: "draining" });
  expect(await drained).toMatchObject({ total: 1, cut: 1, remaining: 0, deadlineInMs: 0 });
  expect(steps()).toEqual(["started 1", "migrate 1", "cut 1", "finished 1"]);
});

test("a further order ends the delay sooner, never later, and its window counts", async () => {
  const { engine, connect, advance, progress } = await node();
  await connect({ migrates: true });
  void engine.drain({ preDelayMs: 2000, windowMs: 5000 });
  await advance(500);
  void engine.drain({ preDelayMs: 3000 });
  expect(progress()).toMatchObject({ deadlineInMs: 6500 });
  void engine.drain({ preDelayMs: 1000, windowMs: 7000 });
  expect(progress()).toMatchObject({ deadlineInMs: 8000 });
  await advance(1000);
  expect(progress()).toMatchObject({ asked: 1, deadlineInMs: 7000 });
  // The end of the first delay begins nothing again.
  await advance(1000);
  expect(progress()).toMatchObject({ asked: 1, deadlineInMs: 6000 });
});

test("a drain that is undone counts anew the next time, and lets those stay whom it asked", async () => {
  const { engine, connect, advance, progress, steps, answer } = await node();
  const [asked, plain] = [await connect({ migrates: true }), await connect()];
  expect(engine.undrain()).toBe(false);
  const first = engine.drain({ windowMs: 4000 });
  await advance(1000);
  expect(progress()).toMatchObject({ total: 2, asked: 1, told: 1 });
  expect(plain.link.closedWith?.reason).toBe("draining");
  expect(engine.undrain()).toBe(true);
  expect(await first).toMatchObject({ remaining: 1, asked: 0, told: 1 });
  expect(steps()).toEqual(["started 2", "migrate 1", "goodbye 1", "undone 1"]);
  await advance(10_000);
  expect(asked.link.closedWith).toBeUndefined();
  expect(await answer()).toBe("connected");
  void engine.drain({ preDelayMs: 1000 });
  expect(progress()).toMatchObject({ total: 2, asked: 0, moved: 0, told: 0, cut: 0 });
  // It is not asked yet: it does not count as one that was.
  await asked.send({ t: "bye", moved: true });
  expect(progress()).toMatchObject({ remaining: 1, asked: 0, moved: 1 });
});

test("a drain that is undone in its delay asks nobody", async () => {
  const { engine, connect, advance, steps, progress } = await node();
  await connect({ migrates: true });
  void engine.drain({ preDelayMs: 1000 });
  await advance(500);
  expect(engine.undrain()).toBe(true);
  await advance(2000);
  expect(steps()).toEqual(["started 1", "undone 1"]);
  expect(progress()).toBeUndefined();
});

test("only who says that it moved counts as moved, and who left before its turn is not asked", async () => {
  const { engine, connect, advance, progress } = await node({ perSecondMax: 2 });
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await connect({ migrates: true }));
  void engine.drain({ windowMs: 60_000 });
  await advance(5);
  await clients[2]?.send({ t: "bye" });
  await clients[3]?.lose();
  expect(progress()).toMatchObject({ total: 4, remaining: 2, asked: 1, moved: 0 });
  await advance(2000);
  expect(progress()).toMatchObject({ total: 4, remaining: 2, asked: 2, moved: 0 });
  await clients[0]?.send({ t: "bye", moved: true });
  expect(progress()).toMatchObject({ remaining: 1, asked: 1, moved: 1 });
});

test("a drain that loses its last client in its delay ends when that is over", async () => {
  const { engine, connect, advance, steps } = await node();
  const client = await connect();
  void engine.drain({ preDelayMs: 1000 });
  await client.lose();
  await advance(900);
  expect(steps()).toEqual(["started 1"]);
  await advance(100);
  expect(steps()).toEqual(["started 1", "finished 0"]);
});

test("a drain that is finished does nothing more", async () => {
  const { engine, connect, open, advance, steps } = await node();
  await connect();
  const moving = await connect({ migrates: true });
  const drained = engine.drain({ windowMs: 2000 });
  await advance(500);
  await moving.send({ t: "bye", moved: true });
  expect(await drained).toMatchObject({ moved: 1, told: 1, cut: 0 });
  const told = ["started 2", "goodbye 1", "migrate 1", "finished 2"];
  expect(steps()).toEqual(told);
  const silent = open();
  await advance(3000);
  expect(steps()).toEqual(told);
  expect(silent.link.closedWith).toBeUndefined();
});

test("a drain ends with the last who was told to leave, and does nothing more", async () => {
  const { engine, connect, open, advance, steps, progress } = await node();
  await connect();
  const drained = engine.drain({ windowMs: 2000 });
  await advance(5);
  expect(await drained).toMatchObject({ total: 1, told: 1, cut: 0 });
  const silent = open();
  await advance(3000);
  expect(steps()).toEqual(["started 1", "goodbye 1", "finished 1"]);
  expect(silent.link.closedWith).toBeUndefined();
  expect(progress()).toMatchObject({ cut: 0, deadlineInMs: 0 });
});

test("a process that ends after its drain stays drained", async () => {
  const { engine, connect, advance } = await node();
  await connect({ migrates: true });
  void engine.drain({ isFinal: true });
  await advance(100);
  expect(engine.undrain()).toBe(false);
  expect(engine.state).toBe("draining");
});

test("the other nodes hear of a drain, and that it was undone, at once", async () => {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const start = (nodeId: string) =>
    createEngineHarness({ contract, clock, broker, settings: { ...TEST_SETTINGS, nodeId } });
  const [a, b] = [await start("a"), await start("b")];
  await a.advance(1300);
  const heard = () => b.engine.nodes().find(({ node: id }) => id === "a");
  await a.connect({ migrates: true });
  void a.engine.drain({ windowMs: 60_000 });
  await a.advance(20);
  expect(heard()).toMatchObject({ state: "draining", draining: { remaining: 1 } });
  a.engine.undrain();
  await a.advance(20);
  expect(heard()?.state).toBe("ready");
  expect(heard()?.draining).toBeUndefined();
});

/** A session of the node, and what it hears if it tries to move and reaches the same node. */
async function mover(harness: Awaited<ReturnType<typeof node>>) {
  const client = harness.open();
  await client.send({ t: "connect", id: 1, migrates: true });
  const [connected] = await client.take();
  const resume = connected?.t === "connected" ? connected.resume : "";
  return {
    client,
    async comesBack() {
      const second = harness.open();
      await second.send({ t: "connect", id: 1, resume, moving: true });
      const [frame] = await second.take();
      return frame?.t === "goodbye" ? [frame.name, frame.retryMs] : frame?.t;
    },
  };
}

test("a session that comes back to the node that drains waits four times as long each time, and is cut with a time to come back", async () => {
  const harness = await node();
  const { engine, advance, answer, observed, open } = harness;
  const { client, comesBack } = await mover(harness);
  const resting = await mover(harness);
  void engine.drain({ windowMs: 60_000 });
  await advance(10);
  await client.take();
  expect(await comesBack()).toEqual(["draining", 1000]);
  expect(await comesBack()).toEqual(["draining", 4000]);
  expect(await comesBack()).toEqual(["draining", 16_000]);
  expect(await comesBack()).toEqual(["draining", 59_990]);
  expect(observed.filter((line) => line === "cameBack drain")).toHaveLength(4);
  // Others may reach another node: no time is named.
  expect(await answer()).toBe("draining");
  const bad = open();
  await bad.send({ t: "connect", id: 1, resume: "none", moving: true });
  expect((await bad.take())[0]).not.toHaveProperty("retryMs");
  await advance(60_000);
  const [cut] = (await client.take()).slice(-1);
  expect(cut).toMatchObject({ t: "goodbye", name: "draining", retryMs: 1000 });
  const [other] = (await resting.client.take()).slice(-1);
  expect(other).toMatchObject({ t: "goodbye", name: "draining" });
  expect(other).not.toHaveProperty("retryMs");
});

test("if most come back, each tries once more, halfway to the deadline", async () => {
  const harness = await node();
  const movers = [];
  for (let i = 0; i < 5; i++) movers.push(await mover(harness));
  void harness.engine.drain({ windowMs: 40_000 });
  await harness.advance(5);
  const answers = [];
  for (const { comesBack } of movers) answers.push(await comesBack());
  expect(answers).toEqual([
    ...Array.from({ length: 4 }, () => ["draining", 1000]),
    ["draining", Math.round(39_995 / 2)],
  ]);
  expect(await movers[4]?.comesBack()).toEqual(["draining", 39_995]);
  // A drain that is undone forgets it.
  harness.engine.undrain();
  void harness.engine.drain({ windowMs: 40_000 });
  await harness.advance(5);
  expect(await movers[4]?.comesBack()).toEqual(["draining", 1000]);
});

test("sessions that reach this node alone are asked last, and come back after the deadline", async () => {
  const even = { fleet: { ...TEST_SETTINGS.fleet, rebalance: true } };
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const start = (nodeId: string) =>
    createEngineHarness({
      contract,
      clock,
      broker,
      settings: {
        ...TEST_SETTINGS,
        ...even,
        nodeId,
        drain: { ...TEST_SETTINGS.drain, perSecondMax: 2 },
      },
    });
  const [harness, other] = [await start("a"), await start("b")];
  const movers = [];
  for (let i = 0; i < 4; i++) movers.push(await mover(harness as never));
  await harness.advance(5000);
  // Two are asked; the first comes back until it is taken in.
  const [first] = movers as [Awaited<ReturnType<typeof mover>>];
  expect((await first.client.take()).map(({ t }) => t)).toContain("migrate");
  let answer: unknown = [];
  for (let tries = 0; tries < 7 && answer !== "connected"; tries++)
    answer = await first.comesBack();
  expect(answer).toBe("connected");
  expect(harness.observed).toContain("cameBack rebalance");
  await first.client.send({ t: "bye", moved: true });
  for (const { client } of movers) await client.take();
  void harness.engine.drain({ windowMs: 60_000 });
  await harness.advance(1200);
  const asked = await Promise.all(movers.map(async ({ client }) => (await client.take()).length));
  expect(asked.slice(1)).toEqual([1, 1, 1]);
  expect(await first.comesBack()).toEqual(["draining", 58_800]);
  other.engine.stop();
});
