import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import type { Broker } from "../ports.ts";

const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, history: { size: 10, ttlMs: 60_000 } },
    "state:{room}": { class: "latest", presence: true },
  },
};

/** A node whose broker answers publishes when it is told to: `answer(i)` gives the i-th. */
async function withSlowBroker(more: Partial<typeof TEST_SETTINGS.limits> = {}) {
  const held: (() => void)[] = [];
  const wrapBroker = <T extends Broker>(broker: T): T => {
    const publish = broker.publish.bind(broker);
    broker.publish = async (...args: Parameters<Broker["publish"]>) => {
      const result = await publish(...args);
      await new Promise<void>((resolve) => held.push(resolve));
      return result;
    };
    return broker;
  };
  const node = await createEngineHarness({
    contract,
    wrapBroker,
    settings: { ...TEST_SETTINGS, limits: { ...TEST_SETTINGS.limits, ...more } },
  });
  return { ...node, answer: (i: number) => held[i]?.(), held };
}
const ids = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame) => ("id" in frame ? [frame.id] : []));
const publish = (id: number, ch = "chat:a") => ({ t: "publish", id, ch, data: id }) as const;

test("publishes of one channel are answered in their order, whichever the broker answers first", async () => {
  const { connect, answer, held } = await withSlowBroker();
  const client = await connect();
  await client.send(publish(2), publish(3), publish(4));
  expect(held).toHaveLength(3);
  answer(1);
  answer(2);
  expect(ids(await client.take())).toEqual([]);
  answer(0);
  const frames = await client.take();
  expect(ids(frames)).toEqual([2, 3, 4]);
  expect(frames.map((frame) => frame.t === "published" && frame.o)).toEqual([1, 2, 3]);
});

test("a refusal does not overtake the answers before it", async () => {
  const { connect, answer } = await withSlowBroker({ publishesPerSecondMax: 1, burstFactor: 1 });
  const client = await connect();
  await client.send(publish(2), publish(3));
  expect(ids(await client.take())).toEqual([]);
  answer(0);
  expect(await client.take()).toMatchObject([
    { t: "published", id: 2 },
    { t: "err", id: 3, name: "rate_limited" },
  ]);
});

test("a request that cannot be read is refused in its turn, and one without a channel at once", async () => {
  const { connect, answer } = await withSlowBroker();
  const client = await connect();
  await client.sendText(
    [
      '{"t":"publish","id":2,"ch":"chat:a","d":1}',
      '{"t":"publish","id":3,"ch":"chat:a"}',
      '{"t":"subscribe","id":4,"ch":"chat:a"}',
      '{"t":"history","id":5,"ch":"chat:a","limit":0}',
      '{"t":"publish","id":6,"ch":7,"d":1}',
      '{"t":"publish","id":7,"ch":"chat:b"}',
    ].join("\n"),
  );
  expect(ids(await client.take())).toEqual([6, 7]);
  answer(0);
  expect(ids(await client.take())).toEqual([2, 3, 4, 5]);
  expect(client.connection.orders).toBeUndefined();
  expect(client.connection.waiting).toBe(0);
});

test("a request over the rate of frames is refused in its turn, and those elsewhere at once", async () => {
  const { connect, answer } = await withSlowBroker({ framesPerSecondMax: 3, burstFactor: 1 });
  const client = await connect();
  await client.send(publish(2), publish(3));
  await client.send(publish(4), { t: "ping", id: 5 }, { t: "watch", id: 6, ch: "chat:b" });
  expect(ids(await client.take())).toEqual([5, 6]);
  answer(1);
  answer(0);
  expect(ids(await client.take())).toEqual([2, 3, 4]);
});

test("every other request of the channel waits for the answers to the publishes before it", async () => {
  const { connect, answer } = await withSlowBroker();
  const client = await connect();
  await client.send(
    publish(2),
    { t: "subscribe", id: 3, ch: "chat:a" },
    { t: "history", id: 4, ch: "chat:a" },
    publish(5),
    { t: "unsubscribe", id: 6, ch: "chat:a" },
  );
  expect(ids(await client.take())).toEqual([]);
  answer(0);
  expect(ids(await client.take())).toEqual([2, 3, 4]);
  answer(1);
  expect(ids(await client.take())).toEqual([5, 6]);
  await client.send(publish(7), publish(8), { t: "history", id: 9, ch: "chat:a" });
  answer(2);
  expect(ids(await client.take())).toEqual([7]);
  answer(3);
  expect(ids(await client.take())).toEqual([8, 9]);
});

test("a request waits for the one before it, also if that one had to wait itself", async () => {
  const begun: (() => void)[] = [];
  const { connect } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const enter = broker.presence.enter.bind(broker.presence);
      broker.presence.enter = async (...args: Parameters<Broker["presence"]["enter"]>) => {
        await new Promise<void>((resolve) => begun.push(resolve));
        return enter(...args);
      };
      return broker;
    },
  });
  const client = await connect();
  const update = (id: number) => ({ t: "update", id, ch: "chat:a", data: id }) as const;
  await client.send(publish(1), { t: "enter", id: 2, ch: "chat:a", data: 2 }, update(3));
  begun[0]?.();
  expect(ids(await client.take())).toEqual([1, 2]);
  await client.send(update(4), publish(5));
  expect(begun).toHaveLength(2);
  begun[1]?.();
  expect(ids(await client.take())).toEqual([3]);
  begun[2]?.();
  expect(ids(await client.take())).toEqual([4, 5]);
  expect(client.connection.orders).toBeUndefined();
});

test("channels do not wait for each other, and nothing is left behind", async () => {
  const { connect, answer } = await withSlowBroker();
  const client = await connect();
  await client.send(publish(2), publish(3, "chat:b"), {
    t: "publish",
    id: 4,
    ch: "state:a",
    data: 1,
  });
  answer(1);
  expect(ids(await client.take())).toEqual([4, 3]);
  expect(client.connection.orders?.size).toBe(1);
  answer(0);
  await client.take();
  expect(client.connection.orders).toBeUndefined();
  expect(client.connection.waiting).toBe(0);
});

test("a publish whose broker fails is answered in its turn", async () => {
  let fail = (): void => {};
  const { connect } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const publishing = broker.publish.bind(broker);
      let count = 0;
      broker.publish = (...args: Parameters<Broker["publish"]>) =>
        count++ > 0
          ? publishing(...args)
          : new Promise((_resolve, reject) => {
              fail = () => reject(new Error("lost"));
            });
      return broker;
    },
  });
  const client = await connect();
  await client.send(publish(2), publish(3));
  expect(ids(await client.take())).toEqual([]);
  fail();
  expect(await client.take()).toMatchObject([
    { t: "err", id: 2, name: "request_failed" },
    { t: "published", id: 3 },
  ]);
});
