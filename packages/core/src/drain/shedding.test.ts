import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type EngineHarness,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { ShedOptions } from "../control/control.ts";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";

/** Node `a` of revision r1 and a node of r2, unless told otherwise. */
async function pair(receiver: { readonly revision?: string; readonly isThere?: boolean } = {}) {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const limits = { ...TEST_SETTINGS.limits, connectionsMax: 2000, connectionsPerAddressMax: 2000 };
  const start = (nodeId: string, revision: string): Promise<EngineHarness> =>
    createEngineHarness({
      contract: { channels: { "chat:{room}": {} } },
      clock,
      broker,
      settings: { ...TEST_SETTINGS, limits, nodeId, revision },
    });
  const a = await start("a", "r1");
  const add = () => start("b", receiver.revision ?? "r2");
  const b = receiver.isThere === false ? undefined : await add();
  await a.advance(1100);
  const steps = () =>
    a.observed.flatMap((line) =>
      line.startsWith("shedStep ") ? [line.split(" ").slice(1).join(" ")] : [],
    );
  const shed = (options: Partial<ShedOptions & { token: number }> = {}) =>
    a.engine.obey({ order: "shed", keep: 2, toRevision: "r2", windowMs: 60_000, ...options });
  const connectMany = async (count: number): Promise<HandClient[]> => {
    const clients: HandClient[] = [];
    for (let i = 0; i < count; i++) clients.push(await a.connect({ migrates: true }));
    return clients;
  };
  const told = async (clients: readonly HandClient[]): Promise<HandClient[]> => {
    const asked: HandClient[] = [];
    for (const client of clients)
      if ((await client.take()).some(({ t }) => t === "migrate")) asked.push(client);
    return asked;
  };
  return { a, b, add, steps, shed, connectMany, told, state: () => a.engine.info().shed };
}
const leave = async (clients: readonly HandClient[]): Promise<void> => {
  for (const client of clients) await client.send({ t: "bye", moved: true });
};

test("as many sessions as are too many are asked once, and the order ends when they have moved", async () => {
  const { a, shed, connectMany, told, state, steps } = await pair();
  const clients = await connectMany(7);
  expect(shed().ok).toBe(true);
  expect(a.engine.state).toBe("ready");
  expect(state()).toMatchObject({ keep: 2, remaining: 5, asked: 0, toRevision: "r2" });
  await a.advance(2000);
  const asked = await told(clients);
  expect(asked).toHaveLength(5);
  expect(state()).toMatchObject({ remaining: 5, asked: 5 });
  await a.advance(2000);
  expect(await told(clients)).toHaveLength(0);
  await leave(asked);
  await a.advance(300);
  expect(state()).toBeUndefined();
  expect(a.engine.info()).toMatchObject({ state: "ready", sessions: 2 });
  expect(steps().at(0)).toBe("started 5");
  expect(steps().at(-1)).toBe("reached 0");
  const newcomer = a.open();
  await newcomer.send({ t: "connect", id: 1 });
  expect((await newcomer.take())[0]?.t).toBe("connected");
});

test("who comes meanwhile counts: as many more are asked", async () => {
  const { a, shed, connectMany, told } = await pair();
  const clients = await connectMany(3);
  shed();
  await a.advance(1000);
  expect(await told(clients)).toHaveLength(1);
  const more = await connectMany(2);
  await a.advance(1000);
  expect(await told([...clients, ...more])).toHaveLength(2);
});

test("an order that keeps as many as there are ends at once, and ends the one that ran", async () => {
  const { a, shed, connectMany, state, steps, told } = await pair();
  const clients = await connectMany(4);
  shed({ keep: 4 });
  expect(state()).toBeUndefined();
  shed({ keep: 1 });
  expect(state()).toMatchObject({ remaining: 3 });
  shed({ keep: 9 });
  expect(state()).toBeUndefined();
  expect(steps()).toEqual(["started 0", "reached 0", "started 3", "started 0", "reached 0"]);
  await a.advance(2000);
  expect(await told(clients)).toHaveLength(0);
});

test("a later order goes on with those that were asked", async () => {
  const { a, shed, connectMany, told } = await pair();
  const clients = await connectMany(6);
  shed({ keep: 4 });
  await a.advance(1000);
  expect(await told(clients)).toHaveLength(2);
  shed({ keep: 3 });
  await a.advance(1000);
  expect(await told(clients)).toHaveLength(1);
});

