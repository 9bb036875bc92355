// Owns: tests of what one connection may cost the node (H4), and of bans that clocks must not undo
// (H5).
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ClientFrame, ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HarnessOptions, TEST_SETTINGS } from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "./control/command-log.ts";
import type { Broker } from "./ports.ts";

const open = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract: ContractDefinition = {
  channels: { "chat:{room}": { permissions: open, history: { size: 1000, ttlMs: 60_000 } } },
};
const { limits } = TEST_SETTINGS;
const only = <T extends ServerFrame["t"]>(frames: readonly ServerFrame<unknown>[], t: T) =>
  frames.find((frame) => frame.t === t) as Extract<ServerFrame<unknown>, { t: T }> | undefined;
const many = (count: number, frame: (index: number) => ClientFrame<unknown>) =>
  Array.from({ length: count }, (_, index) => frame(index));

/** Sees every read of history before the broker does. */
function nodeWithHistory(
  history: (read: () => ReturnType<Broker["history"]>) => ReturnType<Broker["history"]>,
  settings = TEST_SETTINGS,
) {
  const wrapBroker: NonNullable<HarnessOptions["wrapBroker"]> = (broker) =>
    new Proxy(broker, {
      get(target, name) {
        if (name === "history")
          return (...args: Parameters<Broker["history"]>) =>
            args[0] === COMMANDS_CHANNEL
              ? target.history(...args)
              : history(() => target.history(...args));
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  return createEngineHarness({ contract, settings, wrapBroker });
}

test("a request for more history than fits an answer reads little more than the answer", async () => {
  let read = 0;
  const { connect, engine } = await nodeWithHistory(async (ask) => {
    const page = await ask();
    read += page.publications.length;
    return page;
  });
  const text = JSON.stringify("x".repeat(limits.dataBytesMax - 100));
  for (let i = 0; i < 300; i++) await engine.publish("chat:a", { payload: { kind: "json", text } });
  const client = await connect();
  await client.send({ t: "history", id: 2, ch: "chat:a", limit: 1000 });
  const page = only(await client.take(), "history");
  expect(page?.pubs.at(-1)?.o).toBe(300);
  expect(page?.more).toBe(true);
  expect(read).toBeLessThan(100);
});

test("a page of a thousand small publications comes whole, in order, whatever parts it was read in", async () => {
  const queueBytesMax = 8 * limits.messageBytesMax;
  const settings = {
    ...TEST_SETTINGS,
    flow: { ...TEST_SETTINGS.flow, lagBytes: queueBytesMax / 2, queueBytesMax },
  };
  const { connect, engine } = await nodeWithHistory((ask) => ask(), {
    ...settings,
    limits: { ...limits, messageBytesMax: 4 * limits.messageBytesMax },
  });
  for (let i = 0; i < 1000; i++)
    await engine.publish("chat:a", { payload: { kind: "json", text: String(i) } });
  const client = await connect();
  const page = async (id: number, asked: { limit: number; before?: number }) => {
    await client.send({ t: "history", id, ch: "chat:a", ...asked });
    const { pubs = [], more } = only(await client.take(), "history") ?? {};
    return { offsets: pubs.map(({ o }) => o), more };
  };
  const upTo = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i);
  expect(await page(2, { limit: 1000 })).toEqual({ offsets: upTo(1, 1000), more: false });
  expect(await page(3, { limit: 500 })).toEqual({ offsets: upTo(501, 1000), more: true });
  expect(await page(4, { limit: 500, before: 301 })).toEqual({
    offsets: upTo(1, 300),
    more: false,
  });
});

test("a connection has one page of history in the making, whatever channels it asks for", async () => {
  let underWay = 0;
  const { connect, advance } = await nodeWithHistory(() => {
    underWay += 1;
    return new Promise(() => {});
  });
  const client = await connect();
  await client.send(...many(800, (i) => ({ t: "history", id: i + 10, ch: `chat:${i}` })));
  await advance(1000);
  expect(underWay).toBe(1);
  expect(client.connection.held?.begun).toBeDefined();
});

test("a connection has no more tokens checked than it may make calls", async () => {
  const { connect } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    tokens: { t: { user: "u" } },
  });
  const client = await connect({ token: "t" });
  await client.send(...many(500, (i) => ({ t: "refresh", id: i + 10, token: "t" })));
  const answers = await client.take();
  expect(answers.filter(({ t }) => t === "ok").length).toBe(
    limits.rpcsPerSecondMax * limits.burstFactor,
  );
  expect(only(answers, "err")?.name).toBe("rate_limited");
});

test("what is told of a session is bounded however much it is subscribed to", async () => {
  const flow = { ...TEST_SETTINGS.flow, lagBytes: 100_000, queueBytesMax: 200_000 };
  const settings = { ...TEST_SETTINGS, flow, limits: { ...limits, subscriptionsMax: 500 } };
  const { connect, engine } = await createEngineHarness({ contract, settings });
  const client = await connect();
  await client.send(...many(500, (i) => ({ t: "subscribe", id: i + 10, ch: `chat:${i}` })));
  const [session] = engine.sessions({ limit: 1 });
  expect(session).toMatchObject({ channelCount: 500 });
  expect(session?.channels.length).toBe(100);
});

test("H5: a ban holds for resume tokens of a node whose clock is ahead", async () => {
  const { open, engine, clock, settle } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    anonymous: false,
  });
  const resume = JSON.stringify({
    session: "s",
    identity: { user: "u" },
    issuedAtMs: clock.wallMs() + 10_000,
  });
  await engine.disconnect({ user: "u" }, { reconnect: false });
  await settle();
  const client = open();
  await client.send({ t: "connect", id: 1, resume });
  expect(only(await client.take(), "goodbye")?.name).toBe("resume_rejected");
});

test("what waits behind connect is bounded in bytes", async () => {
  const onConnect = () => new Promise<undefined>(() => {});
  const { open } = await createEngineHarness({
    contract: { ...contract, hooks: { onConnect } },
    settings: TEST_SETTINGS,
  });
  const client = open();
  await client.send({ t: "connect", id: 1 });
  const data = "x".repeat(limits.dataBytesMax - 100);
  for (let i = 0; i < 5; i++) await client.send({ t: "publish", id: i + 2, ch: "chat:a", data });
  expect(client.connection.endedWith).toBe("flooded");
});

test("a history that leaves out the next publication without a word is asked again with pauses", async () => {
  let reads = 0;
  const wrapBroker: NonNullable<HarnessOptions["wrapBroker"]> = (broker) =>
    new Proxy(broker, {
      get(target, name) {
        if (name === "subscribe") {
          return (...[channel, stream, listener]: Parameters<Broker["subscribe"]>) =>
            target.subscribe(channel, stream, {
              presence: (change) => listener.presence(change),
              removed: (offset, epoch) => listener.removed(offset, epoch),
              publication: (publication, epoch) =>
                publication.offset !== 2 && listener.publication(publication, epoch),
            });
        }
        if (name === "history") {
          return async (...args: Parameters<Broker["history"]>) => {
            reads += 1;
            const page = await target.history(...args);
            return {
              ...page,
              oldest: 1,
              head: 100,
              publications: page.publications.filter(({ offset }) => offset > 2),
            };
          };
        }
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  const { connect, engine, advance } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker,
  });
  const client = await connect();
  await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (let i = 0; i < 4; i++)
    await engine.publish("chat:a", { payload: { kind: "json", text: "1" } });
  await advance(1000);
  expect(reads).toBeLessThan(10);
});
