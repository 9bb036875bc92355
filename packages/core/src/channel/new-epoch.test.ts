import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import { createMemoryBroker } from "../memory-broker/index.ts";
import type { Broker } from "../ports.ts";

const open = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract: ContractDefinition = {
  channels: { "chat:{room}": { permissions: open, history: { size: 200, ttlMs: 60_000 } } },
};
const STREAM = { cls: "ordered", sizeMax: 200, ttlMs: 60_000 } as const;
const json = (value: unknown) =>
  ({ payload: { kind: "json", text: JSON.stringify(value) } }) as const;
const told = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame): readonly (string | number)[] =>
    frame.t === "pub" ? [frame.o] : frame.t === "gap" ? [`${frame.from}-${frame.to}`] : [],
  );

/** A node whose broker can be replaced by an empty one, as one that restarts without its data. */
async function withBrokers() {
  const clock = createManualClock();
  const made = (seed: number) => createMemoryBroker({ clock, random: createSeededRandom(seed) });
  const listeners = new Map<string, Parameters<Broker["subscribe"]>>();
  const tasks: (() => void)[] = [];
  let reads = 0;
  let view: Broker | undefined;
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    clock,
    broker: made(1),
    wrapBroker: (broker) => {
      view = broker;
      return new Proxy(broker, {
        get(_broker, name) {
          if (name === "onReconnect") return (task: () => void) => tasks.push(task);
          const target = view as Broker;
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== "function") return member;
          return (...args: unknown[]) => {
            if (name === "history" && args[0] !== COMMANDS_CHANNEL) reads += 1;
            if (name === "subscribe")
              listeners.set(String(args[0]), args as Parameters<Broker["subscribe"]>);
            return member.apply(target, args);
          };
        },
      });
    },
  });
  /** What comes before the node hears of it is published by `meanwhile`. */
  const replace = async (
    meanwhile: (broker: Broker) => Promise<void>,
    isNoticed = true,
  ): Promise<void> => {
    const next = made(2).connect("n1");
    view = next;
    await meanwhile(next);
    for (const args of listeners.values()) await next.subscribe(...args);
    if (isNoticed) for (const task of tasks) task();
    await node.advance(100);
  };
  /** The broker tells a publication with an epoch of its choice. */
  const tell = (channel: string, offset: number, epoch: string): void =>
    listeners.get(channel)?.[2].publication({ offset, timeMs: 0, ...json("old") }, epoch);
  const remove = (channel: string, offset: number, epoch: string): void =>
    listeners.get(channel)?.[2].removed(offset, epoch);
  return { ...node, replace, tell, remove, reads: () => reads };
}

test("a stream that began anew is told as a gap of unknown size, and its publications follow", async () => {
  const { connect, engine, replace, advance, observed } = await withBrokers();
  const [reader, slow] = [await connect(), await connect()];
  for (const client of [reader, slow]) await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (const value of [1, 2]) await engine.publish("chat:a", json(value));
  await advance(10);
  await Promise.all([reader.take(), slow.take()]);
  slow.link.stalled = true;
  await engine.publish("chat:a", json("x".repeat(5000)));
  await advance(10);
  await Promise.all([reader.take(), slow.take()]);
  await engine.publish("chat:a", json(4));
  await advance(10);
  await replace(async (broker) => {
    for (const value of [1, 2]) await broker.publish("chat:a", STREAM, json(value));
  });
  const frames = await reader.take();
  expect(told(frames)).toEqual([4, "5-null", 1, 2]);
  const gap = frames.find(({ t }) => t === "gap");
  const pos = gap?.t === "gap" ? gap.pos : undefined;
  expect(gap).toMatchObject({ reason: "epoch", pos: { offset: 0 } });
  await slow.drain();
  await advance(100);
  expect(told(await slow.take())).toEqual(["4-null", 1, 2]);
  expect(observed.filter((line) => line === "gap epoch 0")).toHaveLength(2);
  await engine.publish("chat:a", json(3));
  await advance(10);
  for (const client of [reader, slow]) expect(told(await client.take())).toEqual([3]);
  const late = await connect();
  await late.send({
    t: "subscribe",
    id: 2,
    ch: "chat:a",
    pos: { epoch: pos?.epoch ?? "", offset: 1 },
  });
  expect(told(await late.take())).toEqual([2, 3]);
});

test("a removal in an epoch that the node has not heard of shows it the new epoch", async () => {
  const { connect, engine, replace, remove, advance } = await withBrokers();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (const value of [1, 2]) await engine.publish("chat:a", json(value));
  await advance(10);
  await reader.take();
  let epoch = "";
  await replace(async (broker) => {
    epoch = (await broker.publish("chat:a", STREAM, json(1))).position.epoch;
  }, false);
  remove("chat:a", 1, epoch);
  await advance(100);
  expect(told(await reader.take())).toEqual(["3-null", "1-1"]);
});

test("a publication of an epoch that is over leads nobody back into it", async () => {
  const { connect, replace, advance, tell, reads } = await withBrokers();
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  const [subscribed] = await reader.take();
  const epoch = subscribed?.t === "subscribed" ? subscribed.pos.epoch : "";
  await replace(async (broker) => {
    await broker.publish("chat:a", STREAM, json(1));
    tell("chat:a", 5, epoch);
  });
  tell("chat:a", 6, epoch);
  await advance(1000);
  expect(told(await reader.take())).toEqual(["1-null", 1]);
  const before = reads();
  await advance(60_000);
  expect(reads()).toBe(before);
});

test("a stream that began anew is a gap for nobody if nobody is subscribed", async () => {
  const { connect, engine, replace, observed } = await withBrokers();
  const client = await connect();
  await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await engine.publish("chat:a", json(1));
  await client.send({ t: "unsubscribe", id: 3, ch: "chat:a" });
  await replace(async () => {});
  expect(observed.filter((line) => line.startsWith("gap"))).toEqual([]);
});