test("nobody is asked while no node of the revision has a place, and nobody is cut at the end", async () => {
  const { a, add, shed, connectMany, told, state, steps } = await pair({ isThere: false });
  const clients = await connectMany(4);
  shed({ windowMs: 30_000 });
  await a.advance(10_000);
  expect(await told(clients)).toHaveLength(0);
  await add();
  await a.advance(2000);
  expect(await told(clients)).toHaveLength(2);
  await a.advance(20_000);
  expect(state()).toBeUndefined();
  expect(steps().at(-1)).toBe("over 2");
  expect(a.engine.info().sessions).toBe(4);
  for (const { link } of clients) expect(link.closedWith).toBeUndefined();
});

test("those that cannot move stay, and are among those that are kept", async () => {
  const { a, shed, connectMany, told, state } = await pair();
  const fixed = [await a.connect(), await a.connect(), await a.connect()];
  const clients = await connectMany(2);
  shed({ keep: 1, windowMs: 20_000 });
  await a.advance(1000);
  await leave(await told(clients));
  expect(state()).toMatchObject({ remaining: 2 });
  await a.advance(20_000);
  expect(state()).toBeUndefined();
  expect(await told(fixed)).toHaveLength(0);
  expect(a.engine.info().sessions).toBe(3);
});

test("a session that does not move though others do is replaced by another one", async () => {
  const { a, shed, connectMany, told } = await pair();
  const clients = await connectMany(4);
  shed({ keep: 2, windowMs: 100_000 });
  await a.advance(1000);
  const [sleeper, other] = (await told(clients)) as [HandClient, HandClient];
  await a.advance(16_000);
  expect(await told(clients)).toHaveLength(0);
  await leave([other]);
  await a.advance(1000);
  const asked = await told(clients.filter((client) => client !== other));
  expect(asked).toHaveLength(1);
  expect(asked[0]).not.toBe(sleeper);
});

test("a drain takes the place of a shed, and a shed that of a drain", async () => {
  const { a, shed, connectMany, state, steps } = await pair();
  await connectMany(4);
  shed({ token: 1 });
  a.engine.obey({ order: "drain", token: 2, windowMs: 60_000 });
  expect(state()).toBeUndefined();
  expect(a.engine.info()).toMatchObject({ state: "draining", fence: 2 });
  expect(shed({ token: 1 })).toMatchObject({ code: "order_refused" });
  shed({ token: 3 });
  expect(a.engine.info()).toMatchObject({ state: "ready", fence: 3 });
  expect(a.engine.info().drain).toBeUndefined();
  expect(a.engine.obey({ order: "undrain", token: 4 }).ok).toBe(true);
  expect(state()).toBeUndefined();
  expect(steps()).toEqual(["started 2", "undone 2", "started 2", "undone 2"]);
});

test("a process that ends sheds no more, and cannot be ordered to", async () => {
  const { a, shed, connectMany, state } = await pair();
  await connectMany(4);
  shed();
  void a.engine.drain({ isFinal: true, windowMs: 60_000 });
  expect(state()).toBeUndefined();
  expect(shed()).toMatchObject({ code: "node_ending" });
  expect(a.engine.state).toBe("draining");
});

test("the same order again does not move its deadline", async () => {
  const { a, shed, connectMany, state } = await pair();
  await connectMany(4);
  shed({ token: 1 });
  await a.advance(1000);
  for (let i = 0; i < 1000; i++) shed({ token: 1 });
  expect(state()?.deadlineInMs).toBe(59_000);
  shed({ token: 2 });
  expect(state()?.deadlineInMs).toBe(60_000);
});

test("a session that was asked is not taken back, also by a node of the revision itself", async () => {
  for (const revision of ["r1", "r2"]) {
    const { a, b, shed, told } = await pair({ revision });
    const first = a.open();
    await first.send({ t: "connect", id: 1, migrates: true });
    const connected = (await first.take()).find(({ t }) => t === "connected");
    const resume = connected?.t === "connected" ? connected.resume : "";
    shed({ keep: 0, toRevision: revision });
    await a.advance(300);
    expect(await told([first])).toHaveLength(1);
    const move = async (to: EngineHarness | undefined) => {
      const client = (to as EngineHarness).open();
      await client.send({ t: "connect", id: 1, resume, moving: true, migrates: true });
      const [answer] = await client.take();
      return answer?.t === "goodbye" ? answer.name : answer?.t;
    };
    for (let i = 0; i < 10; i++) expect(await move(a)).toBe("try_later");
    expect(await move(b)).toBe("connected");
  }
});

test("the others hear of it: nobody rebalances meanwhile", async () => {
  const { a, b, shed, connectMany } = await pair();
  await connectMany(4);
  shed();
  await a.advance(300);
  expect(b?.engine.nodes()[0]).toMatchObject({
    state: "ready",
    shedding: { remaining: 2, toRevision: "r2" },
  });
});
