import { expect, test } from "bun:test";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  type HandClient,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { MemoryBrokerNode } from "../memory-broker/index.ts";
import { PresenceKeeper } from "./presence-keeper.ts";

const contract = { channels: { "chat:{room}": { presence: true } } } as const;
const GRACE_MS = TEST_SETTINGS.timeouts.presenceGraceMs;

/** A node, another one that takes entries away, and how often members were asked for. */
async function stage(fails: (call: "members" | "leave" | "enter") => boolean = () => false) {
  const calls = { members: 0, leave: 0, enter: 0 };
  const counted = (presence: MemoryBrokerNode["presence"]): MemoryBrokerNode["presence"] => {
    const call = (name: keyof typeof calls): void => {
      calls[name] += 1;
      if (fails(name)) throw new Error(`no ${name}`);
    };
    return {
      renew: presence.renew.bind(presence),
      enter: async (...args) => {
        call("enter");
        return presence.enter(...args);
      },
      leave: async (...args) => {
        call("leave");
        return presence.leave(...args);
      },
      members: async (...args) => {
        call("members");
        return presence.members(...args);
      },
    };
  };
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      Object.assign(broker, { presence: counted(broker.presence) });
      return broker;
    },
  });
  const other = node.broker.connect("other");
  const enter = async (ch: string, data?: unknown): Promise<HandClient> => {
    const client = await node.connect();
    await client.send(
      { t: "subscribe", id: 2, ch },
      { t: "enter", id: 3, ch, ...(data === undefined ? {} : { data }) },
    );
    await client.take();
    return client;
  };
  const forget = async (ch: string, { connection }: HandClient) =>
    other.presence.leave(ch, connection.session, connection.owner, 0);
  const members = async (ch: string) => {
    const { members: list } = await other.presence.members(ch);
    return list.map(({ member }) => member);
  };
  return { ...node, other, calls, enter, forget, members };
}

test("a member that another node ended and that is here is entered again, with its data, and stays", async () => {
  const { enter, forget, members, advance, other } = await stage();
  const client = await enter("chat:a", { mood: "here" });
  await advance(50);
  await forget("chat:a", client);
  expect(await members("chat:a")).toEqual([]);
  await advance(50);
  const { session } = client.connection;
  await advance(GRACE_MS + 100);
  expect(await members("chat:a")).toEqual([session]);
  const { members: list } = await other.presence.members("chat:a");
  expect(list[0]?.data).toEqual({ kind: "json", text: '{"mood":"here"}' });
});

test("a member that left is not entered again when its leave is told", async () => {
  const { enter, members, advance, calls } = await stage();
  const client = await enter("chat:a");
  await client.send({ t: "leave", id: 4, ch: "chat:a" });
  await advance(GRACE_MS + 100);
  expect(await members("chat:a")).toEqual([]);
  expect(calls.enter).toBe(1);
});

test("many leaves that are told at once are one comparison, and one more for what came meanwhile", async () => {
  const { enter, forget, members, advance, calls } = await stage();
  const clients = [];
  for (let i = 0; i < 8; i++) clients.push(await enter("chat:a"));
  await advance(50);
  const before = calls.members;
  for (const client of clients) await forget("chat:a", client);
  await advance(100);
  expect((await members("chat:a")).length).toBe(8);
  expect(calls.enter).toBe(16);
  expect(calls.members - before).toBeLessThanOrEqual(2);
  await forget("chat:a", clients[0] as HandClient);
  await advance(100);
  expect((await members("chat:a")).length).toBe(8);
});

test("the members of a channel that nobody watches are not kept, and read for the next who does", async () => {
  const { enter, calls, advance } = await stage();
  const client = await enter("chat:a");
  for (const reads of [1, 2]) {
    await client.send({ t: "watch", id: 4, ch: "chat:a" }, { t: "watch", id: 5, ch: "chat:a" });
    await advance(100);
    expect(calls.members).toBe(reads);
    await client.send({ t: "unwatch", id: 6, ch: "chat:a" });
  }
});

test("of the leaves that fail the newest 10,000 are repeated, in parts", async () => {
  let failing = true;
  const clock = createManualClock();
  const left: string[] = [];
  const presence = {
    enter: () => Promise.resolve(),
    members: () => Promise.resolve({ members: [] }),
    leave: (_channel: string, member: string): Promise<void> => {
      if (failing) return Promise.reject(new Error("no"));
      left.push(member);
      return Promise.resolve();
    },
  };
  const keeper = new PresenceKeeper(() => ({
    clock,
    random: createSeededRandom(1),
    broker: { presence },
    sessions: { connections: [], get: () => undefined, leavePresence: () => {} },
    settings: () => TEST_SETTINGS,
    background: () => {},
  }));
  for (let i = 0; i <= 10_000; i++)
    keeper.leave("chat:a", { session: `s${i}`, owner: "n1/1" } as HandClient["connection"], 0);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  failing = false;
  clock.advance((clock.nextDueMs() ?? 0) - clock.nowMs());
  expect(left.length).toBe(100);
  clock.advance(30_000);
  expect(left.length).toBe(10_000);
  expect(left[0]).toBe("s1");
  expect(clock.waiting()).toBe(0);
});

test("a comparison and a leave that fail are repeated, ever more slowly, until they succeed", async () => {
  let failing = false;
  const { enter, forget, members, advance, calls } = await stage(() => failing);
  const [stays, leaves] = [await enter("chat:a"), await enter("chat:a")];
  await advance(50);
  failing = true;
  const before = { ...calls };
  await forget("chat:a", stays);
  await leaves.lose();
  await advance(10_000);
  const tries = calls.members - before.members;
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThan(12);
  expect(calls.leave - before.leave).toBeGreaterThan(2);
  expect(calls.leave - before.leave).toBeLessThan(12);
  failing = false;
  await advance(11_000 + GRACE_MS);
  expect(await members("chat:a")).toEqual([stays.connection.session]);
  const after = { ...calls };
  await advance(30_000);
  expect(calls).toEqual(after);
});
