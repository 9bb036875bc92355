import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import { BrokerError, type PresenceStore } from "../ports.ts";

const contract: ContractDefinition = { channels: { "chat:{room}": { presence: true } } };
const DATA = "x".repeat(1500);

/** Members as a client keeps them that follows the specification. */
function follow(known: Map<string, unknown>, frames: readonly ServerFrame<unknown>[]): void {
  for (const frame of frames) {
    if (frame.t === "members") for (const { m, data } of frame.list) known.set(m, data);
    if (frame.t !== "presence") continue;
    for (const { m, data } of [...frame.join, ...frame.update]) known.set(m, data);
    for (const m of frame.leave) known.delete(m);
  }
}

async function room(members: number) {
  const limits = { ...TEST_SETTINGS.limits, connectionsPerAddressMax: 1000, connectionsMax: 1000 };
  const node = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits },
  });
  const clients: HandClient[] = [];
  for (let i = 0; i < members; i++) {
    const client = await node.connect();
    await client.send({ t: "enter", id: 2, ch: "chat:a", data: DATA });
    clients.push(client);
  }
  const watcher = await node.connect();
  await node.advance(100);
  return { ...node, clients, watcher };
}
const truth = async (engine: Awaited<ReturnType<typeof room>>["engine"]) => {
  const answer = await engine.presence("chat:a");
  return answer.ok ? answer.value.map(({ member }) => member).sort() : [];
};

test("a snapshot comes in parts of bounded size, as fast as they are read, and then what changed meanwhile", async () => {
  const { watcher, clients, engine, advance } = await room(30);
  watcher.link.stalled = true;
  await watcher.send({ t: "watch", id: 2, ch: "chat:a" });
  const known = new Map<string, unknown>();
  const first = await watcher.take();
  expect(first.length).toBeLessThan(5);
  follow(known, first);
  const types = first.map(({ t }) => t);
  await clients[0]?.send({ t: "leave", id: 3, ch: "chat:a" });
  await clients[20]?.send({ t: "update", id: 3, ch: "chat:a", data: "new" });
  for (let part = 0; part < 40; part++) {
    await watcher.drain();
    watcher.link.stalled = part < 30;
    for (const message of watcher.link.messages)
      expect(message.length).toBeLessThan(TEST_SETTINGS.flow.lagBytes + 2 * 2048 + 2 * 1600);
    await advance(50);
    const frames = await watcher.take();
    types.push(...frames.map(({ t }) => t));
    follow(known, frames);
  }
  expect([...known.keys()].sort()).toEqual(await truth(engine));
  expect(known.get(clients[20]?.connection.session ?? "")).toBe("new");
  expect(types.indexOf("ok")).toBe(types.lastIndexOf("members") + 1);
  expect(types.slice(0, types.indexOf("ok"))).not.toContain("presence");
});

test("a watcher that reads too slowly for the changes is not cut: it gets the members anew when it reads", async () => {
  const { watcher, clients, engine, advance, observed } = await room(20);
  await watcher.send({ t: "watch", id: 2, ch: "chat:a" });
  await advance(200);
  const known = new Map<string, unknown>();
  follow(known, await watcher.take());
  expect(known.size).toBe(20);
  watcher.link.stalled = true;
  for (let round = 0; round < 20; round++) {
    for (const client of clients.slice(1))
      await client.send({ t: "update", id: 10 + round, ch: "chat:a", data: `${round}${DATA}` });
    await advance(40);
  }
  await clients[0]?.send({ t: "leave", id: 9, ch: "chat:a" });
  expect(watcher.connection.phase).toBe("open");
  expect(watcher.link.buffered).toBeLessThan(3 * TEST_SETTINGS.flow.lagBytes + 2 * DATA.length);
  expect(observed).toContain("slowConsumer conflate");
  // A client forgets what it knew when the first part of a snapshot comes.
  known.clear();
  await watcher.take();
  await watcher.drain();
  await advance(500);
  follow(known, await watcher.take());
  expect([...known.keys()].sort()).toEqual(await truth(engine));
  expect(String(known.get(clients[7]?.connection.session ?? ""))).toStartWith("19");
});

