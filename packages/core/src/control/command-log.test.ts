import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type EngineHarness,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { createMemoryBroker } from "../memory-broker/memory-broker.ts";
import { type Broker, BrokerError, type ChannelListener } from "../ports.ts";
import { COMMANDS_CHANNEL, CommandLog } from "./command-log.ts";

const ADA = { user: "ada" };
const contract = { channels: { "chat:{room}": {} } };

/** Nodes on one broker. `isCut` says which of them does not reach it; `reach` makes it do so. */
async function cluster() {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const cut = new Set<string>();
  const reconnected = new Map<string, (() => void)[]>();
  const add = (nodeId: string): Promise<EngineHarness> =>
    createEngineHarness({
      contract,
      clock,
      broker,
      tokens: { ada: ADA },
      settings: { ...TEST_SETTINGS, nodeId },
      wrapBroker: (view) => cuttable(view, nodeId, { cut, reconnected }),
    });
  return {
    add,
    lose: (nodeId: string) => cut.add(nodeId),
    hear: (nodeId: string) => cut.delete(nodeId),
    reach(nodeId: string) {
      cut.delete(nodeId);
      for (const task of reconnected.get(nodeId) ?? []) task();
    },
  };
}

function cuttable<T extends Broker>(
  view: T,
  nodeId: string,
  world: { readonly cut: ReadonlySet<string>; readonly reconnected: Map<string, (() => void)[]> },
): T {
  const { subscribe, history } = view;
  const gone = <R>(act: () => Promise<R>): Promise<R> =>
    world.cut.has(nodeId) ? Promise.reject(new BrokerError("unavailable", "cut")) : act();
  view.subscribe = (channel, stream, listener) =>
    gone(() => subscribe.call(view, channel, stream, deaf(listener)));
  view.history = (...args) => gone(() => history.apply(view, args));
  view.onReconnect = (task) => {
    world.reconnected.set(nodeId, [...(world.reconnected.get(nodeId) ?? []), task]);
  };
  const deaf = (listener: ChannelListener): ChannelListener => ({
    publication: (...args) => void (world.cut.has(nodeId) || listener.publication(...args)),
    presence: (change) => listener.presence(change),
    removed: (...args) => listener.removed(...args),
  });
  return view;
}

const ended = async (client: HandClient): Promise<string | undefined> => {
  const last = (await client.take()).find(({ t }) => t === "goodbye" || t === "unsubscribed");
  return last?.t === "goodbye" || last?.t === "unsubscribed" ? last.name : undefined;
};

const RESUME = JSON.stringify({ session: "s", identity: ADA, issuedAtMs: 0 });

test("a command reaches every node, and its answer means that the broker has it", async () => {
  const { add } = await cluster();
  const [a, b] = [await add("a"), await add("b")];
  const client = await b.connect({ token: "ada" });
  await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await client.take();
  expect(await a.engine.unsubscribe(ADA, "chat:a")).toMatchObject({ ok: true });
  expect(await ended(client)).toBe("subscription_ended");
  expect(await a.engine.disconnect(ADA, { reconnect: true })).toMatchObject({ ok: true });
  expect(await ended(client)).toBe("disconnected");
});

test("a command that the broker does not take is answered as one that nobody will carry out", async () => {
  const { engine, connect } = await createEngineHarness({
    contract,
    tokens: { ada: ADA },
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { publish } = broker;
      broker.publish = (channel, ...more) =>
        channel === COMMANDS_CHANNEL
          ? Promise.reject(new BrokerError("unavailable", "cut"))
          : publish.call(broker, channel, ...more);
      return broker;
    },
  });
  const client = await connect({ token: "ada" });
  for (const answer of [
    await engine.disconnect(ADA, { reconnect: false }),
    await engine.unsubscribe(ADA, "chat:a"),
  ])
    expect(answer).toMatchObject({ ok: false });
  expect(await ended(client)).toBeUndefined();
});

test("H5: a node that starts after a ban refuses the resume tokens from before it", async () => {
  const { add } = await cluster();
  const a = await add("a");
  await a.engine.disconnect(ADA, { reconnect: false });
  const b = await add("b");
  const client = b.open();
  await client.send({ t: "connect", id: 1, resume: RESUME });
  expect(await client.take()).toMatchObject([{ t: "goodbye", name: "resume_rejected" }]);
});

test("H5: a node that was cut off from the broker carries out what it missed when it is back", async () => {
  const { add, lose, reach } = await cluster();
  const [a, b] = [await add("a"), await add("b")];
  const client = await b.connect({ token: "ada" });
  lose("b");
  await a.engine.disconnect(ADA, { reconnect: false });
  await a.advance(30_000);
  expect(await ended(client)).toBeUndefined();
  reach("b");
  await a.settle();
  expect(await ended(client)).toBe("banned");
  const again = b.open();
  await again.send({ t: "connect", id: 1, resume: RESUME });
  expect(await again.take()).toMatchObject([{ t: "goodbye", name: "resume_rejected" }]);
});

