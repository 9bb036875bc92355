import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  createManualClock,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import type { Broker, HistoryPage } from "../ports.ts";

const open = {
  subscribe: "anyone",
  publish: "anyone",
  history: "anyone",
  presence: "anyone",
} as const;
const contract: ContractDefinition = {
  channels: {
    "state:{room}": { class: "latest", permissions: open, history: { size: 50, ttlMs: 1000 } },
    "fast:{room}": { class: "volatile", permissions: open },
    "chat:{room}": { presence: true, permissions: open, history: { size: 200, ttlMs: 60_000 } },
    "one:{room}": { permissions: open, history: { size: 1, ttlMs: 60_000 } },
  },
};

/** A node that does not hear of the publications at `lost`; `page` changes what it reads. */
const nodeThatMisses = (
  lost: readonly number[],
  page: (found: HistoryPage) => HistoryPage = (found) => found,
  clock = createManualClock(),
) =>
  createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    clock,
    wrapBroker: (broker) => {
      const { subscribe, history } = broker;
      broker.subscribe = (channel, stream, listener) =>
        subscribe.call(
          broker,
          channel,
          stream,
          channel === COMMANDS_CHANNEL
            ? listener
            : {
                presence: (change) => listener.presence(change),
                removed: (offset, epoch) => listener.removed(offset, epoch),
                publication: (publication, epoch) => {
                  if (!lost.includes(publication.offset)) listener.publication(publication, epoch);
                },
              },
        );
      broker.history = async (...args: Parameters<Broker["history"]>) => {
        const found = await history.apply(broker, args);
        return args[0] === COMMANDS_CHANNEL ? found : page(found);
      };
      return broker;
    },
  });
const publish = (client: HandClient, ch: string, count: number) =>
  client.send(
    ...Array.from(
      { length: count },
      (_, i) => ({ t: "publish", id: 100 + i, ch, data: i }) as const,
    ),
  );
const json = (value: unknown) =>
  ({ payload: { kind: "json", text: JSON.stringify(value) } }) as const;
const told = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame): readonly (string | number)[] =>
    frame.t === "pub" ? [frame.o] : frame.t === "gap" ? [`${frame.from}-${frame.to}`] : [],
  );

test("a history that never says what became of the next one is not believed for ever", async () => {
  const { connect, advance, observed } = await nodeThatMisses([1], (found) => ({
    ...found,
    oldest: 1,
    publications: [],
    more: false,
  }));
  const [reader, writer] = [await connect(), await connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await publish(writer, "chat:a", 2);
  await advance(500);
  expect(told(await reader.take())).toEqual([]);
  await advance(60_000);
  expect(told(await reader.take())).toEqual(["1-1", 2]);
  expect(observed).toContain("hole declared 1");
  expect(observed).toContain("gap history 1");
});

test("who comes back from before a declared hole is told of it, also by a node that has what is around it", async () => {
  const { connect, advance } = await nodeThatMisses([3]);
  const [reader, writer] = [await connect(), await connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "one:a" });
  await publish(writer, "one:a", 2);
  await publish(writer, "one:a", 2);
  await advance(5000);
  const frames = await reader.take();
  expect(told(frames)).toEqual([1, 2, "3-3", 4]);
  const pub = frames.find((frame) => frame.t === "subscribed");
  const epoch = pub?.t === "subscribed" ? pub.pos.epoch : "";
  const late = await connect();
  await late.send({ t: "subscribe", id: 2, ch: "one:a", pos: { epoch, offset: 2 } });
  expect(told(await late.take())).toEqual(["3-3", 4]);
});