test("a second watch while the first is under way waits for it", async () => {
  const { watcher, advance } = await room(10);
  await watcher.send(
    { t: "watch", id: 2, ch: "chat:a" },
    { t: "watch", id: 3, ch: "chat:a" },
    { t: "unwatch", id: 4, ch: "chat:a" },
  );
  await advance(200);
  const frames = await watcher.take();
  const snapshots = frames.filter((frame) => frame.t === "members" && !frame.more);
  expect(snapshots).toHaveLength(2);
  expect(frames.flatMap((frame) => (frame.t === "ok" ? [frame.id] : []))).toEqual([2, 3, 4]);
  expect(watcher.connection.watches?.size ?? 0).toBe(0);
});

test("who no longer watches hears of no change, and another who watches does", async () => {
  const { watcher, clients, connect, advance } = await room(2);
  const other = await connect();
  for (const one of [watcher, other]) await one.send({ t: "watch", id: 2, ch: "chat:a" });
  await watcher.send({ t: "unwatch", id: 3, ch: "chat:a" });
  await advance(100);
  await Promise.all([watcher.take(), other.take()]);
  await clients[0]?.send({ t: "update", id: 3, ch: "chat:a", data: "new" });
  await advance(100);
  expect(await watcher.take()).toEqual([]);
  expect((await other.take()).map(({ t }) => t)).toEqual(["presence"]);
});

/** A watcher on a node whose broker is told what to do with reads of members, and another node. */
async function reads() {
  const world = { asked: 0, fails: false, during: async (): Promise<void> => {} };
  let view: { cut(): void; heal(): void } | undefined;
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      view = broker;
      const { presence } = broker;
      const members = presence.members.bind(presence);
      presence.members = async (...args: Parameters<PresenceStore["members"]>) => {
        world.asked += 1;
        const { fails } = world;
        const page = await members(...args);
        await world.during();
        if (fails) throw new BrokerError("unavailable", "no");
        return page;
      };
      return broker;
    },
  });
  const other = node.broker.connect("other");
  const enter = (member: string, text = "1") =>
    other.presence.enter("chat:a", { member, data: { kind: "json", text } }, "other/1");
  const leave = (member: string) => other.presence.leave("chat:a", member, "other/1", 0);
  for (const member of ["m1", "m2", "m3"]) await enter(member);
  const watcher = await node.connect();
  const watch = () => watcher.send({ t: "watch", id: 2, ch: "chat:a" });
  const known = new Map<string, unknown>();
  let isPart = false;
  /** What the watcher was told: `+` joined, `*` changed, `-` left. */
  const told = async (ms = 100): Promise<string[]> => {
    await node.advance(ms);
    return (await watcher.take()).flatMap((frame) => {
      // A client forgets what it knew when the first part of a snapshot comes.
      if (frame.t === "members" && !isPart) known.clear();
      if (frame.t === "members") isPart = frame.more;
      follow(known, [frame]);
      if (frame.t === "members") return frame.list.map(({ m }) => m);
      if (frame.t !== "presence") return [];
      const { join, update, leave: left } = frame;
      return [
        ...join.map(({ m }) => `+${m}`),
        ...update.map(({ m }) => `*${m}`),
        ...left.map((m) => `-${m}`),
      ];
    });
  };
  const away = async (meanwhile: () => Promise<void>): Promise<void> => {
    view?.cut();
    await meanwhile();
    await node.settle();
    view?.heal();
  };
  /** From now on reads of members wait until the result is called. */
  const hold = (): (() => void) => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    world.during = () => gate;
    return () => {
      world.during = async () => {};
      open();
    };
  };
  const changes = async (): Promise<void> => {
    await leave("m1");
    await enter("m2", "2");
    await enter("m4");
  };
  return { ...node, world, enter, leave, watch, told, away, hold, changes, watcher, known };
}

test("H7: after the broker was away a watcher is told what changed, and nothing else", async () => {
  const { world, watch, told, away, changes } = await reads();
  await watch();
  await told();
  world.asked = 0;
  await away(changes);
  expect(await told()).toEqual(["+m4", "*m2", "-m1"]);
  await away(async () => {});
  expect(await told(5_000)).toEqual([]);
  expect(world.asked).toBe(2);
});