test("a command that comes late does not end what a client began after it", async () => {
  const { add, lose, reach } = await cluster();
  const [a, b] = [await add("a"), await add("b")];
  lose("b");
  await a.engine.disconnect(ADA, { reconnect: true });
  await a.advance(90_000);
  const client = await b.connect({ token: "ada" });
  reach("b");
  await a.advance(15_000);
  expect(await ended(client)).toBeUndefined();
});

test("a command that was lost on its way is found within ten seconds", async () => {
  const { add, lose, hear } = await cluster();
  const [a, b] = [await add("a"), await add("b")];
  const client = await b.connect({ token: "ada" });
  lose("b");
  await a.engine.disconnect(ADA, { reconnect: true });
  await a.settle();
  // Nobody tells the node that it missed something.
  hear("b");
  await a.advance(11_000);
  expect(await ended(client)).toBe("disconnected");
});

test("the log of commands is no channel of the application", async () => {
  const { add } = await cluster();
  const a = await add("a");
  await a.engine.disconnect(ADA, { reconnect: true });
  expect(await a.engine.channels({ prefix: "", limit: 10 })).toEqual({ ok: true, value: [] });
  const client = await a.connect();
  await client.send({ t: "subscribe", id: 2, ch: COMMANDS_CHANNEL });
  expect(await client.take()).toMatchObject([{ t: "err", name: "channel_invalid" }]);
});

const NOTHING = { kind: "json", text: "null" } as const;

/** A log by itself, on a broker whose history can be made to fail. */
async function alone() {
  const clock = createManualClock();
  const broker = createMemoryBroker({ clock, random: createSeededRandom(7) });
  const other = broker.connect("other");
  const view = broker.connect("n");
  const { history } = view;
  const world = { fails: false, asked: 0 };
  view.history = (...args) => {
    world.asked += 1;
    return world.fails ? Promise.reject(new Error("no")) : history.apply(view, args);
  };
  const told: string[] = [];
  const log = new CommandLog<unknown>(
    {
      clock,
      broker: view,
      random: { next: () => 0.9 },
      keptMs: () => 600_000,
      background: (_what, work) => void work,
    },
    ({ command, isLate }) => told.push(`${JSON.stringify(command)}${isLate ? " late" : ""}`),
  );
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 50) {
      clock.advance(50);
      for (let turn = 0; turn < 10; turn++) {
        await Promise.resolve();
        clock.flush();
      }
    }
  };
  const publish = (payload: Parameters<Broker["publish"]>[2]["payload"]) =>
    other.publish(
      COMMANDS_CHANNEL,
      { cls: "durable", sizeMax: 10_000, ttlMs: 600_000 },
      { payload },
    );
  const heard = (offset: number, epoch: string): void =>
    log.publication({ offset, timeMs: 0, payload: { kind: "json", text: `${offset}` } }, epoch);
  return {
    log,
    world,
    told,
    advance,
    publish,
    clock,
    broker,
    views: [other, view] as const,
    heard,
  };
}

test("a broker that does not answer is asked for commands ever more slowly, until the log ends", async () => {
  const { log, world, told, advance, publish } = await alone();
  await publish({ kind: "json", text: "1" });
  await log.start();
  expect(told).toEqual(["1 late"]);
  world.fails = true;
  world.asked = 0;
  await advance(30_000);
  expect(world.asked).toBeGreaterThan(5);
  // Once in 4.5 s at last, however long it takes.
  for (let minute = 0; minute < 10; minute++) {
    world.asked = 0;
    await advance(60_000);
    expect(world.asked).toBeLessThanOrEqual(14);
  }
  world.fails = false;
  await log.append(2);
  await advance(6_000);
  expect(told.slice(1)).toHaveLength(1);
  world.fails = true;
  await advance(11_000);
  log.stop();
  await advance(6_000);
  const { asked } = world;
  await publish({ kind: "json", text: "3" });
  await advance(60_000);
  expect(world.asked).toBe(asked);
  expect(told).toHaveLength(2);
});

test("what is no command is passed by, and the next one is carried out once", async () => {
  const { log, told, advance, publish } = await alone();
  await log.start();
  await publish({ kind: "bytes", bytes: Uint8Array.of(1) });
  await log.append({ a: 1 });
  await advance(100);
  expect(told).toEqual(['{"a":1}']);
  await advance(30_000);
  expect(told).toEqual(['{"a":1}']);
});

test("a start reads the log once, and fails if the broker does not answer", async () => {
  const { log, world, advance } = await alone();
  await log.start();
  expect(world.asked).toBe(1);
  await advance(9_000);
  expect(world.asked).toBe(1);
  await advance(2_000);
  expect(world.asked).toBe(2);
  await advance(8_000);
  expect(world.asked).toBe(2);
  await advance(2_000);
  expect(world.asked).toBe(3);
  const other = await alone();
  other.world.fails = true;
  await expect(other.log.start()).rejects.toThrow("no");
});

