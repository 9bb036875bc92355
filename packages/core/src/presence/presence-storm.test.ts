// Owns: what many who come at once cost: messages, turns of the event loop, and what they know.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { MembersFrame, PresenceFrame, ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import type { Watcher } from "./presence-frames.ts";
import { PresenceRoom } from "./presence-room.ts";

const contract: ContractDefinition = { channels: { "chat:{room}": { presence: true } } };
const limits = {
  ...TEST_SETTINGS.limits,
  connectionsPerAddressMax: 10_000,
  connectionsMax: 10_000,
};
const admission = { ...TEST_SETTINGS.admission, handshakesPerSecond: 1e6 };
const flow = { ...TEST_SETTINGS.flow, chunkBytes: 65_536, lagBytes: 262_144 };
const timeouts = { ...TEST_SETTINGS.timeouts, presenceCoalesceMs: 100 };

async function crowd(count: number) {
  const node = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits, timeouts, admission, flow },
  });
  const clients: HandClient[] = [];
  for (let n = 0; n < count; n++) clients.push(await node.connect());
  return { ...node, clients };
}

/** Members as a client keeps them that follows the specification. */
function follow(known: Set<string>, frames: readonly ServerFrame<unknown>[]): void {
  for (const frame of frames) {
    if (frame.t === "members") for (const { m } of frame.list) known.add(m);
    if (frame.t !== "presence") continue;
    for (const { m } of [...frame.join, ...frame.update]) known.add(m);
    for (const m of frame.leave) known.delete(m);
  }
}

/** Clients enter and watch one channel, so many in each ms; then some leave. */
async function storm(count: number): Promise<number> {
  const { clients, advance, engine } = await crowd(count);
  const known = clients.map(() => new Set<string>());
  let messages = 0;
  const read = async (): Promise<void> => {
    for (const [n, client] of clients.entries()) {
      messages += client.link.messages.length;
      follow(known[n] as Set<string>, await client.take());
    }
  };
  for (const client of clients) await client.take();
  for (const [n, client] of clients.entries()) {
    await client.send(
      { t: "enter", id: 2, ch: "chat:a", data: n },
      { t: "watch", id: 3, ch: "chat:a" },
    );
    if (n % 5 === 4) await advance(5);
  }
  await advance(500);
  await read();
  for (const client of clients.slice(0, 10)) await client.send({ t: "leave", id: 4, ch: "chat:a" });
  await advance(500);
  await read();
  const answer = await engine.presence("chat:a");
  const truth = answer.ok ? answer.value.map(({ member }) => member).sort() : [];
  expect(truth).toHaveLength(count - 10);
  for (const one of known) expect([...one].sort()).toEqual(truth);
  return messages;
}

test("clients that enter and watch one channel cost messages that grow with their number", async () => {
  const [few, more] = [await storm(100), await storm(400)];
  expect(few).toBeLessThan(10 * 100);
  // All of them come within four times as long: each hears of four times as many changes.
  expect(more).toBeLessThan(10 * 400);
});

test("who comes alone gets the members at once, with itself in them", async () => {
  const { clients, advance } = await crowd(3);
  for (const client of clients) {
    await client.take();
    await client.send({ t: "enter", id: 2, ch: "chat:a" }, { t: "watch", id: 3, ch: "chat:a" });
    const frames = await client.take();
    const known = new Set<string>();
    follow(known, frames);
    expect(frames.map(({ t }) => t)).toEqual(["ok", "members", "ok"]);
    expect(known).toContain(client.connection.session);
    await advance(200);
  }
});

test("who comes soon behind another waits for the next telling, and knows of itself then", async () => {
  const { clients, advance } = await crowd(2);
  const [first, second] = clients as [HandClient, HandClient];
  await first.send({ t: "watch", id: 2, ch: "chat:a" });
  for (const client of clients) await client.take();
  await second.send({ t: "enter", id: 2, ch: "chat:a" }, { t: "watch", id: 3, ch: "chat:a" });
  expect((await second.take()).map(({ t }) => t)).toEqual(["ok"]);
  await advance(110);
  const mine = await second.take();
  expect(mine.map(({ t }) => t)).toEqual(["members", "ok"]);
  const known = new Set<string>();
  follow(known, mine);
  expect([...known]).toEqual([second.connection.session]);
  expect((await first.take()).map(({ t }) => t)).toEqual(["presence"]);
  await advance(1000);
  expect(await second.take()).toEqual([]);
});

/** A room of its own on a clock whose turns a test counts. Its watchers note what they get. */
function room() {
  let nowMs = 0;
  let timers: { atMs: number; task: () => void }[] = [];
  let turns: (() => void)[] = [];
  const settings = { ...TEST_SETTINGS, timeouts };
  const presence = new PresenceRoom("chat:a", {
    clock: {
      nowMs: () => nowMs,
      after: (ms, task) => {
        const timer = { atMs: nowMs + ms, task };
        timers.push(timer);
        return () => {
          timers = timers.filter((one) => one !== timer);
        };
      },
      defer: (task) => void turns.push(task),
    },
    broker: { presence: { members: async () => ({ members: [] }) } },
    observer: { slowConsumer() {} },
    settings: () => settings,
    background: () => {},
  });
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await Promise.resolve();
  };
  const watch = (): { got: ServerFrame[]; watcher: Watcher } => {
    const got: ServerFrame[] = [];
    const watcher = {
      codec: { encode: (frame: ServerFrame) => frame },
      codecNumber: 1,
      phase: "open",
      lagging: false,
      outLength: 0,
      keepRoom: () => () => {},
      answer: (frame: ServerFrame) => got.push(frame),
      enqueue: (frame: ServerFrame) => got.push(frame),
    } as unknown as Watcher;
    void presence.watch(watcher, () => true);
    return { got, watcher };
  };
  return {
    presence,
    settle,
    watch,
    async pass(ms: number): Promise<void> {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { task } of due) task();
      await settle();
    },
    /** One turn of the event loop; false if nothing waits for one. */
    async turn(): Promise<boolean> {
      const now = turns;
      turns = [];
      for (const task of now) task();
      await settle();
      return now.length > 0;
    },
  };
}
const enter = (member: string) => ({ kind: "join", member: { member } }) as const;

