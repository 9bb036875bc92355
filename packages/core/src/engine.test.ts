import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type HandClient,
  type HarnessOptions,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { createMemoryBroker } from "./memory-broker/memory-broker.ts";
import type { ChannelListener } from "./ports.ts";

const open = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, permissions: open, history: { size: 200, ttlMs: 60_000 } },
    "short:{room}": { permissions: open, history: { size: 3, ttlMs: 60_000 } },
    "fast:{room}": { class: "volatile", permissions: open },
    "state:{room}": { class: "latest", permissions: open },
    "strict:{room}": { permissions: open, slowConsumer: "disconnect" },
    "secret:{room}": { permissions: { ...open, history: "nobody" } },
    "mine:{room}": { permissions: { subscribe: "token", publish: "token" } },
  },
};
const harness = (options: Partial<HarnessOptions> = {}) =>
  createEngineHarness({ contract, settings: TEST_SETTINGS, ...options });
const publish = (client: HandClient, ch: string, data: unknown, k?: string) =>
  client.send({ t: "publish", id: 900, ch, data, ...(k === undefined ? {} : { k }) });
const pubs = (frames: readonly ServerFrame<unknown>[]) =>
  frames.filter((frame) => frame.t === "pub");
const offsets = (frames: readonly ServerFrame<unknown>[]) => pubs(frames).map((frame) => frame.o);
const kinds = (frames: readonly ServerFrame<unknown>[]) => frames.map((frame) => frame.t);
const only = <T extends ServerFrame["t"]>(frames: readonly ServerFrame<unknown>[], t: T) =>
  frames.find((frame) => frame.t === t) as Extract<ServerFrame<unknown>, { t: T }> | undefined;

test("what was said behind connect is answered behind connected, in one message", async () => {
  const { open } = await harness();
  const client = open();
  await client.send(
    { t: "connect", id: 1 },
    { t: "subscribe", id: 2, ch: "chat:a" },
    { t: "ping", id: 3 },
  );
  const frames = await client.take();
  expect(kinds(frames).sort()).toEqual(["connected", "pong", "subscribed"]);
  expect(frames[0]?.t).toBe("connected");
});

test("a first frame other than connect ends the connection", async () => {
  const { open } = await harness();
  const client = open();
  await client.send({ t: "ping", id: 1 });
  expect(only(await client.take(), "goodbye")?.name).toBe("frame_invalid");
  expect(client.link.closedWith?.code).toBe(4503);
});

