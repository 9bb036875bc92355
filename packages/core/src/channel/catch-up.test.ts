import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  createManualClock,
  type HarnessOptions,
  type ManualClock,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { ChannelListener, HistoryPage, MembersPage } from "../ports.ts";

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

/** A node whose history can be changed on its way, and an old subscriber's position on it. */
async function behind(
  history: (read: () => Promise<HistoryPage>) => Promise<HistoryPage>,
  more: {
    readonly clock?: ManualClock;
    members?(read: () => Promise<MembersPage>): Promise<MembersPage>;
  } = {},
) {
  const { members, ...options } = more;
  const node = await harness({
    ...options,
    wrapBroker: (broker) => {
      const real = broker.history;
      broker.history = (channel, options, query) => {
        const read = () => real.call(broker, channel, options, query);
        return channel.startsWith("chat:") ? history(read) : read();
      };
      const { presence } = broker;
      const read = presence.members.bind(presence);
      if (members !== undefined) presence.members = (...args) => members(() => read(...args));
      return broker;
    },
  });
  const epochs = new Map<string, string>();
  const first = await node.connect();
  for (let channel = 0; channel < 4; channel++) {
    const ch = `chat:${channel}`;
    await first.send({ t: "subscribe", id: 2, ch });
    epochs.set(ch, epochOf(await first.take()));
    for (let i = 1; i <= 60; i++) await node.engine.publish(ch, json("x".repeat(200)));
  }
  return { ...node, pos: (ch: string) => ({ epoch: epochs.get(ch) ?? "", offset: 0 }) };
}
const ALL = Array.from({ length: 60 }, (_, i) => i + 1);

test("a page of another epoch than the hub's is not believed: the position is checked, and it goes on", async () => {
  let lies = 0;
  const { connect, pos, advance } = await behind(async (read) => {
    const page = await read();
    lies -= 1;
    return lies === 0 ? { ...page, epoch: "another" } : page;
  });
  const client = await connect();
  client.link.stalled = true;
  await client.send({ t: "subscribe", id: 2, ch: "chat:0", pos: pos("chat:0") });
  lies = 1;
  const seen: number[] = [];
  for (let i = 0; i < 40; i++) {
    seen.push(...offsets(await client.take()));
    await client.drain();
    await advance(200);
  }
  expect(lies).toBeLessThan(1);
  expect(seen).toEqual(ALL);
});

/** Calls of the broker, each of which takes a while, and how many there were at once. */
function slowly(after: (ms: number, task: () => void) => void) {
  const seen = { now: 0, most: 0, all: 0 };
  const slow = async <R>(act: () => Promise<R>): Promise<R> => {
    seen.now += 1;
    seen.all += 1;
    seen.most = Math.max(seen.most, seen.now);
    await new Promise<void>((resolve) => after(20, resolve));
    seen.now -= 1;
    return act();
  };
  return { seen, slow };
}

test("what one connection asks for on many channels is read one after the other", async () => {
  const clock = createManualClock();
  const { seen, slow } = slowly((ms, task) => void clock.after(ms, task));
  const { connect, pos, advance } = await behind(slow, {
    clock,
    members: (read) => slow(read),
  });
  for (const ask of ["subscribe", "history", "watch"] as const) {
    Object.assign(seen, { most: 0, all: 0 });
    const client = await connect();
    await client.send(
      ...[0, 1, 2, 3].map((i) => {
        const ch = `chat:${i}`;
        return ask === "subscribe"
          ? ({ t: ask, id: 10 + i, ch, pos: pos(ch) } as const)
          : ({ t: ask, id: 10 + i, ch } as const);
      }),
    );
    const frames: ServerFrame<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      await advance(50);
      frames.push(...(await client.take()));
    }
    expect([ask, seen.most]).toEqual([ask, 1]);
    expect(seen.all).toBeGreaterThanOrEqual(4);
    expect(client.connection.reserved).toBe(0);
    expect(frames.filter(({ t }) => t === "err")).toEqual([]);
    if (ask === "subscribe")
      for (let i = 0; i < 4; i++)
        expect(
          offsets(frames.filter((frame) => "ch" in frame && frame.ch === `chat:${i}`)),
        ).toEqual(ALL);
    await client.send({ t: "bye" });
  }
});

test("nothing more is read from the broker for subscriptions whose connection has ended", async () => {
  const begun: string[] = [];
  const clock = createManualClock();
  const { connect, engine, advance } = await harness({
    clock,
    wrapBroker: (broker) => {
      const { history } = broker;
      broker.history = async (channel, options, query) => {
        const page = await history.call(broker, channel, options, query);
        if (!channel.startsWith("chat:")) return page;
        begun.push(channel);
        await new Promise<void>((resolve) => void clock.after(20, resolve));
        return page;
      };
      return broker;
    },
  });
  const channels = ["chat:a", "chat:b", "chat:c"];
  for (const channel of channels)
    for (let i = 1; i <= 60; i++) await engine.publish(channel, json(`${i} ${"x".repeat(400)}`));
  // Lost after a while: others of its subscriptions wait to begin, or to read on, at each moment.
  for (let lostAfterMs = 5; lostAfterMs < 200; lostAfterMs += 10) {
    const client = await connect();
    const pos = { epoch: "another", offset: 0 };
    await client.send(
      ...channels.map((ch, index) => ({ t: "subscribe", id: 2 + index, ch, pos }) as const),
    );
    await advance(lostAfterMs);
    begun.length = 0;
    await client.lose();
    await advance(200);
    expect(begun).toEqual([]);
  }
});