test("many watchers are told in parts, one in each turn of the event loop, each once", async () => {
  const { presence, watch, pass, turn, settle } = room();
  const watchers = Array.from({ length: 600 }, watch);
  await settle();
  await pass(1000);
  while (await turn());
  for (const { got } of watchers) expect(got.splice(0).map(({ t }) => t)).toEqual(["members"]);
  presence.change(enter("m1"));
  await pass(100);
  const told = (): number => watchers.filter(({ got }) => got.length > 0).length;
  // Telling so many takes longer, so changes are gathered longer.
  expect(told()).toBe(0);
  await pass(61);
  expect(told()).toBe(250);
  await turn();
  expect(told()).toBe(500);
  // What comes meanwhile waits until all know what is being told.
  presence.change(enter("m2"));
  await turn();
  expect(told()).toBe(600);
  expect(await turn()).toBe(false);
  await pass(1000);
  while (await turn());
  for (const { got } of watchers)
    expect(got.map((frame) => (frame as PresenceFrame).join.map(({ m }) => m))).toEqual([
      ["m1"],
      ["m2"],
    ]);
});

test("who ends its watch, or watches anew, while others are told, gets nothing old", async () => {
  const { presence, watch, pass, turn, settle } = room();
  const watchers = Array.from({ length: 600 }, watch);
  await settle();
  await pass(1000);
  while (await turn());
  for (const { got } of watchers) got.splice(0);
  presence.change(enter("m1"));
  await pass(161);
  const [gone, again] = watchers.slice(-2) as [(typeof watchers)[0], (typeof watchers)[0]];
  presence.unwatch(gone.watcher);
  presence.change({ kind: "leave", member: "m1" });
  void presence.watch(again.watcher, () => true);
  for (let n = 0; n < 10; n++) {
    while (await turn());
    await pass(200);
  }
  expect(gone.got).toEqual([]);
  const frames = again.got as (MembersFrame | PresenceFrame)[];
  const known = new Set<string>();
  for (const frame of frames) {
    // A client forgets what it knew when a snapshot comes.
    if (frame.t === "members") known.clear();
    follow(known, [frame as never]);
  }
  expect([...known]).toEqual([]);
  expect(frames.filter(({ t }) => t === "members")).toHaveLength(1);
});

test("snapshots of many bytes leave a part in each turn, and none is older than what is told", async () => {
  const { presence, watch, pass, turn, settle } = room();
  const first = watch();
  await settle();
  const data = { kind: "json", text: JSON.stringify("x".repeat(10_000)) } as const;
  for (let n = 0; n < 40; n++) presence.change({ kind: "join", member: { member: `m${n}`, data } });
  const late = Array.from({ length: 10 }, watch);
  await settle();
  const shown = (): number => late.filter(({ got }) => got.length > 0).length;
  expect(shown()).toBe(0);
  await pass(101);
  const steps = [shown()];
  presence.change(enter("last"));
  while (await turn()) steps.push(shown());
  expect(steps.slice(0, 5)).toEqual([2, 4, 6, 8, 10]);
  await pass(1000);
  while (await turn());
  for (const { got } of [first, ...late]) {
    const known = new Set<string>();
    follow(known, got as never);
    expect(known.size).toBe(41);
  }
});

test("a telling that is not over when the next one is due is finished first", async () => {
  const { presence, watch, pass, turn, settle } = room();
  const watchers = Array.from({ length: 600 }, watch);
  await settle();
  await pass(1000);
  while (await turn());
  for (const { got } of watchers) got.splice(0);
  presence.change(enter("m1"));
  await pass(161);
  presence.change(enter("m2"));
  await pass(161);
  for (let n = 0; n < 5; n++) {
    while (await turn());
    await pass(200);
  }
  for (const { got } of watchers) {
    const known = new Set<string>();
    follow(known, got as never);
    expect([...known]).toEqual(["m1", "m2"]);
  }
});

test("who reads a snapshot so slowly that others were told meanwhile hears the difference", async () => {
  const { presence, watch, pass, turn, settle } = room();
  const others = watch();
  await settle();
  presence.change(enter("m1"));
  await pass(200);
  const slow = watch();
  let open = (): void => {};
  const gate = new Promise<() => void>((resolve) => {
    open = () => resolve(() => {});
  });
  // Room to read the members is there; room for the snapshot comes late.
  let asked = 0;
  Object.assign(slow.watcher, { keepRoom: () => (asked++ === 0 ? () => {} : gate) });
  await settle();
  await pass(200);
  presence.change({ kind: "leave", member: "m1" });
  await pass(200);
  while (await turn());
  open();
  await settle();
  await pass(1000);
  const known = new Set<string>();
  follow(known, slow.got as never);
  expect([...known]).toEqual([]);
  expect(slow.got.map(({ t }) => t)).toEqual(["members", "presence"]);
  expect(others.got.at(-1)?.t).toBe("presence");
});