test("a broker that cannot say what is missing is asked again, later each time", async () => {
  const clock = createManualClock();
  const asked: number[] = [];
  const { connect, advance, observed } = await nodeThatMisses(
    [1],
    (found) => {
      asked.push(clock.nowMs());
      if (asked.length < 5) throw new Error("no");
      return found;
    },
    clock,
  );
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await publish(await connect(), "chat:a", 2);
  await advance(5000);
  expect(told(await reader.take())).toEqual([1, 2]);
  expect(asked).toHaveLength(5);
  for (const [i, ms] of [100, 200, 400, 800].entries()) {
    const waitedMs = (asked[i + 1] ?? 0) - (asked[i] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(ms / 2);
    expect(waitedMs).toBeLessThanOrEqual(ms);
  }
  expect(observed).toContain("hole repaired 2");
});

test("a hole of many pages is read without a pause", async () => {
  const lost = Array.from({ length: 150 }, (_, i) => i + 2);
  const { connect, engine, settle, clock } = await nodeThatMisses(lost);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (let i = 0; i <= lost.length; i++) await engine.publish("chat:a", json("x".repeat(100)));
  const beganMs = clock.nowMs();
  await engine.publish("chat:a", json("last"));
  for (let i = 0; i < 10; i++) await settle();
  expect(clock.nowMs()).toBe(beganMs);
  expect(told(await reader.take())).toEqual([1, ...lost, lost.length + 2]);
});

test("a publication that is told twice is passed on once, and costs no read", async () => {
  let reads = 0;
  const { connect, engine, settle } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { subscribe, history } = broker;
      broker.subscribe = (channel, stream, listener) =>
        subscribe.call(broker, channel, stream, {
          presence: (change) => listener.presence(change),
          removed: (offset, epoch) => listener.removed(offset, epoch),
          publication: (publication, epoch) => {
            listener.publication(publication, epoch);
            listener.publication(publication, epoch);
          },
        });
      broker.history = (...args: Parameters<Broker["history"]>) => {
        if (args[0] !== COMMANDS_CHANNEL) reads += 1;
        return history.apply(broker, args);
      };
      return broker;
    },
  });
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (const value of [1, 2, 3]) await engine.publish("chat:a", json(value));
  await settle();
  expect(told(await reader.take())).toEqual([1, 2, 3]);
  expect(reads).toBe(0);
});

test("what a volatile channel lost is declared as dropped before what came next", async () => {
  const { connect, advance, observed } = await nodeThatMisses([2, 3]);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "fast:a" });
  await publish(await connect(), "fast:a", 4);
  await advance(100);
  const frames = await reader.take();
  expect(told(frames)).toEqual([1, "2-3", 4]);
  expect(frames.find(({ t }) => t === "gap")).toMatchObject({ reason: "dropped" });
  expect(observed).toContain("hole declared 2");
  expect(observed).toContain("gap dropped 2");
  expect(observed).toContain("delivered volatile 1 0");
});

test("the state of a channel is complete behind a hole, also if the newest of it has expired", async () => {
  const { connect, engine, advance } = await nodeThatMisses([2, 3, 4]);
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "state:a" });
  for (const key of ["a", "b", "c", "b"]) await engine.publish("state:a", { ...json(1), key });
  await advance(10);
  expect(told(await reader.take())).toEqual([1]);
  // Everything expires before the node asks.
  await advance(1500);
  await engine.publish("state:a", { ...json(2), key: "d" });
  await advance(1500);
  expect(told(await reader.take())).toEqual([5]);
  const late = await connect();
  await late.send({ t: "subscribe", id: 2, ch: "state:a" });
  await engine.publish("state:a", { ...json(3), key: "e" });
  await advance(10);
  expect(told(await late.take())).toEqual([6]);
  expect(told(await reader.take())).toEqual([6]);
});

test("an old publication that is told again while a hole is mended is not passed on again", async () => {
  const again: (() => void)[] = [];
  const { connect, engine, settle } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { subscribe } = broker;
      broker.subscribe = (channel, stream, listener) =>
        subscribe.call(broker, channel, stream, {
          presence: (change) => listener.presence(change),
          removed: (offset, epoch) => listener.removed(offset, epoch),
          publication: (publication, epoch) => {
            if (publication.offset !== 2) listener.publication(publication, epoch);
            if (publication.offset === 3) for (const tell of again) tell();
            again.push(() => listener.publication(publication, epoch));
          },
        });
      return broker;
    },
  });
  const reader = await connect();
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  for (const value of [1, 2, 3]) await engine.publish("chat:a", json(value));
  await settle();
  expect(told(await reader.take())).toEqual([1, 2, 3]);
});
