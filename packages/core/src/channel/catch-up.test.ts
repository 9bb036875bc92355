import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HarnessOptions, TEST_SETTINGS } from "@holdfast/testkit";
import type { ChannelListener } from "../ports.ts";

const contract: ContractDefinition = {
  channels: { "chat:{room}": { presence: true, history: { size: 200, ttlMs: 60_000 } } },
};
const harness = (options: Partial<HarnessOptions> = {}) =>
  createEngineHarness({ contract, settings: TEST_SETTINGS, ...options });
const offsets = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame) => (frame.t === "pub" ? [frame.o] : []));
const epochOf = (frames: readonly ServerFrame<unknown>[]) => {
  const frame = frames.find(({ t }) => t === "subscribed");
  return frame?.t === "subscribed" ? frame.pos.epoch : "";
};
const json = (value: unknown) =>
  ({ payload: { kind: "json", text: JSON.stringify(value) } }) as const;

test("`last` reads no more of the history than it asks for, and a read that fails is repeated", async () => {
  const asked: (number | undefined)[] = [];
  let failures = 0;
  const { connect, engine, advance, observed } = await harness({
    wrapBroker: (broker) => {
      const { history } = broker;
      broker.history = (channel, options, query) => {
        if (channel !== "chat:a") return history.call(broker, channel, options, query);
        asked.push("after" in query ? query.after : undefined);
        if (failures > 0) {
          failures -= 1;
          return Promise.reject(new Error("no"));
        }
        return history.call(broker, channel, options, query);
      };
      return broker;
    },
  });
  for (let i = 1; i <= 60; i++) await engine.publish("chat:a", json(i));
  const client = await connect();
  await client.send({ t: "subscribe", id: 2, ch: "chat:a", last: 40 });
  await advance(50);
  expect(asked[0]).toBe(20);
  const first = await client.take();
  expect(offsets(first)).toEqual(Array.from({ length: 40 }, (_, i) => 21 + i));
  const slow = await connect();
  slow.link.stalled = true;
  await slow.send({
    t: "subscribe",
    id: 2,
    ch: "chat:a",
    pos: { epoch: epochOf(first), offset: 0 },
  });
  failures = 2;
  const seen: number[] = [];
  for (let i = 0; i < 40; i++) {
    seen.push(...offsets(await slow.take()));
    await slow.drain();
    await advance(200);
  }
  seen.push(...offsets(await slow.take()));
  expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => 1 + i));
  expect(observed.some((line) => line.startsWith("gap"))).toBe(false);
});

test("a client that is ahead of its node goes on when the node was mended, with nothing twice", async () => {
  let deaf = false;
  const { connect, engine, advance } = await harness({
    wrapBroker: (view) => {
      const { subscribe } = view;
      view.subscribe = (channel, stream, listener: ChannelListener) =>
        subscribe.call(view, channel, stream, {
          presence: (change) => listener.presence(change),
          removed: (offset, epoch) => listener.removed(offset, epoch),
          publication: (publication, epoch) => {
            if (!deaf) listener.publication(publication, epoch);
          },
        });
      return view;
    },
  });
  const [before, ahead] = [await connect(), await connect()];
  await before.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (const value of [1, 2]) await engine.publish("chat:a", json(value));
  await advance(20);
  deaf = true;
  for (const value of [3, 4]) await engine.publish("chat:a", json(value));
  await advance(20);
  const first = await before.take();
  expect(offsets(first)).toEqual([1, 2]);
  await ahead.send({
    t: "subscribe",
    id: 2,
    ch: "chat:a",
    pos: { epoch: epochOf(first), offset: 4 },
  });
  await advance(20);
  expect((await ahead.take()).map(({ t }) => t)).toEqual(["subscribed"]);
  deaf = false;
  await engine.publish("chat:a", json(5));
  await advance(2000);
  expect(offsets(await before.take())).toEqual([3, 4, 5]);
  expect(offsets(await ahead.take())).toEqual([5]);
  await engine.publish("chat:a", json(6));
  await advance(20);
  expect(offsets(await ahead.take())).toEqual([6]);
});
