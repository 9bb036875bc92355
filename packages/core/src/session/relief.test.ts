import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ClientFrame, ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

const contract: ContractDefinition = {
  channels: { "chat:{room}": { presence: true, history: { size: 10, ttlMs: 60_000 } } },
  rpc: { never: { allow: "anyone", handler: () => new Promise(() => {}) } },
};
const harness = (more: Partial<typeof TEST_SETTINGS.limits> = {}) =>
  createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits: { ...TEST_SETTINGS.limits, ...more } },
  });
const refusals = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame) => (frame.t === "err" ? [frame.name] : []));
const pings = (count: number): ClientFrame<unknown>[] =>
  Array.from({ length: count }, (_, i) => ({ t: "ping", id: 1000 + i }));

test("unsubscribe, unwatch, leave and cancel are carried out over the rate of frames", async () => {
  const { connect, engine } = await harness({ framesPerSecondMax: 10, burstFactor: 1 });
  const client = await connect();
  await client.send(
    { t: "subscribe", id: 2, ch: "chat:a" },
    { t: "watch", id: 3, ch: "chat:a" },
    { t: "enter", id: 4, ch: "chat:a" },
    { t: "rpc", id: 5, m: "never" },
  );
  await client.take();
  await client.send(...pings(5));
  await client.send(...pings(2));
  expect(refusals(await client.take())).toEqual(["rate_limited", "rate_limited"]);
  await client.send(
    { t: "unsubscribe", id: 6, ch: "chat:a" },
    { t: "unwatch", id: 7, ch: "chat:a" },
    { t: "leave", id: 8, ch: "chat:a" },
    { t: "cancel", id: 5 },
  );
  const frames = await client.take();
  expect(frames.flatMap((frame) => (frame.t === "ok" ? [frame.id] : []))).toEqual([6, 7, 8]);
  expect(frames).toContainEqual(
    expect.objectContaining({ t: "err", id: 5, name: "rpc_cancelled" }),
  );
  expect(engine.info().subscriptions).toBe(0);
});

test("what ends something does not use up the rate", async () => {
  const { connect } = await harness({
    framesPerSecondMax: 10,
    burstFactor: 1,
    subscriptionsMax: 100,
  });
  const client = await connect();
  for (let i = 0; i < 9; i++) {
    await client.send({ t: "subscribe", id: 2, ch: `chat:${i}` });
    await client.send({ t: "unsubscribe", id: 3, ch: `chat:${i}` });
  }
  expect(refusals(await client.take())).toEqual([]);
});

test("a client that sends nothing but requests to end what it has not is closed as flooded", async () => {
  const { connect } = await harness({ framesPerSecondMax: 10, burstFactor: 1 });
  const client = await connect();
  for (let i = 0; i < 10; i++)
    await client.send(
      ...Array.from(
        { length: 10 },
        (_, id) => ({ t: "unsubscribe", id: id + 1, ch: "chat:a" }) as const,
      ),
    );
  expect((await client.take()).at(-1)).toMatchObject({ t: "goodbye", name: "flooded" });
});

test("requests that end something wait behind as many as there are, and only a flood of them ends the connection", async () => {
  const { connect } = await createEngineHarness({
    contract: {
      channels: { "chat:{room}": { permissions: { subscribe: () => new Promise(() => {}) } } },
    },
    settings: {
      ...TEST_SETTINGS,
      limits: { ...TEST_SETTINGS.limits, framesPerSecondMax: 10_000, presencePerConnectionMax: 0 },
      // Room for the answers to all of them.
      flow: { ...TEST_SETTINGS.flow, lagBytes: 1e6, queueBytesMax: 2e6 },
    },
  });
  const most = 1000 + TEST_SETTINGS.limits.subscriptionsMax;
  const client = await connect();
  const send = async (t: "history" | "unsubscribe", count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1000)
      await client.send(
        ...Array.from(
          { length: Math.min(left, 1000) },
          () => ({ t, id: 9, ch: "chat:a" }) as const,
        ),
      );
  };
  await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await send("history", most - 1);
  expect(await client.take()).toEqual([]);
  await client.send(
    { t: "history", id: 8, ch: "chat:a" },
    { t: "unsubscribe", id: 7, ch: "chat:a" },
  );
  expect(await client.take()).toMatchObject([{ t: "err", id: 8, name: "rate_limited" }]);
  await send("unsubscribe", most - 1);
  expect(await client.take()).toEqual([]);
  await send("unsubscribe", 1);
  expect(await client.take()).toMatchObject([{ t: "goodbye", name: "flooded" }]);
});
