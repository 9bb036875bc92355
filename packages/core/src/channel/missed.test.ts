// Owns: tests of what a session without the right to read history gets of what it missed.
import { expect, test } from "bun:test";
import type { Capability, ContractDefinition, Identity } from "@holdfast/contract";
import type { ClientFrame, ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  type EngineHarness,
  type HandClient,
  type HarnessOptions,
  TEST_SETTINGS,
} from "@holdfast/testkit";

const live = { subscribe: "token", publish: "token", history: "token" } as const;
const history = { size: 200, ttlMs: 600_000 };
const mayAll = true;
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { history, permissions: live },
    "open:{room}": {
      history,
      permissions: { subscribe: "anyone", publish: "anyone", history: "nobody" },
    },
    "asked:{room}": { history, permissions: { ...live, subscribe: () => mayAll } },
    "state:{room}": { class: "latest", history, permissions: live },
    "cursor:{room}": { class: "volatile", permissions: live },
  },
};
const all = ["chat:*", "asked:*", "state:*", "cursor:*"];
const caps = (...channels: string[]): readonly Capability[] =>
  channels.map((channel) => ({ channel, actions: ["subscribe", "publish"] }));
const tokens: Record<string, Identity> = {
  listener: { user: "ada", caps: caps(...all) },
  again: { user: "ada", caps: caps(...all), info: { minted: 2 }, expiresAtMs: 1e15 },
  narrow: { user: "ada", caps: [] },
  writer: { user: "bob", caps: caps(...all) },
};

type Connected = Extract<ServerFrame<unknown>, { t: "connected" }>;
type Frames = readonly ServerFrame<unknown>[];
const offsets = (frames: Frames) => frames.flatMap((frame) => (frame.t === "pub" ? [frame.o] : []));
const gaps = (frames: Frames) =>
  frames.flatMap((frame) =>
    frame.t === "gap" ? [`${frame.from}..${frame.to} ${frame.reason}`] : [],
  );
const recovered = (frames: Frames) =>
  frames.flatMap((frame) => (frame.t === "subscribed" ? [frame.recovered] : []));

interface Listener extends HandClient {
  readonly connected: Connected;
}

async function world(options: Partial<HarnessOptions> = {}) {
  const harness = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    tokens,
    ...options,
  });
  const writer = await harness.connect({ token: "writer" });
  let epoch = "";
  return {
    ...harness,
    epochNow: () => epoch,
    async publish(ch: string, count = 1): Promise<void> {
      for (let index = 0; index < count; index++) {
        await writer.send({ t: "publish", id: 2, ch, data: index });
        for (const frame of await writer.take()) if (frame.t === "published") epoch = frame.e;
      }
    },
  };
}

async function listener(
  { open }: Pick<EngineHarness, "open">,
  frame: Partial<Extract<ClientFrame, { t: "connect" }>> = { token: "listener" },
): Promise<Listener> {
  const client = open();
  await client.send({ t: "connect", id: 1, ...frame });
  const connected = (await client.take()).find(({ t }) => t === "connected") as Connected;
  return { ...client, connected };
}

async function subscribe(client: HandClient, ch: string, pos?: { epoch: string; offset: number }) {
  await client.send({ t: "subscribe", id: 7, ch, ...(pos === undefined ? {} : { pos }) });
  return client.take();
}

/** In a second from now, so that nothing is published at the time of something else. */
const later = ({ advance }: Pick<EngineHarness, "advance">) => advance(1000);

