// Owns: tests of the sentence in SECURITY.md, one hostile client cannot hurt another, for each
// resource of a node that all share.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const contract: ContractDefinition = {
  channels: {
    "chat:{room}": {
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
      history: { size: 10, ttlMs: 60_000 },
    },
    "room:{room}": { presence: true, permissions: { presence: "anyone" } },
  },
};
const HOSTILE = "10.0.0.66";
const MIB = 1024 * 1024;
const tokens = { good: { user: "good" } };

type Limits = typeof TEST_SETTINGS.limits;
const node = (
  limits: Partial<Limits> = {},
  more: { anonymous?: boolean; admission?: Partial<typeof TEST_SETTINGS.admission> } = {},
) =>
  createEngineHarness({
    contract,
    tokens,
    ...(more.anonymous === undefined ? {} : { anonymous: more.anonymous }),
    settings: {
      ...TEST_SETTINGS,
      limits: {
        ...TEST_SETTINGS.limits,
        connectionsMax: 10_000,
        connectionsPerAddressMax: 5000,
        connectionsPerUserMax: 1000,
        ...limits,
      },
      admission: { ...TEST_SETTINGS.admission, ...more.admission },
    },
  });
const last = (frames: readonly ServerFrame<unknown>[]) => {
  const frame = frames.at(-1);
  return frame?.t === "err" || frame?.t === "goodbye" ? frame.name : frame?.t;
};
const connecting = async (
  client: HandClient,
  frame: { token?: string; resume?: string } = {},
): Promise<ServerFrame<unknown> | undefined> => {
  await client.send({ t: "connect", id: 1, ...frame });
  return (await client.take()).at(-1);
};

/** Comes back when it is told, as clients do. */
async function connectsWithin(
  ms: number,
  address: string,
  { open, advance }: Pick<Awaited<ReturnType<typeof node>>, "open" | "advance">,
  frame: { token?: string } = {},
): Promise<boolean> {
  for (let leftMs = ms; ; ) {
    const answer = await connecting(open({ address }), frame);
    if (answer?.t === "connected") return true;
    const retryMs = answer?.t === "goodbye" ? (answer.retryMs ?? ms) : ms;
    leftMs -= retryMs;
    if (leftMs < 0) return false;
    await advance(retryMs);
  }
}

test("handshakes: sockets that say nothing keep nobody out, whether new or resuming, from elsewhere or from the same address", async () => {
  const { open, advance, engine } = await node({ handshakesInFlightMax: 50 });
  const before = await connecting(open({ address: "10.0.0.1" }));
  const resume = before?.t === "connected" ? before.resume : "";
  for (let i = 0; i < 50; i++) open({ address: HOSTILE });
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 10; i++) open({ address: HOSTILE });
    expect((await connecting(open({ address: `10.0.1.${round}` })))?.t).toBe("connected");
    expect((await connecting(open({ address: HOSTILE })))?.t).toBe("connected");
    const back = await connecting(open({ address: "10.0.0.1" }), { resume });
    expect(back).toMatchObject({ t: "connected", resumed: true });
    await advance(100);
  }
  const silent = engine.info().connections - engine.info().sessions;
  expect(silent).toBeLessThanOrEqual(50);
});

test("handshakes: an attacker with as many addresses as sockets keeps nobody out either", async () => {
  const { open } = await node({ handshakesInFlightMax: 50 });
  for (let i = 0; i < 200; i++) open({ address: `2001:db8:${i.toString(16)}::1` });
  expect((await connecting(open({ address: "10.0.1.1" })))?.t).toBe("connected");
});

test("connections: two addresses that take all that they can leave room for others", async () => {
  const { open, engine } = await node({ connectionsMax: 100, connectionsPerAddressMax: 50 });
  for (let i = 0; i < 120; i++) await connecting(open({ address: `10.0.0.${60 + (i % 2)}` }));
  expect(engine.info().sessions).toBeLessThanOrEqual(90);
  for (let i = 0; i < 8; i++)
    expect((await connecting(open({ address: `10.0.1.${i}` })))?.t).toBe("connected");
});