test("a read that fails is repeated each second; meanwhile a watcher hears what comes", async () => {
  const { world, watch, told, away, changes, enter, hold } = await reads();
  await watch();
  await told();
  world.asked = 0;
  world.fails = true;
  const open = hold();
  await away(changes);
  expect(await told()).toEqual([]);
  await enter("m5");
  expect(await told()).toEqual([]);
  open();
  expect(await told()).toEqual(["+m5"]);
  await enter("m6");
  expect(await told()).toEqual(["+m6"]);
  await told(4_000);
  expect(world.asked).toBeWithin(4, 6);
  world.fails = false;
  expect(await told(1_000)).toEqual(["+m4", "*m2", "-m1"]);
  world.asked = 0;
  expect(await told(5_000)).toEqual([]);
  expect(world.asked).toBe(0);
});

test("members that nobody watches are not read again, whatever the read was doing", async () => {
  const { world, watch, told, away, watcher, hold } = await reads();
  await watch();
  const unwatch = { t: "unwatch", id: 3, ch: "chat:a" } as const;
  world.fails = true;
  const open = hold();
  await away(async () => {});
  await told();
  await watcher.send(unwatch);
  open();
  world.asked = 0;
  await told(5_000);
  await away(async () => {});
  await told(5_000);
  expect(world.asked).toBe(0);
});

test("one watcher is enough for a read that failed to be repeated", async () => {
  const { world, watch, told, away } = await reads();
  await watch();
  world.fails = true;
  await away(async () => {});
  await told();
  world.asked = 0;
  await told(3_000);
  expect(world.asked).toBe(3);
});

test("what changes while the members are read is in the snapshot", async () => {
  const { watch, told, enter, leave, hold } = await reads();
  const open = hold();
  await watch();
  await leave("m1");
  await enter("m4");
  expect(await told()).toEqual([]);
  open();
  expect(await told()).toEqual(["m2", "m3", "m4"]);
  await enter("m5");
  expect(await told()).toEqual(["+m5"]);
});

test.each([
  ["fewer changes than are kept", 9_999, 1, 1, 0],
  ["as many as are kept", 10_000, 1, 2, 0],
  ["more than are kept, again and again", 10_001, 9, 4, 1],
])("%s while the members are read", async (_what, count, rounds, asked, later) => {
  const { world, watch, told, enter } = await reads();
  let left = rounds;
  world.during = async () => {
    if (left-- <= 0) return;
    for (let i = 0; i < count; i++) void enter("m1", String(left * count + i));
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  };
  await watch();
  await told();
  expect(world.asked).toBe(asked);
  left = 0;
  await told(5_000);
  expect(world.asked).toBe(asked + later);
  await enter("m2", "7");
  expect(await told()).toEqual(["*m2"]);
});

test("a watcher whose new snapshot fails gets all members in the end", async () => {
  const { world, watch, told, away, enter, watcher, hold, engine, known } = await reads();
  await watch();
  await told();
  watcher.link.stalled = true;
  for (let round = 0; round < 20; round++) {
    await enter("m1", JSON.stringify(`${round}${DATA}`));
    await told(40);
  }
  await enter("m9");
  await told(40);
  world.fails = true;
  const open = hold();
  await away(async () => {});
  await told();
  await watcher.drain();
  await told();
  open();
  await told();
  world.fails = false;
  await told(3_000);
  expect([...known.keys()].sort()).toEqual(await truth(engine));
  expect(String(known.get("m1"))).toStartWith("19");
  await enter("m8");
  expect(await told()).toEqual(["+m8"]);
  expect(await told(5_000)).toEqual([]);
});

test("who watches again, after nobody did for a while, gets the members of now, and every change once", async () => {
  const { watch, told, enter, leave, watcher, world } = await reads();
  await watch();
  expect(await told()).toEqual(["m1", "m2", "m3"]);
  await enter("m2", "2");
  await watcher.send({ t: "unwatch", id: 3, ch: "chat:a" });
  await leave("m1");
  await watch();
  expect(await told()).toEqual(["m2", "m3"]);
  await enter("m3", "2");
  await enter("m3", "1");
  await enter("m4");
  await leave("m4");
  expect(await told()).toEqual([]);
  await enter("m2", "3");
  await enter("m2", "4");
  expect(await told()).toEqual(["*m2"]);
  expect(world.asked).toBe(2);
});