for (const ring of [
  { publicationsMax: 16, bytesMax: 16_384 },
  { publicationsMax: 0, bytesMax: 1 },
]) {
  const where = ring.publicationsMax === 0 ? "from the broker" : "from the node";
  const settings = { ...TEST_SETTINGS, ring };

  test(`H1: a session that resumes without the right to history recovers what it missed, ${where}`, async () => {
    const it = await world({ settings });
    const first = await listener(it);
    await subscribe(first, "chat:a");
    await later(it);
    await it.publish("chat:a");
    await first.lose();
    await it.publish("chat:a", 60);
    const second = await listener(it, { resume: first.connected.resume });
    const frames = await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 1 });
    await it.advance(100);
    const more = await second.take();
    expect(recovered(frames)).toEqual([true]);
    expect(offsets([...frames, ...more])).toEqual(Array.from({ length: 60 }, (_, at) => at + 2));
    expect(gaps([...frames, ...more])).toEqual([]);
  });

  test(`H5: what was published before the session was entitled is a gap, ${where}`, async () => {
    const it = await world({ settings });
    // More than two pages of history.
    await it.publish("chat:a", 190);
    await later(it);
    const first = await listener(it);
    await later(it);
    await it.publish("chat:a", 3);
    await first.lose();
    const second = await listener(it, { resume: first.connected.resume, moving: true });
    const frames = [
      ...(await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 2 })),
      ...(await it.advance(100).then(() => second.take())),
    ];
    expect(recovered(frames)).toEqual([false]);
    expect(gaps(frames)[0]).toStartWith("3..");
    expect(gaps(frames).at(-1)).toEndWith("190 history");
    expect(offsets(frames)).toEqual([191, 192, 193]);
    await second.send({ t: "history", id: 8, ch: "chat:a" });
    expect(await second.take()).toMatchObject([{ t: "err", name: "permission_denied" }]);
    await second.send({ t: "subscribe", id: 9, ch: "chat:b", last: 5 });
    expect(await second.take()).toMatchObject([{ t: "err", name: "permission_denied" }]);
  });

  test(`H5: a new epoch is told from when the session was entitled, ${where}`, async () => {
    const it = await world({ settings });
    await it.publish("chat:a", 2);
    await later(it);
    const first = await listener(it);
    await later(it);
    await it.publish("chat:a", 2);
    const second = await listener(it, { resume: first.connected.resume });
    const frames = await subscribe(second, "chat:a", { epoch: "before", offset: 9 });
    expect(gaps(frames)).toEqual(["10..null epoch"]);
    expect(offsets(frames)).toEqual([3, 4]);
  });
}

test("H5: a position above the head leads to nothing that the broker keeps", async () => {
  const it = await world();
  await it.publish("chat:a", 5);
  const client = await listener(it);
  const frames = await subscribe(client, "chat:a", { epoch: it.epochNow(), offset: 1000 });
  expect(gaps(frames)).toEqual(["1001..null epoch"]);
  expect(offsets(frames)).toEqual([]);
});

test("H5: claims that narrow and widen again begin anew", async () => {
  const it = await world();
  const first = await listener(it);
  await subscribe(first, "chat:a");
  await later(it);
  await it.publish("chat:a", 2);
  await first.send({ t: "refresh", id: 3, token: "narrow" });
  await later(it);
  await it.publish("chat:a", 2);
  await later(it);
  await first.send({ t: "refresh", id: 4, token: "listener" });
  await later(it);
  await it.publish("chat:a", 2);
  await first.take();
  await first.send({ t: "ping", id: 5 });
  const pong = (await first.take()).find(({ t }) => t === "pong");
  await first.lose();
  const second = await listener(it, { resume: (pong as { resume: string }).resume });
  const frames = await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 1 });
  expect(gaps(frames)).toEqual(["2..4 history"]);
  expect(offsets(frames)).toEqual([5, 6]);
});

test("H1: a refresh that changes no capability changes nothing", async () => {
  const it = await world();
  const first = await listener(it);
  await later(it);
  await it.publish("chat:a", 3);
  await later(it);
  await first.send({ t: "refresh", id: 3, token: "again" });
  await first.send({ t: "ping", id: 4 });
  const pong = (await first.take()).find(({ t }) => t === "pong");
  await first.lose();
  const second = await listener(it, { resume: (pong as { resume: string }).resume });
  const frames = await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 1 });
  expect(recovered(frames)).toEqual([true]);
  expect(offsets(frames)).toEqual([2, 3]);
});

test("H5: within the clocks' tolerance nothing is recovered", async () => {
  const { timeouts } = TEST_SETTINGS;
  const settings = { ...TEST_SETTINGS, timeouts: { ...timeouts, clockSkewMs: 5000 } };
  const it = await world({ settings });
  const first = await listener(it);
  await it.advance(4900);
  await it.publish("chat:a", 2);
  await it.advance(200);
  await it.publish("chat:a", 2);
  const second = await listener(it, { resume: first.connected.resume });
  const frames = await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 0 });
  expect(gaps(frames)).toEqual(["1..2 history"]);
  expect(offsets(frames)).toEqual([3, 4]);
});