test("admission: an address that asks for more than its share gets no slots of the others", async () => {
  const { open, advance } = await node({}, { admission: { handshakesPerSecond: 40 } });
  let hostile = 0;
  for (let tick = 0; tick < 100; tick++) {
    for (let i = 0; i < 10; i++) {
      const client = open({ address: HOSTILE });
      if ((await connecting(client))?.t === "connected") hostile += 1;
      await client.lose();
    }
    if (tick % 5 === 0)
      expect(await connectsWithin(1000, `10.0.1.${tick}`, { open, advance })).toBe(true);
    await advance(100);
  }
  expect(hostile).toBeGreaterThan(50);
});

test("verification: tokens that are refused are charged to their address, and resumes of that address go on", async () => {
  const { open, advance, observed } = await node(
    {},
    { anonymous: false, admission: { handshakesPerSecond: 40 } },
  );
  const first = await connecting(open({ address: HOSTILE }), { token: "good" });
  const resume = first?.t === "connected" ? first.resume : "";
  for (let tick = 0; tick < 50; tick++) {
    for (let i = 0; i < 10; i++) {
      const client = open({ address: HOSTILE });
      await connecting(client, { token: "bad" });
      await client.lose();
    }
    if (tick % 5 === 0)
      expect(
        await connectsWithin(1000, `10.0.1.${tick}`, { open, advance }, { token: "good" }),
      ).toBe(true);
    await advance(100);
  }
  expect(await connecting(open({ address: HOSTILE }), { resume })).toMatchObject({
    resumed: true,
  });
  const checked = observed.filter((line) => line.startsWith("authFailed token_invalid")).length;
  // Of 500: what fits the share at ten times the cost of a handshake.
  expect(checked).toBeLessThan(60);
});

test("admission: behind one address that all have in common everybody is admitted as before", async () => {
  const { open, advance } = await node({}, { admission: { handshakesPerSecond: 40 } });
  let connected = 0;
  for (let tick = 0; tick < 50; tick++) {
    if ((await connecting(open({ address: "10.0.0.1" })))?.t === "connected") connected += 1;
    await advance(100);
  }
  expect(connected).toBe(50);
});

async function flood(
  harness: Awaited<ReturnType<typeof node>>,
  act: (hostile: HandClient, good: HandClient, tick: number) => Promise<void>,
): Promise<void> {
  const hostile = harness.open({ address: HOSTILE });
  await connecting(hostile);
  const good = harness.open({ address: "10.0.1.1" });
  await connecting(good);
  for (let tick = 0; tick < 100; tick++) {
    await act(hostile, good, tick);
    await harness.advance(50);
  }
  expect(harness.bugs).toEqual([]);
}

test("admission: colleagues behind one address move as if each had an address of its own, and one who storms does not keep them out", async () => {
  const users = Array.from({ length: 140 }, (_, i) => `u${i}`);
  const { open, advance, observed } = await createEngineHarness({
    ...{ contract, anonymous: false },
    tokens: Object.fromEntries(users.map((user) => [user, { user }])),
    settings: {
      ...TEST_SETTINGS,
      limits: { ...TEST_SETTINGS.limits, connectionsMax: 10_000, connectionsPerAddressMax: 5000 },
      admission: { ...TEST_SETTINGS.admission, handshakesPerSecond: 100 },
    },
  });
  const address = HOSTILE;
  const resumes: string[] = [];
  for (const token of users) {
    const connected = await connecting(open({ address }), { token });
    if (connected?.t === "connected") resumes.push(connected.resume);
    await advance(20);
  }
  expect(resumes.length).toBe(users.length);
  const moves = async (resume: string | undefined): Promise<number> =>
    (await connecting(open({ address }), { resume: resume ?? "" }))?.t === "connected" ? 1 : 0;
  // The pace of a drain, 0.7 of what the node takes, in tens at once.
  let moved = 0;
  for (const [i, resume] of resumes.entries()) {
    moved += await moves(resume);
    if (i % 10 === 9) await advance(140);
  }
  expect(moved).toBe(resumes.length);
  // One of them asks twenty times as often as the drain moves the others.
  const [storming, ...others] = resumes;
  [moved] = [0];
  for (const resume of others) {
    for (let i = 0; i < 20; i++) await moves(storming);
    moved += await moves(resume);
    await advance(20);
  }
  expect(moved).toBeGreaterThan(0.95 * others.length);
  expect(observed.filter((line) => line === "overShare resumes").length).toBeGreaterThan(1000);
});

