// Checks what a reader is told, and when: beginnings, refusals, ids, drains.
import { expect, test } from "bun:test";
import { createEngineHarness, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import { readPlaces } from "./places.ts";
import { createStreamDoor, type StreamRefusal, type StreamRequest } from "./stream-door.ts";
import { eventsIn } from "./testing.ts";

/** As many channels as a connection of the tests may have. */
const COUNT = TEST_SETTINGS.limits.subscriptionsMax;
const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract = {
  channels: {
    "chat:{room}": { permissions },
    "closed:{room}": { permissions: { ...permissions, subscribe: "token" } },
  },
} as const;

async function start(chance = 0) {
  const harness = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const door = createStreamDoor(harness.engine, { next: () => chance });
  const open = (request: Partial<StreamRequest> = {}) => {
    const link = new HandLink();
    const outcomes: (StreamRefusal | undefined)[] = [];
    const whole = { channels: ["chat:a"], places: new Map(), format: "sse" as const, ...request };
    const client = door.open(link, whole, (refusal) => outcomes.push(refusal));
    const events = () => eventsIn(whole.format, link.messages.splice(0).map(String).join(""));
    return { link, client, outcomes, events };
  };
  const publish = async (channel: string, data: unknown) => {
    await harness.engine.publish(channel, {
      payload: { kind: "json", text: JSON.stringify(data) },
    });
    await harness.settle();
  };
  return { ...harness, open, publish };
}

test("nothing is told before every channel is subscribed, and each id names all of them", async () => {
  const { open, publish, settle, engine } = await start();
  const channels = Array.from({ length: COUNT }, (_, i) => `chat:${i}`);
  const reader = open({ channels });
  expect([reader.outcomes, reader.link.messages]).toEqual([[], []]);
  await settle();
  expect(reader.outcomes).toEqual([undefined]);
  const begun = reader.events();
  expect(begun.map(({ event }) => event)).toEqual(channels.map(() => "subscribed"));
  await publish("chat:7", { n: 1 });
  const [event] = reader.events();
  for (const { id = "" } of [...begun, event ?? {}]) {
    const places = readPlaces(id, channels);
    expect(places === "invalid" ? 0 : places.size).toBe(COUNT);
  }
  expect(engine.sessions({ limit: 1 })).toMatchObject([{ codec: "sse" }]);
});

test("one channel that is refused refuses the stream, with its name", async () => {
  const { open, settle, engine } = await start();
  for (const [channel, code] of [
    ["closed:a", "permission_denied"],
    ["nobody", "channel_unknown"],
  ] as const) {
    const reader = open({ channels: ["chat:a", channel] });
    await settle();
    expect(reader.outcomes).toMatchObject([{ code, channel }]);
    reader.client.closed(true);
    expect(reader.link.messages.join("")).toBe("");
  }
  expect(engine.info()).toMatchObject({ connections: 0, subscriptions: 0 });
});

test("a node that takes nobody says why, once", async () => {
  const { open, settle } = await start();
  const reader = open({ token: "nobody's" });
  await settle();
  expect(reader.outcomes).toMatchObject([{ code: "token_invalid" }]);
  const lost = open();
  lost.client.closed();
  await settle();
  expect(lost.outcomes).toMatchObject([{ code: "request_failed" }]);
});

test("in a drain each reader is told a moment of its own in the window, and keeps its id", async () => {
  const { open, publish, advance, settle, engine } = await start(0.5);
  const reader = open();
  await settle();
  await publish("chat:a", 1);
  const lastId = reader.events().at(-1)?.id;
  const drained = engine.drain({ windowMs: 200, preDelayMs: 0 });
  await advance(1_000);
  expect(await drained).toMatchObject({ told: 1, cut: 0 });
  const [goodbye, ...rest] = reader.events();
  expect([goodbye?.event, goodbye?.data.code, rest]).toEqual(["goodbye", "draining", []]);
  expect(goodbye?.id).toBeUndefined();
  expect(goodbye?.retryMs).toBe(goodbye?.data.retryMs);
  expect(goodbye?.retryMs).toBeGreaterThan(0);
  expect(reader.link.closedWith?.reason).toBe("draining");
  expect(lastId).toBeDefined();
});

test("line feeds in data end no event, in either form", async () => {
  for (const format of ["sse", "ndjson"] as const) {
    const { open, settle, engine } = await start();
    const reader = open({ format });
    await settle();
    reader.events();
    const text = '{\r\n"a":\n1,\r"b":"x\\ny"}';
    await engine.publish("chat:a", { payload: { kind: "json", text } });
    await engine.publish("chat:a", { payload: { kind: "bytes", bytes: new Uint8Array([1, 2]) } });
    await settle();
    expect(reader.events().map(({ data }) => data.data ?? data.b)).toEqual([
      { a: 1, b: "x\ny" },
      "AQI=",
    ]);
  }
});

test("a reader that has taken everything lives; one that has not is silent", async () => {
  const { open, settle, advance, engine } = await start();
  const [good, stuck] = [open(), open()];
  await settle();
  stuck.link.stalled = true;
  stuck.link.buffered = 10;
  await advance(TEST_SETTINGS.timeouts.idleMs * 3);
  expect(engine.info().connections).toBe(1);
  expect(stuck.link.closedWith?.reason).toBe("idle_timeout");
  good.events();
  good.client.heartbeat();
  expect(good.link.messages).toEqual([": alive\n\n"]);
});