test("H5: if the application decides who may subscribe, nobody knows since when: a gap", async () => {
  const it = await world();
  const first = await listener(it);
  await later(it);
  await it.publish("asked:a", 3);
  const second = await listener(it, { resume: first.connected.resume });
  expect(gaps(await subscribe(second, "asked:a", { epoch: it.epochNow(), offset: 1 }))).toEqual([
    "2..3 history",
  ]);
  const hooked = await world({
    contract: { ...contract, hooks: { onSubscribe: () => undefined } },
  });
  const third = await listener(hooked);
  await later(hooked);
  await hooked.publish("chat:a", 3);
  const fourth = await listener(hooked, { resume: third.connected.resume });
  const frames = await subscribe(fourth, "chat:a", { epoch: hooked.epochNow(), offset: 1 });
  expect(gaps(frames)).toEqual(["2..3 history"]);
});

test("H5: a token that does not say since when, or of another contract, counts from now", async () => {
  const it = await world();
  const first = await listener(it);
  await later(it);
  await it.publish("chat:a", 3);
  const { entitled, ...old } = JSON.parse(first.connected.resume);
  for (const resume of [old, { ...old, entitled: { ...entitled, policy: "another" } }]) {
    const client = await listener(it, { resume: JSON.stringify(resume) });
    expect(client.connected.resumed).toBe(true);
    const frames = await subscribe(client, "chat:a", { epoch: it.epochNow(), offset: 1 });
    expect(gaps(frames)).toEqual(["2..3 history"]);
    expect(offsets(frames)).toEqual([]);
  }
});

test("H5: a session whose identity was over begins anew with the new token", async () => {
  const it = await world();
  const first = await listener(it);
  await later(it);
  await it.publish("chat:a", 3);
  await later(it);
  const opened = JSON.parse(first.connected.resume);
  const resume = JSON.stringify({ ...opened, identity: { ...opened.identity, expiresAtMs: 1 } });
  const second = await listener(it, { resume, token: "listener" });
  expect(second.connected.resumed).toBe(true);
  const frames = await subscribe(second, "chat:a", { epoch: it.epochNow(), offset: 1 });
  expect(gaps(frames)).toEqual(["2..3 history"]);
});

test("H5: a session that connects anew gets nothing from before", async () => {
  const it = await world();
  await it.publish("open:a", 3);
  await later(it);
  const client = await listener(it, {});
  const frames = await subscribe(client, "open:a", { epoch: it.epochNow(), offset: 1 });
  expect(gaps(frames)).toEqual(["2..3 history"]);
  expect(offsets(frames)).toEqual([]);
});

test("H1: the state of a latest channel comes whole without the right to history", async () => {
  const it = await world();
  const writer = await it.connect({ token: "writer" });
  const first = await listener(it);
  await subscribe(first, "state:a");
  await first.lose();
  await writer.send({ t: "publish", id: 3, ch: "state:a", k: "k", data: 1 });
  const answers = await writer.take();
  const epoch = answers.flatMap((frame) => (frame.t === "published" ? frame.e : []))[0];
  const second = await listener(it);
  const frames = await subscribe(second, "state:a", { epoch: epoch ?? "", offset: 0 });
  expect(offsets(frames)).toEqual([1]);
  expect(gaps(frames)).toEqual([]);
});

test("H2: a volatile channel says dropped, whatever the session may read", async () => {
  const it = await world();
  const client = await listener(it);
  await it.publish("cursor:a", 3);
  const frames = await subscribe(client, "cursor:a", { epoch: it.epochNow(), offset: 1 });
  expect(gaps(frames)).toEqual(["2..3 dropped"]);
});

test("`last` is ignored beside a position and in a latest channel, and needs no right to history there", async () => {
  const all = await world();
  await all.publish("chat:a", 2);
  const reader = await listener(all);
  const pos = { epoch: all.epochNow(), offset: 2 };
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a", pos, last: 5 });
  await reader.send({ t: "subscribe", id: 3, ch: "state:a", last: 5 });
  await reader.send({ t: "subscribe", id: 4, ch: "asked:a", last: 5 });
  const frames = await reader.take();
  expect(frames.map(({ t }) => t)).toEqual(["subscribed", "subscribed", "err"]);
  expect(frames).toMatchObject([{ id: 2, pos, recovered: true }, { id: 3 }, { id: 4 }]);
});