test("published bytes: who publishes much is refused, and who publishes little never", async () => {
  const harness = await node({ nodePublishedBytesPerSecondMax: 100_000, framesPerSecondMax: 1e6 });
  let refused = 0;
  await flood(harness, async (hostile, good, tick) => {
    await hostile.send({ t: "publish", id: tick + 10, ch: "chat:h", data: "x".repeat(30_000) });
    if (last(await hostile.take()) === "rate_limited") refused += 1;
    await good.send({ t: "publish", id: tick + 10, ch: "chat:g", data: "hello" });
    if (tick > 20) expect(last(await good.take())).toBe("published");
  });
  expect(refused).toBeGreaterThan(50);
});

test("published bytes: a connection has a limit of its own, with the time to come back", async () => {
  const harness = await node({ publishedBytesPerSecondMax: 20_000, framesPerSecondMax: 1e6 });
  const client = await harness.connect();
  const publish = async (id: number) => {
    await client.send({ t: "publish", id, ch: "chat:h", data: "x".repeat(30_000) });
    return (await client.take()).at(-1);
  };
  expect((await publish(2))?.t).toBe("published");
  expect((await publish(3))?.t).toBe("published");
  const refused = await publish(4);
  expect(refused).toMatchObject({ t: "err", name: "rate_limited" });
  await harness.advance((refused?.t === "err" && refused.retryMs) || 0);
  expect((await publish(5))?.t).toBe("published");
});

test("channels: who opens channel after channel is refused, and others open theirs", async () => {
  const harness = await node({ nodeChannelsPerSecondMax: 40, framesPerSecondMax: 1e6 });
  let refused = 0;
  await flood(harness, async (hostile, good, tick) => {
    for (let i = 0; i < 10; i++)
      await hostile.send({ t: "publish", id: i + 2, ch: `chat:${tick}-${i}`, data: 1 });
    const names = (await hostile.take()).filter((frame) => frame.t === "err");
    refused += names.length;
    await good.send({ t: "subscribe", id: 2, ch: `chat:good${tick % 4}` });
    await good.send({ t: "unsubscribe", id: 3, ch: `chat:good${tick % 4}` });
    const answers = (await good.take()).map(({ t }) => t);
    if (tick > 20) expect(answers).toEqual(["subscribed", "ok"]);
  });
  expect(refused).toBeGreaterThan(300);
});

test("received bytes: who sends much is read later, and others at once", async () => {
  const harness = await node({ nodeReceivedBytesPerSecondMax: 100_000, framesPerSecondMax: 1e6 });
  let held = 0;
  await flood(harness, async (hostile, good, tick) => {
    await hostile.sendText(`{"t":"ping","id":${tick + 2},"x":"${"x".repeat(30_000)}"}`);
    if (hostile.connection.held !== undefined) held += 1;
    await good.send({ t: "ping", id: tick + 2 });
    expect(last(await good.take())).toBe("pong");
  });
  expect(held).toBeGreaterThan(50);
  expect(harness.observed.some((line) => line === "held budget")).toBe(true);
});

test("received bytes: who is ended as flooded and connects again gets no more than its share", async () => {
  const harness = await node({ nodeReceivedBytesPerSecondMax: 100_000, framesPerSecondMax: 100 });
  const ping = `{"t":"ping","id":2,"x":"${"x".repeat(30)}"}`;
  let carriedOut = 0;
  await flood(harness, async (_hostile, good, tick) => {
    const again = harness.open({ address: HOSTILE });
    await connecting(again);
    await again.sendText(Array.from({ length: 1000 }, () => ping).join("\n"));
    if (again.connection.endedWith === "flooded") carriedOut += 1;
    await again.lose();
    await good.send({ t: "ping", id: tick + 2 });
    expect(last(await good.take())).toBe("pong");
  });
  // In five seconds, with messages of 53 kB: two for each second, and those of the first.
  expect(carriedOut).toBeGreaterThan(0);
  expect(carriedOut).toBeLessThan(20);
});

