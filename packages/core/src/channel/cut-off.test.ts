import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { Position, ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import type { MemoryBrokerNode } from "../memory-broker/index.ts";
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
    "none:{room}": { permissions: open, history: { size: 0, ttlMs: 60_000 } },
    "chat:{room}": { presence: true, permissions: open, history: { size: 200, ttlMs: 60_000 } },
  },
};

const json = (value: unknown) =>
  ({ payload: { kind: "json", text: JSON.stringify(value) } }) as const;
const told = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame): readonly (string | number)[] =>
    frame.t === "pub" ? [frame.o] : frame.t === "gap" ? [`${frame.from}-${frame.to}`] : [],
  );

/** A node that the broker reaches when it is told to, and another one that publishes. */
async function withOther() {
  let view: MemoryBrokerNode | undefined;
  let reads = 0;
  let change = (page: HistoryPage): HistoryPage | Promise<HistoryPage> => page;
  let heard = 0;
  const waiting: (() => void)[] = [];
  let isLate = false;
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      view = broker;
      const { subscribe, history } = broker;
      broker.history = async (...args: Parameters<Broker["history"]>) => {
        const page = await history.apply(broker, args);
        if (args[0] === COMMANDS_CHANNEL) return page;
        reads += 1;
        return change(page);
      };
      broker.subscribe = (channel, stream, listener) =>
        subscribe.call(broker, channel, stream, {
          presence: (change) => listener.presence(change),
          removed: (offset, epoch) => listener.removed(offset, epoch),
          publication: (publication, epoch) => {
            const tell = () => listener.publication(publication, epoch);
            heard += 1;
            if (isLate && channel !== COMMANDS_CHANNEL) waiting.push(tell);
            else tell();
          },
        });
      return broker;
    },
  });
  const other = node.broker.connect("another node");
  const reader = await node.connect();
  const position = async (): Promise<Position> => {
    const frame = (await reader.take()).find(({ t }) => t === "subscribed");
    return frame?.t === "subscribed" ? frame.pos : { epoch: "", offset: 0 };
  };
  return {
    ...node,
    other,
    reader,
    /** Subscribes the reader, and answers where it began. */
    begin: async (ch: string): Promise<Position> => {
      await reader.send({ t: "subscribe", id: 2, ch });
      return position();
    },
    cut: () => view?.cut(),
    heal: async (ms = 500) => {
      view?.heal();
      await node.advance(ms);
    },
    reads: () => reads,
    /** Publications that the broker told the node. */
    heard: () => heard,
    /** From now on this becomes of what the node reads. */
    history: (to: typeof change) => {
      change = to;
    },
    /** From now on the node hears of publications when `hear` is called. */
    late: () => {
      isLate = true;
    },
    hear: async (count: number) => {
      await node.settle();
      for (const tell of waiting.splice(0, count)) tell();
      await node.settle();
    },
    /** The next ones are never told. */
    lose: (count: number) => waiting.splice(0, count),
  };
}
const STREAM = { cls: "ordered", sizeMax: 200, ttlMs: 60_000 } as const;
const fails = (): never => {
  throw new Error("no");
};
const asIs = (page: HistoryPage): HistoryPage => page;
const FAST = { cls: "volatile", sizeMax: 0, ttlMs: 60_000 } as const;
const NONE = { cls: "ordered", sizeMax: 0, ttlMs: 60_000 } as const;
const STATE = { cls: "latest", sizeMax: 50, ttlMs: 1000 } as const;
const CHANNELS = [
  ["none:a", NONE],
  ["chat:a", STREAM],
  ["state:a", STATE],
] as const;

test("a node that was cut off and missed nothing declares nothing, and keeps what it can serve", async () => {
  const { begin, cut, heal, other, reader, connect, observed, reads, advance } = await withOther();
  const starts = new Map<string, Position>();
  for (const [ch, stream] of CHANNELS) {
    starts.set(ch, await begin(ch));
    for (const key of ["a", "b"]) await other.publish(ch, stream, { ...json(1), key });
    await advance(10);
    expect(told(await reader.take())).toEqual([1, 2]);
  }
  cut();
  await heal();
  expect(told(await reader.take())).toEqual([]);
  expect(observed.filter((line) => /^(hole|gap)/.test(line))).toEqual([]);
  const before = reads();
  const late = await connect();
  for (const ch of ["chat:a", "state:a"]) {
    const pos = starts.get(ch) as Position;
    await late.send({ t: "subscribe", id: 2, ch, pos });
    expect(told(await late.take())).toEqual([1, 2]);
  }
  expect(reads()).toBe(before);
});

test("a node that was cut off reads all that it missed, also if nothing new comes", async () => {
  const { begin, cut, heal, other, reader, observed } = await withOther();
  await begin("chat:a");
  cut();
  await other.publish("chat:a", STREAM, json("x"));
  await heal();
  expect(told(await reader.take())).toEqual([1]);
  expect(observed).toContain("hole repaired 1");
  cut();
  for (let i = 0; i < 150; i++) await other.publish("chat:a", STREAM, json("x".repeat(200)));
  await heal();
  expect(told(await reader.take())).toEqual(Array.from({ length: 150 }, (_, i) => i + 2));
});