test("a subscriber that returns within the ring gets what it missed, once and in order", async () => {
  const { connect } = await harness();
  const writer = await connect();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  const pos = only(await reader.take(), "subscribed")?.pos;
  await reader.lose();
  for (let i = 0; i < 10; i++) await publish(writer, "chat:a", i);
  const again = await connect();
  await again.send({ t: "subscribe", id: 2, ch: "chat:a", ...(pos === undefined ? {} : { pos }) });
  await publish(writer, "chat:a", 10);
  const frames = await again.take();
  expect(only(frames, "subscribed")?.recovered).toBe(true);
  expect(offsets(frames)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test("a subscriber that returns beyond the ring is served from the broker's history", async () => {
  const { connect } = await harness();
  const writer = await connect();
  const probe = await connect();
  await probe.send({ t: "subscribe", id: 2, ch: "chat:a" });
  const { epoch } = only(await probe.take(), "subscribed")?.pos ?? { epoch: "" };
  for (let i = 0; i < 100; i++) await publish(writer, "chat:a", i);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a", pos: { epoch, offset: 0 } });
  const frames = await reader.take();
  expect(only(frames, "subscribed")?.recovered).toBe(true);
  expect(offsets(frames)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
});

test("what history no longer has is declared before anything newer", async () => {
  const { connect } = await harness();
  const writer = await connect();
  await publish(writer, "short:a", 0);
  const epoch = only(await writer.take(), "published")?.e ?? "";
  for (let i = 1; i < 10; i++) await publish(writer, "short:a", i);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "short:a", pos: { epoch, offset: 2 } });
  const frames = await reader.take();
  expect(kinds(frames)).toEqual(["subscribed", "gap", "pub", "pub", "pub"]);
  expect(only(frames, "subscribed")).toMatchObject({ recovered: false, pos: { offset: 7 } });
  expect(only(frames, "gap")).toMatchObject({
    from: 3,
    to: 7,
    reason: "history",
    pos: { offset: 7 },
  });
  expect(offsets(frames)).toEqual([8, 9, 10]);
});

test("a position of another epoch is answered with a gap of unknown size and the whole new stream", async () => {
  const { connect } = await harness();
  const writer = await connect();
  await publish(writer, "chat:a", 1);
  await publish(writer, "chat:a", 2);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a", pos: { epoch: "before", offset: 7 } });
  const frames = await reader.take();
  expect(only(frames, "gap")).toMatchObject({
    from: 8,
    to: null,
    reason: "epoch",
    pos: { offset: 0 },
  });
  expect(offsets(frames)).toEqual([1, 2]);
});

test("H5: a session that may not read history gets none of it by a position, and is told what it missed", async () => {
  const { connect } = await harness();
  const writer = await connect();
  for (let i = 0; i < 5; i++) await publish(writer, "secret:a", i);
  const epoch = only(await writer.take(), "published")?.e ?? "";
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "secret:a", pos: { epoch, offset: 2 } });
  expect(only(await reader.take(), "gap")).toMatchObject({ from: 3, to: 5, reason: "history" });
  await reader.send(
    { t: "unsubscribe", id: 3, ch: "secret:a" },
    { t: "subscribe", id: 4, ch: "secret:a", pos: { epoch: "x", offset: 0 } },
  );
  await publish(writer, "secret:a", "live");
  const frames = await reader.take();
  expect(only(frames, "gap")).toMatchObject({
    from: 1,
    to: null,
    reason: "epoch",
    pos: { offset: 5 },
  });
  expect(offsets(frames)).toEqual([6]);
  await reader.send({ t: "history", id: 5, ch: "secret:a" });
  expect(only(await reader.take(), "err")?.name).toBe("permission_denied");
});

test("a channel takes no more members than it may have, and lets those it has update", async () => {
  const { connect } = await harness({
    settings: { ...TEST_SETTINGS, limits: { ...TEST_SETTINGS.limits, membersMax: 2 } },
  });
  const [a, b, c] = [await connect(), await connect(), await connect()];
  for (const client of [a, b, c]) await client.send({ t: "enter", id: 2, ch: "chat:a", data: 1 });
  expect(only(await c.take(), "err")?.name).toBe("presence_limit");
  await a.take();
  await a.send({ t: "update", id: 3, ch: "chat:a", data: 2 });
  expect(kinds(await a.take())).toEqual(["ok"]);
  await b.send({ t: "leave", id: 3, ch: "chat:a" });
  await c.send({ t: "enter", id: 4, ch: "chat:a", data: 1 });
  expect(kinds(await c.take())).toEqual(["ok"]);
});

test("a second watch on a connection is answered with a new snapshot", async () => {
  const { connect, advance } = await harness();
  const client = await connect();
  await client.send({ t: "watch", id: 2, ch: "chat:a" }, { t: "enter", id: 3, ch: "chat:a" });
  await advance(50);
  await client.take();
  await client.send({ t: "watch", id: 4, ch: "chat:a" });
  expect(only(await client.take(), "members")?.list).toHaveLength(1);
  await client.send({ t: "unwatch", id: 5, ch: "chat:a" }, { t: "unwatch", id: 6, ch: "chat:a" });
  expect(kinds(await client.take())).toEqual(["ok", "err"]);
});

test("`last` asks for the newest few without calling the rest a gap", async () => {
  const { connect } = await harness();
  const writer = await connect();
  for (let i = 0; i < 40; i++) await publish(writer, "chat:a", i);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a", last: 5 });
  const frames = await reader.take();
  expect(offsets(frames)).toEqual([36, 37, 38, 39, 40]);
  expect(only(frames, "gap")).toBeUndefined();
});