test("processing: whose messages take long is read later, and others at once", async () => {
  const harness = await node({ nodeProcessingMsPerSecondMax: 100, framesPerSecondMax: 1e6 });
  let held = 0;
  await flood(harness, async (hostile, good, tick) => {
    await hostile.send({ t: "ping", id: tick + 2 });
    if (hostile.connection.held === undefined) harness.engine.processed(hostile.connection, 30);
    else held += 1;
    await good.send({ t: "ping", id: tick + 2 });
    harness.engine.processed(good.connection, 1);
    expect(last(await good.take())).toBe("pong");
  });
  expect(held).toBeGreaterThan(30);
});

test("one address that publishes without end to the embedded broker leaves room for others", async () => {
  const { engine, open, advance, broker } = await node(
    {
      publishedBytesPerSecondMax: 1e9,
      receivedBytesPerSecondMax: 1e9,
      nodeReceivedBytesPerSecondMax: 1e10,
      nodePublishedBytesPerSecondMax: 1e10,
      publishesPerSecondMax: 1e5,
    },
    { anonymous: true },
  );
  const at = async (address: string): Promise<HandClient> => {
    const client = open({ address });
    await connecting(client);
    return client;
  };
  const hostile = await at(HOSTILE);
  const data = "x".repeat(30_000);
  let name: string | undefined;
  for (let i = 2; i < 3000 && name !== "rate_limited"; i++) {
    await hostile.send({ t: "publish", id: i, ch: `chat:${i}`, data });
    name = last(await hostile.take());
    if (i % 10 === 0) await advance(100);
  }
  expect(name).toBe("rate_limited");
  expect(broker.figures().bytes).toBeGreaterThan(50_000_000);
  const good = await at("10.0.0.7");
  await good.send({ t: "publish", id: 2, ch: "chat:good", data });
  expect(last(await good.take())).toBe("published");
  engine.stop();
});

test("one address that is present in the embedded broker with much data leaves room for others, and keeps what it has", async () => {
  const { open, broker, engine, advance, observed } = await node(
    {
      publishedBytesPerSecondMax: 1e9,
      nodePublishedBytesPerSecondMax: 1e10,
      presencePerConnectionMax: 100,
    },
    { anonymous: true },
  );
  const data = "x".repeat(30_000);
  const enter = async (client: HandClient, id: number, more = ""): Promise<string | undefined> => {
    await client.send({ t: "enter", id, ch: `room:${id}`, data: data + more });
    return last(await client.take());
  };
  let first: HandClient | undefined;
  let resume = "";
  const answers = new Set<string | undefined>();
  for (let i = 0; i < 20; i++) {
    const client = open({ address: HOSTILE });
    const connected = await connecting(client);
    if (first === undefined && connected?.t === "connected") resume = connected.resume;
    first ??= client;
    for (let id = 2; id < 70; id++) answers.add(await enter(client, id));
    await advance(1000);
  }
  expect([...answers]).toEqual(["ok", "rate_limited"]);
  expect(broker.figures().presenceBytes).toBeLessThan(33 * MIB);
  expect(broker.figures().presenceBytes).toBeGreaterThan(30 * MIB);
  expect(observed).toContain("overShare kept");
  const good = open({ address: "10.0.0.7" });
  await connecting(good);
  expect(await enter(good, 2)).toBe("ok");
  // Who comes back within the grace time is a member as before; who wants more is not.
  if (first === undefined) throw new Error("nobody connected");
  expect(await enter(first, 3, "more")).toBe("rate_limited");
  await first.lose();
  const back = open({ address: HOSTILE });
  expect(await connecting(back, { resume })).toMatchObject({ resumed: true });
  for (let id = 2; id < 70; id++) expect(await enter(back, id)).toBe("ok");
  engine.stop();
});

test("verification: addresses whose tokens were all refused once are taken soon when that is over", async () => {
  const { open, advance } = await node(
    {},
    { anonymous: false, admission: { handshakesPerSecond: 40 } },
  );
  const addresses = Array.from({ length: 40 }, (_, index) => `10.0.2.${index}`);
  const wrong = { token: "bad" };
  for (const address of addresses) {
    const client = open({ address });
    await connecting(client, wrong);
    await client.lose();
    await advance(50);
  }
  // 40 handshakes a second for 40 clients, and the same again for what was refused.
  for (const address of addresses)
    expect(await connectsWithin(4000, address, { open, advance }, { token: "good" })).toBe(true);
});
