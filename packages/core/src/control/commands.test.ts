// Owns: tests of what a back end may do on a node: publish, read, call, and look at sessions.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, history: { size: 10, ttlMs: 60_000 } },
    "state:{room}": { class: "latest" },
    "none:{room}": { history: { size: 0, ttlMs: 60_000 } },
  },
  rpc: {
    double: { allow: "anyone", handler: (input: unknown) => Number(input) * 2 },
    hang: { allow: "anyone", handler: () => new Promise(() => {}) },
  },
};
const tokens = { ada: { user: "ada" }, bob: { user: "bob" } };
const start = () => createEngineHarness({ contract, settings: TEST_SETTINGS, tokens });
const json = (value: unknown) => ({ kind: "json", text: JSON.stringify(value) }) as const;

test("a back end publishes with a key, a user and a key of its own against repeats", async () => {
  const { engine, connect, observed, advance } = await start();
  await advance(5);
  const client = await connect({ token: "ada" });
  await client.send({ t: "subscribe", id: 2, ch: "state:a" });
  await client.take();
  const request = { payload: json(1), key: "k", user: "ada", idempotencyKey: "once" };
  expect(await engine.publish("state:a", request)).toMatchObject({
    ok: true,
    value: { position: { offset: 1 }, duplicate: false },
  });
  expect(await engine.publish("state:a", request)).toMatchObject({
    ok: true,
    value: { position: { offset: 1 }, duplicate: true },
  });
  expect(await client.take()).toMatchObject([{ t: "pub", o: 1, k: "k", u: "ada" }]);
  await client.send({ t: "publish", id: 3, ch: "state:a", k: "k", data: 2, idem: "once" });
  expect(await client.take()).toMatchObject([
    { t: "published", o: 2 },
    { t: "pub", o: 2 },
  ]);
  expect(observed.filter((line) => line.startsWith("published"))).toEqual([
    "published latest ok 0",
    "published latest duplicate 0",
    "published latest ok 0",
  ]);
});

test.each([
  ["a channel of no pattern", "nowhere", "channel_unknown"],
  ["a channel that keeps nothing", "none:a", "history_disabled"],
])("history of %s is refused", async (_what, channel, code) => {
  const { engine } = await start();
  for (const answer of [
    await engine.history(channel, { limit: 1 }),
    await engine.openHistory(channel),
    await engine.removeHistory(channel),
  ])
    expect(answer).toMatchObject({ ok: false, code, message: expect.stringContaining(channel) });
});

test("a page of history has one publication at least, and says of which class it is", async () => {
  const { engine } = await start();
  for (const value of [1, 2, 3]) await engine.publish("chat:a", { payload: json(value) });
  expect(await engine.history("chat:a", { limit: 0 })).toMatchObject({
    ok: true,
    value: { publications: [{ offset: 3 }], deliveryClass: "ordered", more: true },
  });
  expect(await engine.history("chat:a", { limit: 5000 })).toMatchObject({
    value: { publications: [{ offset: 1 }, { offset: 2 }, { offset: 3 }], more: false },
  });
  expect(await engine.removeHistory("chat:a")).toMatchObject({ ok: true, value: { offset: 3 } });
  expect(await engine.history("chat:a", { limit: 5 })).toMatchObject({
    value: { publications: [], head: 3 },
  });
});

test("members are read of channels with presence alone", async () => {
  const { engine, connect } = await start();
  const client = await connect({ token: "ada" });
  await client.send({ t: "enter", id: 2, ch: "chat:a", data: 1 });
  expect(await engine.presence("chat:a")).toEqual({
    ok: true,
    value: [{ member: client.connection.session, user: "ada", data: json(1) }],
  });
  expect(await engine.presence("none:a")).toMatchObject({ ok: false, code: "presence_disabled" });
});

test("channels are listed behind a name, without those of the nodes", async () => {
  const { engine, connect } = await start();
  const client = await connect();
  for (const ch of ["chat:a", "chat:b", "none:a"]) await client.send({ t: "subscribe", id: 2, ch });
  const list = async (more: { prefix?: string; after?: string }) => {
    const answer = await engine.channels({ prefix: "", limit: 10, ...more });
    return answer.ok ? answer.value : [];
  };
  expect(await list({})).toEqual(["chat:a", "chat:b", "none:a"]);
  expect(await list({ prefix: "chat:", after: "chat:a" })).toEqual(["chat:b"]);
});

test("sessions are listed by id, behind one, by user, up to a number", async () => {
  const { engine, connect } = await start();
  const clients = [
    await connect({ token: "ada", client: "test/1" }),
    await connect({ token: "bob" }),
    await connect({ token: "ada" }),
    await connect(),
  ];
  await clients[0]?.send({ t: "subscribe", id: 2, ch: "chat:a" });
  const ids = clients.map(({ connection }) => connection.session).sort();
  const list = (query: Parameters<typeof engine.sessions>[0]) =>
    engine.sessions(query).map(({ session }) => session);
  expect(list({ limit: 9 })).toEqual(ids);
  expect(list({ limit: 2 })).toEqual(ids.slice(0, 2));
  expect(list({ limit: 9, after: ids[1] as string })).toEqual(ids.slice(2));
  expect(engine.sessions({ limit: 9, user: "ada" })).toHaveLength(2);
  const first = clients[0]?.connection.session;
  expect(engine.sessions({ limit: 9 }).find(({ session }) => session === first)).toEqual({
    session: first as string,
    node: "n1",
    user: "ada",
    address: "127.0.0.1",
    codec: "json",
    client: "test/1",
    connectedAtMs: clients[0]?.connection.connectedAtMs as number,
    channelCount: 1,
    channels: ["chat:a"],
    queueBytes: 0,
  });
  expect(await engine.sessionsEverywhere({ limit: 2 })).toMatchObject({ missing: [] });
});