test("latest channels begin with the newest of each key", async () => {
  const { connect } = await harness();
  const writer = await connect();
  for (const [key, value] of [
    ["a", 1],
    ["b", 1],
    ["a", 2],
    ["a", 3],
  ] as const)
    await publish(writer, "state:x", value, key);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "state:x" });
  const frames = await reader.take();
  expect(pubs(frames).map((frame) => [frame.k, frame.data])).toEqual([
    ["b", 1],
    ["a", 3],
  ]);
  expect(only(frames, "subscribed")?.head).toBe(4);
});

test("a publish to a latest channel needs a key, and the answer names the member", async () => {
  const { connect } = await harness();
  const writer = await connect();
  await publish(writer, "state:x", 1);
  expect(only(await writer.take(), "err")).toMatchObject({ name: "key_required", path: "k" });
});

test("a hole in what the broker sends is mended before anything newer is passed on", async () => {
  let drop = 0;
  const lossy = (listener: ChannelListener): ChannelListener => ({
    publication: (publication, epoch) =>
      drop-- > 0 ? undefined : listener.publication(publication, epoch),
    removed: (offset, epoch) => listener.removed(offset, epoch),
    presence: (change) => listener.presence(change),
  });
  const { connect, advance } = await harness({
    wrapBroker: (broker) =>
      new Proxy(broker, {
        get(target, name) {
          if (name === "subscribe") {
            return (...[channel, stream, listener]: Parameters<typeof broker.subscribe>) =>
              target.subscribe(channel, stream, lossy(listener));
          }
          const member: unknown = Reflect.get(target, name, target);
          return typeof member === "function" ? member.bind(target) : member;
        },
      }),
  });
  const client = await connect();
  await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await publish(client, "chat:a", 1);
  drop = 2;
  for (let i = 2; i <= 5; i++) await publish(client, "chat:a", i);
  await advance(50);
  expect(offsets(await client.take())).toEqual([1, 2, 3, 4, 5]);
});

test("a slow reader of an ordered channel is left behind and catches up from history, complete", async () => {
  const { connect, advance, observed } = await harness();
  const writer = await connect();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  reader.link.stalled = true;
  for (let i = 0; i < 60; i++) await publish(writer, "chat:a", "x".repeat(500));
  expect(observed).toContain("slowConsumer catch-up");
  const held = reader.link.messages.length;
  expect(held).toBeLessThan(60);
  await reader.drain();
  await advance(100);
  expect(offsets(await reader.take())).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});

test("a slow reader of a volatile channel is told what it missed", async () => {
  const { connect, advance } = await harness();
  const writer = await connect();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "fast:a" });
  reader.link.stalled = true;
  for (let i = 0; i < 40; i++) await publish(writer, "fast:a", "x".repeat(500));
  await reader.drain();
  await publish(writer, "fast:a", "after");
  await advance(20);
  const frames = await reader.take();
  const gap = only(frames, "gap");
  const seen = offsets(frames);
  expect(gap?.reason).toBe("dropped");
  const declared = Array.from(
    { length: (gap?.to ?? 0) - (gap?.from ?? 0) + 1 },
    (_, i) => (gap?.from ?? 0) + i,
  );
  expect([...seen, ...declared].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 41 }, (_, i) => i + 1),
  );
});

test("a slow reader of a latest channel gets the newest of each key when it can take more", async () => {
  const { connect, advance } = await harness();
  const writer = await connect();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "state:a" });
  reader.link.stalled = true;
  for (let i = 0; i < 60; i++)
    await publish(writer, "state:a", `${i}-${"x".repeat(400)}`, `key${i % 3}`);
  const before = pubs(await reader.take()).length;
  await reader.drain();
  await advance(50);
  const after = pubs(await reader.take());
  expect(before).toBeLessThan(30);
  expect(after.map((frame) => String(frame.data).split("-")[0])).toEqual(["57", "58", "59"]);
});