test("a command that is heard is carried out if it is the next one; a hole or another epoch is read", async () => {
  const { log, world, told, advance, publish, heard } = await alone();
  const { position } = await publish({ kind: "json", text: "1" });
  heard(1, position.epoch);
  await advance(100);
  expect([told, world.asked]).toEqual([[], 0]);
  await log.start();
  world.asked = 0;
  heard(1, position.epoch);
  heard(2, position.epoch);
  await advance(100);
  expect([told, world.asked]).toEqual([["1 late", "2"], 0]);
  for (const [offset, epoch] of [
    [4, position.epoch],
    [3, "another"],
    [1, "another"],
  ] as const) {
    world.asked = 0;
    heard(offset, epoch);
    heard(offset, epoch);
    await advance(2_000);
    // The first makes it read, the second makes it read once more.
    expect([told, world.asked]).toEqual([["1 late", "2"], 2]);
  }
});

test("the log reads what a new epoch of it holds, from its beginning", async () => {
  const { log, told, advance, publish, heard, world, views } = await alone();
  await publish({ kind: "json", text: "1" });
  await log.start();
  const [, view] = views;
  if (view === undefined) throw new Error("no view");
  const page = { epoch: "another", head: 1, oldest: 1, more: false };
  const publication = { offset: 1, timeMs: 0, payload: { kind: "json", text: "7" } } as const;
  view.history = async (_channel, _stream, query) => {
    world.asked += 1;
    return { ...page, publications: "after" in query && query.after < 1 ? [publication] : [] };
  };
  heard(2, "another");
  await advance(100);
  expect(told).toEqual(["1 late", "7 late"]);
});

test("a log that ended leaves neither a timer nor a subscription, whatever it was doing", async () => {
  for (const fails of [false, true]) {
    const { log, world, advance, broker, views, clock, heard } = await alone();
    await log.start();
    world.fails = fails;
    await advance(11_000);
    log.stop();
    const { asked } = world;
    heard(9, "another");
    clock.advance(3_600_000);
    await advance(1_000);
    expect([world.asked, broker.figures().channels]).toEqual([asked, 0]);
    for (const view of views) await view.close();
    expect(clock.waiting()).toBe(0);
  }
});

test("a log that waits for the broker asks at once if the broker is back, and once", async () => {
  const { log, world, told, advance, publish, views } = await alone();
  await log.start();
  const [, view] = views;
  world.fails = true;
  await advance(60_000);
  await publish({ kind: "json", text: "1" });
  await advance(100);
  world.fails = false;
  world.asked = 0;
  view?.cut();
  view?.heal();
  await advance(50);
  expect([told.length, world.asked]).toEqual([1, 1]);
  await advance(5_000);
  expect(told).toHaveLength(1);
  expect(world.asked).toBeLessThanOrEqual(2);
});

/** Pages are read at once and given when `answer`, the result, is called. */
function holdPages(view: Broker): () => void {
  const { history } = view;
  let give = (): void => {};
  view.history = async (...args) => {
    const page = await history.apply(view, args);
    await new Promise<void>((resolve) => {
      give = resolve;
    });
    return page;
  };
  return () => give();
}

test("a command that is heard while the log is read is carried out once", async () => {
  const { log, told, advance, publish, heard, views } = await alone();
  await log.start();
  const answer = holdPages(views[1]);
  const { position } = await publish({ kind: "json", text: "1" });
  // A hole makes the log read; the command is in the page, and it is told as well.
  heard(2, position.epoch);
  await advance(50);
  heard(1, position.epoch);
  answer();
  await advance(50);
  answer();
  await advance(50);
  expect(told).toEqual(["1 late"]);
  heard(2, position.epoch);
  expect(told).toEqual(["1 late", "2"]);
});

test("H5: a command that comes behind the page that is being read is carried out at once", async () => {
  const { log, told, advance, publish, views } = await alone();
  const answer = holdPages(views[1]);
  // While it starts, and while it reads again because the broker is back.
  const started = log.start();
  for (const [count, begin] of [
    [1, () => {}],
    [2, () => log.publication({ offset: 9, timeMs: 0, payload: NOTHING }, "another epoch")],
  ] as const) {
    begin();
    await advance(50);
    await publish({ kind: "json", text: `${count}` });
    answer();
    await advance(50);
    answer();
    await advance(50);
    expect(told).toEqual(["1 late", "2 late"].slice(0, count));
  }
  await started;
});

test("a log of more commands than a page holds is read whole, and no further", async () => {
  const { log, told, publish, world } = await alone();
  for (let i = 1; i <= 501; i++) await publish({ kind: "json", text: `${i}` });
  await log.start();
  expect([told.length, told.at(-1), world.asked]).toEqual([501, "501 late", 2]);
});