test("a history that lags behind is not taken for a loss", async () => {
  const { begin, cut, heal, history, other, reader, advance } = await withOther();
  await begin("chat:a");
  cut();
  await other.publish("chat:a", STREAM, json(1));
  history((page) => ({ ...page, publications: [], more: false }));
  await heal();
  expect(told(await reader.take())).toEqual([]);
  history(asIs);
  await other.publish("chat:a", STREAM, json(2));
  await advance(1000);
  expect(told(await reader.take())).toEqual([1, 2]);
});

test("a node that was cut off declares what nobody has any more, also if nothing new comes", async () => {
  const { begin, cut, heal, other, reader, advance } = await withOther();
  await begin("none:a");
  cut();
  for (const value of [1, 2, 3]) await other.publish("none:a", NONE, json(value));
  await heal();
  expect(told(await reader.take())).toEqual(["1-3"]);
  await other.publish("none:a", NONE, json(4));
  await advance(10);
  expect(told(await reader.take())).toEqual([4]);
});

test("of a channel without history only what was lost is declared, not what is on its way", async () => {
  const { begin, late, hear, lose, other, reader } = await withOther();
  await begin("none:a");
  late();
  for (let i = 1; i <= 5; i++) await other.publish("none:a", NONE, json(i));
  await hear(1);
  lose(1);
  await hear(1);
  expect(told(await reader.take())).toEqual([1, "2-2", 3]);
  await hear(2);
  expect(told(await reader.take())).toEqual([4, 5]);
});

test("a client that is ahead of its node goes on when the node has heard as much", async () => {
  const { begin, late, hear, other, connect, reads, reader } = await withOther();
  const { epoch } = await begin("chat:a");
  late();
  for (let i = 1; i <= 4; i++) await other.publish("chat:a", STREAM, json(i));
  const ahead = await connect();
  await ahead.send({ t: "subscribe", id: 2, ch: "chat:a", pos: { epoch, offset: 2 } });
  const before = reads();
  await hear(1);
  await hear(3);
  expect(told(await ahead.take())).toEqual([3, 4]);
  expect(told(await reader.take())).toEqual([1, 2, 3, 4]);
  expect(reads()).toBe(before);
});

test("what was removed is declared at once to who has not got it, and is not told any more", async () => {
  const { begin, late, hear, other, reader, reads } = await withOther();
  await begin("chat:a");
  await other.publish("chat:a", STREAM, json(1));
  await hear(0);
  expect(told(await reader.take())).toEqual([1]);
  await other.removeHistory("chat:a", STREAM);
  await hear(0);
  expect(reads()).toBe(0);
  late();
  for (const value of [2, 3]) await other.publish("chat:a", STREAM, json(value));
  await other.removeHistory("chat:a", STREAM);
  await hear(0);
  expect(told(await reader.take())).toEqual(["2-3"]);
  await hear(2);
  await other.publish("chat:a", STREAM, json(4));
  await hear(1);
  expect(told(await reader.take())).toEqual([4]);
});

test("what is removed while it is read, or held until a hole is mended, is told to nobody", async () => {
  const { begin, late, hear, lose, history, other, reader } = await withOther();
  await begin("chat:a");
  late();
  for (const value of [1, 2]) await other.publish("chat:a", STREAM, json(value));
  let answer = (): void => {};
  history(
    (page) =>
      new Promise((resolve) => {
        answer = () => resolve(page);
      }),
  );
  await hear(0);
  lose(1);
  await hear(1);
  await other.removeHistory("chat:a", STREAM);
  await hear(0);
  history(asIs);
  answer();
  await hear(0);
  await other.publish("chat:a", STREAM, json(3));
  await hear(1);
  expect(told(await reader.take())).toEqual(["1-2", 3]);
});

test("a node that is found again twice in a short time asks the broker once", async () => {
  const { begin, cut, heal, history, reads } = await withOther();
  await begin("chat:a");
  history(fails);
  cut();
  await heal(5);
  cut();
  await heal(3000);
  // At 0, and after pauses that double from 50 ms at least.
  expect(reads()).toBeLessThanOrEqual(7);
});

test("what comes while a node asks what it missed is not declared as lost", async () => {
  const { begin, late, hear, cut, heal, history, other, reader } = await withOther();
  await begin("fast:a");
  late();
  for (const value of [1, 2, 3]) await other.publish("fast:a", FAST, json(value));
  await hear(0);
  let answer = (): void => {};
  history((page) => new Promise((resolve) => (answer = () => resolve(page))));
  cut();
  await heal(10);
  await hear(1);
  answer();
  await hear(2);
  expect(told(await reader.take())).toEqual([1, 2, 3]);
});