test("policy disconnect closes a slow reader at the limit, and one that lags too long is closed in any case", async () => {
  const { connect, advance } = await harness();
  const writer = await connect();
  const strict = await connect();
  const patient = await connect();
  await strict.send({ t: "subscribe", id: 2, ch: "strict:a" });
  await patient.send({ t: "subscribe", id: 2, ch: "chat:a" });
  strict.link.stalled = true;
  patient.link.stalled = true;
  for (let i = 0; i < 20; i++) {
    await publish(writer, "strict:a", "x".repeat(500));
    await publish(writer, "chat:a", "x".repeat(500));
  }
  expect(strict.link.closedWith).toEqual({ code: 4003, reason: "slow_consumer" });
  expect(patient.link.closedWith).toBeUndefined();
  await advance(12_000);
  expect(patient.link.closedWith?.reason).toBe("slow_consumer");
});

test("a large room goes through the transport's fan-out and loses nobody when it grows and shrinks", async () => {
  const { connect } = await harness();
  const writer = await connect();
  const readers: HandClient[] = [];
  for (let i = 0; i < 8; i++) {
    const reader = await connect();
    await reader.send({ t: "subscribe", id: 2, ch: "chat:big" });
    readers.push(reader);
    await publish(writer, "chat:big", i);
  }
  for (const reader of readers.slice(0, 6)) {
    await reader.send({ t: "unsubscribe", id: 3, ch: "chat:big" });
    await publish(writer, "chat:big", "less");
  }
  for (const [i, reader] of readers.entries()) {
    const expected = i < 6 ? 8 - i + i : 8 - i + 6;
    expect(offsets(await reader.take())).toEqual(
      Array.from({ length: expected }, (_, k) => k + 1 + i),
    );
  }
});

test("an expired token ends the session when it expires, not later", async () => {
  const clock = createManualClock();
  const { connect, advance, open } = await harness({
    clock,
    tokens: { good: { user: "ada", expiresAtMs: clock.wallMs() + 10_000 } },
  });
  const client = await connect({ token: "good" });
  await advance(9_990);
  expect(client.link.closedWith).toBeUndefined();
  await advance(20);
  expect(client.link.closedWith?.reason).toBe("token_expired");
  const late = open();
  await late.send({ t: "connect", id: 1, token: "bad" });
  expect(only(await late.take(), "goodbye")?.name).toBe("token_invalid");
});

test("a refreshed token with fewer capabilities ends what it no longer allows", async () => {
  const caps = (channel: string) => ({
    user: "ada",
    caps: [{ channel, actions: ["subscribe" as const] }],
  });
  const { connect } = await harness({
    tokens: { one: caps("mine:a"), two: caps("mine:b"), other: { user: "bob" } },
  });
  const client = await connect({ token: "one" });
  await client.send(
    { t: "subscribe", id: 2, ch: "mine:a" },
    { t: "subscribe", id: 3, ch: "mine:b" },
  );
  const first = await client.take();
  expect(only(first, "subscribed")?.ch).toBe("mine:a");
  expect(only(first, "err")?.name).toBe("permission_denied");
  await client.send({ t: "refresh", id: 4, token: "other" });
  expect(only(await client.take(), "err")?.name).toBe("token_invalid");
  await client.send({ t: "refresh", id: 5, token: "two" });
  expect(kinds(await client.take())).toEqual(["ok", "unsubscribed"]);
});

test("a session that resumes keeps its id, replaces its older connection, and needs no token", async () => {
  const { open, connect } = await harness({ tokens: { t: { user: "ada" } }, anonymous: false });
  const first = open();
  await first.send({ t: "connect", id: 1, token: "t" });
  const connected = only(await first.take(), "connected");
  const second = open();
  await second.send({ t: "connect", id: 1, resume: connected?.resume ?? "" });
  expect(only(await second.take(), "connected")).toMatchObject({
    session: connected?.session as string,
    resumed: true,
    user: "ada",
  });
  expect(first.link.closedWith?.reason).toBe("session_replaced");
  const third = open();
  await third.send({ t: "connect", id: 1, resume: "nonsense" });
  expect(only(await third.take(), "goodbye")?.name).toBe("resume_rejected");
  expect((await connect({ token: "t" })).link.closedWith).toBeUndefined();
});