test("a command ends the sessions that it names, both of them while one moves, and no other", async () => {
  const { engine, connect, settle } = await start();
  const [ada, bob] = [await connect({ token: "ada" }), await connect({ token: "bob" })];
  const { session } = ada.connection;
  const ended = () => [ada, bob].map(({ connection }) => connection.phase === "ended");
  await engine.disconnect({}, { reconnect: true });
  await engine.disconnect({ session, user: "bob" }, { reconnect: true });
  await engine.disconnect({ session: "unknown" }, { reconnect: true });
  await settle();
  expect(ended()).toEqual([false, false]);
  const resume = JSON.stringify({ session, identity: tokens.ada, issuedAtMs: 0 });
  const moved = await connect({ resume, moving: true });
  expect(moved.connection.session).toBe(session);
  await engine.disconnect({ session, user: "ada" }, { reconnect: true });
  await ada.take();
  expect([...ended(), moved.connection.phase]).toEqual([true, false, "ended"]);
});

test("calls of a back end are answered, or ended in time, and counted", async () => {
  const { engine, advance, clock, observed } = await start();
  await advance(5);
  expect(await engine.rpc("nothing", undefined)).toMatchObject({ ok: false, code: "rpc_unknown" });
  const waiting = clock.waiting();
  expect(await engine.rpc("double", json(21))).toMatchObject({ ok: true, value: json(42) });
  expect(clock.waiting()).toBe(waiting);
  const hanging = engine.rpc("hang", undefined);
  await advance(TEST_SETTINGS.timeouts.rpcMs);
  expect(await hanging).toMatchObject({ ok: false, code: "rpc_timeout" });
  expect(observed.filter((line) => line.startsWith("rpc"))).toEqual([
    "rpc double ok 0",
    `rpc hang rpc_timeout ${TEST_SETTINGS.timeouts.rpcMs}`,
  ]);
});

test("a publication that the hook refuses, or that lacks its key, is refused to a back end too", async () => {
  const { engine } = await createEngineHarness({
    contract: { ...contract, hooks: { onPublish: async () => ({ reject: "no" }) } },
    settings: TEST_SETTINGS,
  });
  expect(await engine.publish("chat:a", { payload: json(1) })).toEqual({
    ok: false,
    code: "rejected",
    message: "no",
  });
  expect(await engine.publish("state:a", { payload: json(1) })).toMatchObject({
    ok: false,
    code: "key_required",
    path: "k",
  });
});

test("a session named by itself is ended whoever its user is, and may come back unless it is banned", async () => {
  const { engine, connect, open, settle } = await start();
  const [ada, bob] = [await connect({ token: "ada" }), await connect({ token: "bob" })];
  const back = async () => {
    const { session } = ada.connection;
    const client = open();
    const resume = JSON.stringify({ session, identity: tokens.ada, issuedAtMs: 0 });
    await client.send({ t: "connect", id: 1, resume });
    return (await client.take()).map((frame) => ("name" in frame ? frame.name : frame.t));
  };
  await engine.disconnect({ session: ada.connection.session }, { reconnect: true });
  await settle();
  expect([ada.connection.phase, bob.connection.phase]).toEqual(["ended", "open"]);
  expect(await back()).toEqual(["connected"]);
  await engine.disconnect({ session: ada.connection.session }, { reconnect: false });
  await settle();
  expect(await back()).toEqual(["resume_rejected"]);
});

test("a session without subscriptions has no channels, and of many a hundred are told", async () => {
  const limits = { ...TEST_SETTINGS.limits, subscriptionsMax: 200 };
  const { engine, connect } = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits },
  });
  const client = await connect();
  expect(engine.sessions({ limit: 1 })).toMatchObject([{ channelCount: 0, channels: [] }]);
  const names = Array.from({ length: 101 }, (_, i) => `chat:${i}`);
  for (const [i, ch] of names.entries()) await client.send({ t: "subscribe", id: i + 2, ch });
  expect(engine.sessions({ limit: 1 })).toMatchObject([
    { channelCount: 101, channels: names.slice(0, 100) },
  ]);
});

test("a session that does not have the subscription is not told that it ended", async () => {
  const { engine, connect } = await start();
  const [one, other] = [await connect({ token: "ada" }), await connect({ token: "ada" })];
  await one.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await one.take();
  await engine.unsubscribe({ user: "ada" }, "chat:a");
  expect(await one.take()).toMatchObject([{ t: "unsubscribed", name: "subscription_ended" }]);
  expect(await other.take()).toEqual([]);
});

test("a reader that is closed twice lets go of its own hold alone", async () => {
  const { engine, advance } = await start();
  const readers = [await engine.openHistory("chat:a"), await engine.openHistory("chat:a")];
  const [first, second] = readers.map((reader) => (reader.ok ? reader.value : undefined));
  first?.close();
  first?.close();
  await advance(10_000);
  expect(engine.info().channels).toBe(1);
  second?.close();
  await advance(10_000);
  expect(engine.info().channels).toBe(0);
});

test("a node that stopped carries nothing out and leaves no timer of its log", async () => {
  const { engine, clock, broker, settle } = await start();
  engine.stop();
  await settle();
  broker.close();
  expect(clock.waiting()).toBe(0);
});

test("a reader of history is refused while the broker is away, and opens when it is back", async () => {
  let view: { cut(): void; heal(): void } | undefined;
  const { engine, settle } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      view = broker;
      return broker;
    },
  });
  view?.cut();
  expect(await engine.openHistory("chat:a")).toMatchObject({
    ok: false,
    code: "broker_unavailable",
  });
  view?.heal();
  await settle();
  expect(await engine.openHistory("chat:a")).toMatchObject({ ok: true });
});