test("who watches is told who came and went while the node was cut off", async () => {
  const { cut, heal, other, reader } = await withOther();
  await other.presence.enter("chat:a", { member: "gone" }, "owner");
  await reader.send({ t: "watch", id: 2, ch: "chat:a" });
  await reader.take();
  cut();
  await other.presence.leave("chat:a", "gone", "owner", 0);
  await other.presence.enter("chat:a", { member: "new" }, "owner");
  await heal();
  expect(await reader.take()).toMatchObject([
    { t: "presence", join: [{ m: "new" }], leave: ["gone"] },
  ]);
});

test("nothing comes behind the end of a subscription, also if it was being read", async () => {
  const { begin, history, other, reader, connect, engine, settle } = await withOther();
  const pos = await begin("chat:a");
  for (let i = 0; i < 40; i++) await other.publish("chat:a", STREAM, json(i));
  await settle();
  expect(told(await reader.take())).toHaveLength(40);
  const waiting: (() => void)[] = [];
  const slow = (page: HistoryPage): Promise<HistoryPage> =>
    new Promise((resolve) => waiting.push(() => resolve(page)));
  const back = await connect();
  await back.send({ t: "subscribe", id: 2, ch: "chat:a", pos });
  history(slow);
  back.link.stalled = true;
  for (let i = 0; i < 40; i++) {
    await other.publish("chat:a", STREAM, json("x".repeat(500)));
    await settle();
  }
  await back.drain();
  expect(waiting).toHaveLength(1);
  await engine.unsubscribe({ session: back.connection.session }, "chat:a");
  expect((await back.take()).at(-1)?.t).toBe("unsubscribed");
  for (const answer of waiting) answer();
  await settle();
  expect(await back.take()).toEqual([]);
});

test("a recovery is counted once, with what it gave, when it has reached the live stream", async () => {
  const { begin, other, reader, connect, observed, settle } = await withOther();
  const pos = await begin("chat:a");
  for (const value of [1, 2, 3]) await other.publish("chat:a", STREAM, json(value));
  await settle();
  const back = await connect();
  const recovered = () => observed.filter((line) => line.startsWith("recovered"));
  await back.send({ t: "subscribe", id: 2, ch: "chat:a", pos });
  expect(recovered()).toEqual(["recovered full 3"]);
  back.link.stalled = true;
  for (let i = 0; i < 40; i++) {
    await other.publish("chat:a", STREAM, json("x".repeat(500)));
    await settle();
  }
  await back.drain();
  await reader.send({ t: "unsubscribe", id: 3, ch: "chat:a" });
  await reader.send({ t: "subscribe", id: 4, ch: "chat:a", pos: { ...pos, epoch: "before" } });
  await settle();
  expect(recovered()).toEqual(["recovered full 3", "recovered gap 43"]);
});

test("a channel that nobody uses any more is not told to the node any more", async () => {
  const { begin, other, reader, advance, heard } = await withOther();
  await begin("chat:a");
  await reader.send({ t: "unsubscribe", id: 3, ch: "chat:a" });
  await other.publish("chat:a", STREAM, json(1));
  await advance(10);
  expect(heard()).toBe(1);
  await advance(20_000);
  await other.publish("chat:a", STREAM, json(2));
  await advance(10);
  expect(heard()).toBe(1);
});

test("the state goes on for everybody behind what expired while the node was cut off", async () => {
  const { begin, cut, heal, other, reader, connect, advance } = await withOther();
  const start = await begin("state:a");
  await other.publish("state:a", STATE, { ...json(1), key: "a" });
  await advance(10);
  cut();
  await other.publish("state:a", STATE, { ...json(2), key: "b" });
  await advance(1500);
  await heal();
  expect(told(await reader.take())).toEqual([1]);
  const back = await connect();
  const pos = { ...start, offset: 1 };
  await back.send({ t: "subscribe", id: 2, ch: "state:a", pos });
  await advance(100);
  await other.publish("state:a", STATE, { ...json(3), key: "c" });
  await advance(10);
  for (const client of [reader, back]) expect(told(await client.take())).toEqual([3]);
});

test("a broker that fails is asked no more for a channel that nobody uses any more", async () => {
  const { begin, cut, heal, history, reads, reader, advance } = await withOther();
  await begin("chat:a");
  history(fails);
  cut();
  await heal();
  expect(reads()).toBeGreaterThan(0);
  await reader.send({ t: "unsubscribe", id: 3, ch: "chat:a" });
  await advance(20_000);
  const before = reads();
  await advance(20_000);
  expect(reads()).toBe(before);
});

test("a read for a slow subscriber that failed is repeated after a while, not for each publication", async () => {
  const { begin, history, reads, reader, other, advance, settle } = await withOther();
  await begin("chat:a");
  reader.link.stalled = true;
  for (let i = 0; i < 40; i++) {
    await other.publish("chat:a", STREAM, json("x".repeat(500)));
    await settle();
  }
  history(fails);
  await reader.drain();
  expect(reads()).toBe(1);
  const before = reads();
  for (let i = 0; i < 20; i++) {
    await other.publish("chat:a", STREAM, json("y"));
    await settle();
  }
  expect(reads()).toBe(before);
  history(asIs);
  await advance(1000);
  expect(told(await reader.take())).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});