test("a banned session's resume token is refused, a disconnected one's is not", async () => {
  const { open, engine, settle, advance } = await harness();
  const first = open();
  await first.send({ t: "connect", id: 1 });
  const connected = only(await first.take(), "connected");
  await engine.disconnect({ session: connected?.session ?? "" }, { reconnect: true });
  await settle();
  expect(first.link.closedWith?.reason).toBe("disconnected");
  await advance(10);
  const second = open();
  await second.send({ t: "connect", id: 1, resume: connected?.resume ?? "" });
  expect(only(await second.take(), "connected")?.resumed).toBe(true);
  await engine.disconnect({ session: connected?.session ?? "" }, { reconnect: false });
  await settle();
  const third = open();
  await third.send({ t: "connect", id: 1, resume: connected?.resume ?? "" });
  expect(only(await third.take(), "goodbye")?.name).toBe("resume_rejected");
});

test("presence: a member that is lost stays for the grace time, one that says bye goes at once, one that returns never left", async () => {
  const { connect, advance, open } = await harness();
  const watcher = await connect();
  await watcher.send({ t: "watch", id: 2, ch: "chat:a" });
  const lost = open();
  await lost.send({ t: "connect", id: 1 }, { t: "enter", id: 2, ch: "chat:a", data: { n: 1 } });
  const connected = only(await lost.take(), "connected");
  const leaver = await connect();
  await leaver.send({ t: "enter", id: 2, ch: "chat:a" });
  await advance(50);
  expect(only(await watcher.take(), "presence")?.join).toHaveLength(2);
  await leaver.send({ t: "bye" });
  await lost.lose();
  await advance(1000);
  expect(only(await watcher.take(), "presence")?.leave).toHaveLength(1);
  const back = open();
  await back.send(
    { t: "connect", id: 1, resume: connected?.resume ?? "" },
    { t: "enter", id: 2, ch: "chat:a", data: { n: 1 } },
  );
  await advance(10_000);
  expect(await watcher.take()).toEqual([]);
  await back.lose();
  await advance(4000);
  expect(only(await watcher.take(), "presence")?.leave).toEqual([connected?.session as string]);
});

test("a drain asks each session once, waits for it, and finishes when all have moved", async () => {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(5) });
  const from = await harness({ clock, broker });
  const to = await harness({ clock, broker, settings: { ...TEST_SETTINGS, nodeId: "n2" } });
  const clients: HandClient[] = [];
  for (let i = 0; i < 10; i++) clients.push(await from.connect({ migrates: true }));
  const plain = await from.connect();
  const drained = from.engine.drain();
  await from.advance(1000);
  expect(from.engine.state).toBe("draining");
  expect(from.engine.info().drain).toMatchObject({ remaining: 10, asked: 10 });
  for (const client of clients)
    expect(kinds(await client.take()).filter((t) => t === "migrate")).toHaveLength(1);
  expect(plain.link.closedWith).toEqual({ code: 1012, reason: "draining" });
  const newcomer = from.open();
  await newcomer.send({ t: "connect", id: 1 });
  expect(only(await newcomer.take(), "goodbye")?.name).toBe("draining");
  for (const client of clients) {
    await to.connect({ moving: true });
    await client.send({ t: "bye", moved: true });
  }
  expect(await drained).toMatchObject({
    total: 11,
    moved: 10,
    told: 1,
    cut: 0,
    remaining: 0,
    asked: 0,
  });
});

test("a drain cuts at its deadline whoever does not go, and can be undone before", async () => {
  const { engine, connect, advance } = await harness();
  const client = await connect({ migrates: true });
  const undone = engine.drain();
  await advance(1000);
  expect(engine.undrain()).toBe(true);
  expect(await undone).toMatchObject({ remaining: 1, asked: 0 });
  expect(engine.state).toBe("ready");
  const drained = engine.drain();
  await advance(5100);
  expect(await drained).toMatchObject({ cut: 1, asked: 0 });
  expect(client.link.closedWith?.code).toBe(1012);
});

