import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

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
  const { watcher, clients, engine, advance } = await room(20);
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
