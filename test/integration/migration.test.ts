import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { msgpack } from "@holdfast/client/msgpack";
import { patience } from "../patience.ts";
import { sharedBroker, startNode, type TestNode, until } from "./start-node.ts";
import { startSwitch } from "./switch.ts";

setDefaultTimeout(patience(30_000));

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function cluster(): Promise<{
  first: TestNode;
  second: TestNode;
  url: string;
  front: Awaited<ReturnType<typeof startSwitch>>;
}> {
  const broker = sharedBroker();
  const first = await startNode({ broker });
  const second = await startNode({ broker });
  const front = await startSwitch(first.node.port);
  cleanups.push(
    () => front.close(),
    () => first.node.stop(),
    () => second.node.stop(),
  );
  return { first, second, front, url: `ws://127.0.0.1:${front.port}/connect` };
}

interface Watched {
  readonly client: Holdfast;
  readonly states: string[];
  readonly seen: number[];
  readonly gaps: unknown[];
  readonly presence: { join: number; leave: number };
}

async function watch(url: string, name: string, codec: "json" | "msgpack"): Promise<Watched> {
  const client = new Holdfast(url, codec === "msgpack" ? { codec: msgpack } : {});
  cleanups.push(() => client.close());
  const watched: Watched = {
    client,
    states: [],
    seen: [],
    gaps: [],
    presence: { join: 0, leave: 0 },
  };
  client.on("state", ({ state }) => watched.states.push(state));
  const room = client.channel("chat:lobby");
  const subscription = room.subscribe((message) => watched.seen.push(message.offset));
  subscription.on("gap", (gap) => watched.gaps.push(gap));
  await subscription.ready;
  room.presence.on("change", ({ join, leave }) => {
    watched.presence.join += join.length;
    watched.presence.leave += leave.length;
  });
  await room.presence.enter({ name });
  return watched;
}

const rising = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

test("H6, H1, H7: a drain under load moves every session, nobody notices, nothing is lost and nobody leaves", async () => {
  const { first, second, front, url } = await cluster();
  const clients: Watched[] = [];
  for (let i = 0; i < 12; i++)
    clients.push(await watch(url, `member ${i}`, i % 2 === 0 ? "json" : "msgpack"));
  await until("everyone sees everyone", () =>
    clients.every(({ client }) => client.channel("chat:lobby").presence.members().length === 12),
  );
  const joinsBefore = clients.map(({ presence }) => presence.join);

  let published = 0;
  let publishing = true;
  const publishers = clients.slice(0, 3).map(async ({ client }) => {
    while (publishing) {
      await client.channel("chat:lobby").publish({ n: published });
      published += 1;
      await Bun.sleep(2);
    }
  });
  await Bun.sleep(150);
  front.target(second.node.port);
  const progress = await first.node.drain({ windowMs: patience(4000) });
  await Bun.sleep(150);
  publishing = false;
  await Promise.all(publishers);
  await until("everything arrived", () => clients.every(({ seen }) => seen.length >= published));

  expect(progress).toMatchObject({ total: 12, moved: 12, cut: 0, told: 0 });
  expect(second.node.info().sessions).toBe(12);
  for (const { client, states, seen, gaps, presence } of clients) {
    expect(states).toEqual(["connected"]);
    expect(seen).toEqual(rising(published));
    expect(gaps).toEqual([]);
    expect(presence.leave).toBe(0);
    expect(client.stats()).toMatchObject({ migrations: 1, reconnects: 0, lost: 0, undeclared: 0 });
  }
  expect(clients.map(({ presence }) => presence.join)).toEqual(joinsBefore);
  expect([...first.bugs, ...second.bugs]).toEqual([]);
});

test("H1, H3, H7: connections cut without a word come back with everything, publishes included once each", async () => {
  const { first, front, url } = await cluster();
  const clients: Watched[] = [];
  for (let i = 0; i < 6; i++)
    clients.push(await watch(url, `member ${i}`, i % 2 === 0 ? "json" : "msgpack"));
  await until("everyone sees everyone", () =>
    clients.every(({ client }) => client.channel("chat:lobby").presence.members().length === 6),
  );
  const acknowledged: number[] = [];
  const publishing = clients.flatMap(({ client }, who) =>
    Array.from({ length: 40 }, async (_, i) => {
      await Bun.sleep(i * 10);
      acknowledged.push((await client.channel("chat:lobby").publish({ who, i })).offset);
    }),
  );
  await Bun.sleep(150);
  front.cutAll();
  await Bun.sleep(120);
  front.cutAll();
  await Promise.all(publishing);
  await until("everything arrived", () => clients.every(({ seen }) => seen.length >= 240));
  expect(acknowledged.sort((a, b) => a - b)).toEqual(rising(240));
  for (const { seen, gaps, presence, client } of clients) {
    expect(seen).toEqual(rising(240));
    expect(gaps).toEqual([]);
    expect(presence.leave).toBe(0);
    expect(client.stats()).toMatchObject({ lost: 0, undeclared: 0 });
  }
  expect(first.bugs).toEqual([]);
});