test("an idle connection is closed although the node keeps sending to it", async () => {
  const { connect, advance } = await harness();
  const quiet = await connect();
  await quiet.send({ t: "subscribe", id: 2, ch: "chat:a" });
  const writer = await connect();
  for (let i = 0; i < 62; i++) {
    await publish(writer, "chat:a", i);
    await advance(1000);
  }
  expect(quiet.link.closedWith?.reason).toBe("idle_timeout");
  expect(writer.link.closedWith).toBeUndefined();
});

test("limits: connections for an address and a user, subscriptions, handshakes that never come", async () => {
  const { open, connect, advance } = await harness({ tokens: { t: { user: "ada" } } });
  for (let i = 0; i < 3; i++) await connect({ token: "t" });
  const fourth = open();
  await fourth.send({ t: "connect", id: 1, token: "t" });
  expect(only(await fourth.take(), "goodbye")?.name).toBe("connection_limit");
  const client = await connect();
  for (let i = 0; i < 9; i++) await client.send({ t: "subscribe", id: i + 2, ch: `chat:${i}` });
  expect(only(await client.take(), "err")?.name).toBe("subscription_limit");
  const silent = open({ address: "10.0.0.1" });
  await advance(7000);
  expect(silent.link.closedWith?.reason).toBe("handshake_timeout");
  for (let i = 0; i < 50; i++) await open({ address: "10.0.0.2" }).send({ t: "connect", id: 1 });
  const tooMany = open({ address: "10.0.0.2" });
  await tooMany.send({ t: "connect", id: 1 });
  expect(only(await tooMany.take(), "goodbye")?.name).toBe("connection_limit");
  expect(tooMany.link.closedWith).toBeDefined();
});

test("an application that does not answer costs its own request only", async () => {
  const never = () => new Promise<boolean>(() => {});
  const { connect, advance } = await harness({
    contract: {
      channels: {
        ...contract.channels,
        "stuck:{room}": { permissions: { ...open, subscribe: never, publish: never } },
      },
    },
  });
  const client = await connect();
  await client.send(
    { t: "subscribe", id: 2, ch: "stuck:a" },
    { t: "publish", id: 3, ch: "stuck:a", data: 1 },
    { t: "ping", id: 4 },
  );
  expect(kinds(await client.take())).toEqual(["pong"]);
  await advance(11_000);
  const frames = await client.take();
  expect(frames.map((frame) => (frame.t === "err" ? [frame.id, frame.name] : frame.t))).toEqual([
    [2, "request_failed"],
    [3, "request_failed"],
  ]);
  await publish(client, "chat:a", 1);
  expect(only(await client.take(), "published")?.o).toBe(1);
});

test("a flood is answered with rate_limited and then ended", async () => {
  const { connect } = await harness();
  const client = await connect();
  const burst = Array.from({ length: 1000 }, (_, i) => `{"t":"ping","id":${i + 1}}`).join("\n");
  for (let i = 0; i < 5; i++) await client.sendText(burst);
  expect(
    (await client.take()).some((frame) => frame.t === "err" && frame.name === "rate_limited"),
  ).toBe(true);
  for (let i = 0; i < 10; i++) await client.sendText(burst);
  expect(client.link.closedWith?.reason).toBe("flooded");
});

test("when everyone has gone nothing is left behind", async () => {
  const { connect, engine, advance, bugs, broker } = await harness();
  for (let i = 0; i < 10; i++) {
    const client = await connect();
    await client.send(
      { t: "subscribe", id: 2, ch: `chat:${i % 3}` },
      { t: "watch", id: 3, ch: "chat:a" },
      { t: "enter", id: 4, ch: "chat:a" },
    );
    await (i % 2 === 0 ? client.lose() : client.send({ t: "bye" }));
  }
  await advance(10_000);
  expect(engine.info()).toMatchObject({
    connections: 0,
    sessions: 0,
    subscriptions: 0,
    channels: 0,
  });
  expect(broker.figures().members).toBe(0);
  expect(bugs).toEqual([]);
});
