import { expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Payload } from "@holdfast/protocol";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import type { ChannelListener } from "../index.ts";
import { createMemoryBroker, type MemoryBrokerLimits } from "./index.ts";

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 10, ttlMs: 10_000 };
const text = (value: string): Payload => ({ kind: "json", text: JSON.stringify(value) });

function start(limits: Partial<MemoryBrokerLimits> = {}, onBug?: (error: unknown) => void) {
  const clock = createManualClock();
  const broker = createMemoryBroker({
    clock,
    random: createSeededRandom(1),
    limits,
    ...(onBug ? { onBug } : {}),
  });
  return { clock, broker, node: broker.connect("n1") };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "none",
    (error: { code: string }) => error.code,
  );

function recorder(): ChannelListener & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    publication: (publication) => heard.push(`pub ${publication.offset}`),
    removed: (offset) => heard.push(`removed ${offset}`),
    presence: (change) =>
      heard.push(
        `${change.kind} ${typeof change.member === "string" ? change.member : change.member.member}`,
      ),
  };
}

test("a listener is called at the end of the turn, never inside publish", async () => {
  const { clock, node } = start();
  const listener = recorder();
  await node.subscribe("a", ORDERED, listener);
  const publishing = node.publish("a", ORDERED, { payload: text("x") });
  expect(listener.heard).toEqual([]);
  await publishing;
  expect(listener.heard).toEqual([]);
  clock.flush();
  expect(listener.heard).toEqual(["pub 1"]);
});

test("a thousand publishes in one turn cost one deferred task and no timer of their own", async () => {
  const { clock, node } = start();
  const listener = recorder();
  await node.subscribe("a", ORDERED, listener);
  const waitingBefore = clock.waiting();
  for (let index = 0; index < 1000; index++)
    void node.publish("a", ORDERED, { payload: text("x") });
  expect(clock.waiting()).toBe(waitingBefore + 1);
  clock.flush();
  expect(listener.heard.length).toBe(1000);
});

test("what a listener publishes is handed out after its call, in order", async () => {
  const { clock, node } = start();
  const heard: string[] = [];
  await node.subscribe("echo", ORDERED, {
    publication: ({ offset }) => {
      heard.push(`begin ${offset}`);
      if (offset < 3) void node.publish("echo", ORDERED, { payload: text("again") });
      heard.push(`end ${offset}`);
    },
    removed: () => {},
    presence: () => {},
  });
  void node.publish("echo", ORDERED, { payload: text("first") });
  clock.flush();
  expect(heard).toEqual(["begin 1", "end 1", "begin 2", "end 2", "begin 3", "end 3"]);
});

test("a listener that throws keeps nothing from the others and is told as a bug", async () => {
  const bugs: unknown[] = [];
  const { clock, broker, node } = start({}, (error) => bugs.push(error));
  const other = recorder();
  await node.subscribe("a", ORDERED, {
    publication: () => {
      throw new Error("broken listener");
    },
    removed: () => {},
    presence: () => {},
  });
  await broker.connect("n2").subscribe("a", ORDERED, other);
  await node.publish("a", ORDERED, { payload: text("x") });
  await node.publish("a", ORDERED, { payload: text("y") });
  clock.flush();
  expect(other.heard).toEqual(["pub 1", "pub 2"]);
  expect(bugs.length).toBe(2);
});

test("a channel beyond channelsMax is refused as full until a spent one was dropped", async () => {
  const { clock, node } = start({ channelsMax: 2, streamIdleMs: 60_000 });
  const first = await node.publish("a", ORDERED, { payload: text("x") });
  await node.publish("b", ORDERED, { payload: text("x") });
  await expect(node.publish("c", ORDERED, { payload: text("x") })).rejects.toMatchObject({
    name: "BrokerError",
    code: "full",
  });
  clock.advance(80_000);
  await node.publish("c", ORDERED, { payload: text("x") });
  const second = await node.publish("a", ORDERED, { payload: text("x") });
  expect(second.position.offset).toBe(1);
  expect(second.position.epoch).not.toBe(first.position.epoch);
});

test("a stream is kept while it has a subscriber, a publication in its retention or a known idempotency key", async () => {
  const { clock, broker, node } = start({ streamIdleMs: 1000, idempotencyWindowMs: 30_000 });
  await node.subscribe("subscribed", ORDERED, recorder());
  await node.publish("retained", { ...ORDERED, ttlMs: 20_000 }, { payload: text("x") });
  await node.publish(
    "keyed",
    { ...ORDERED, ttlMs: 1 },
    { payload: text("x"), idempotencyKey: "k" },
  );
  await node.history("read only", ORDERED, { limit: 1 });
  expect(broker.figures().channels).toBe(4);
  clock.advance(5000);
  expect(broker.figures().channels).toBe(3);
  clock.advance(20_000);
  expect(broker.figures().channels).toBe(2);
  clock.advance(20_000);
  expect(broker.figures().channels).toBe(1);
});

test("a publish that would go over bytesMax is refused and changes nothing; one that displaces its like passes", async () => {
  const { broker, node } = start({ bytesMax: 13_000 });
  const twoKept = { ...ORDERED, sizeMax: 2 };
  const payload = text("x".repeat(2000));
  await node.publish("a", twoKept, { payload });
  await node.publish("a", twoKept, { payload });
  await expect(node.publish("b", twoKept, { payload })).rejects.toMatchObject({ code: "full" });
  for (let round = 0; round < 5; round++) await node.publish("a", twoKept, { payload });
  const page = await node.history("a", twoKept, { limit: 10 });
  expect(page.publications.map((publication) => publication.offset)).toEqual([6, 7]);
  expect(broker.figures().bytes).toBeLessThanOrEqual(13_000);
  expect(broker.figures().channels).toBe(1);
  await node.publish("b", { ...twoKept, cls: "volatile" }, { payload });
});

test("one party takes half of the room at most, others and programs go on, and what expired is given back", async () => {
  const bytesMax = 400_000;
  const { clock, broker, node } = start({ bytesMax, channelBytesMax: 1_000_000 });
  const payload = text("x".repeat(2000));
  const fill = async (party: string) => {
    for (let i = 0; i < 300; i++) {
      const outcome = await node
        .publish(`${party}-${i}`, ORDERED, { payload, party })
        .catch(({ code }) => code);
      if (outcome === "share") return;
      expect(outcome).toHaveProperty("position");
    }
    throw new Error("never refused");
  };
  await fill("a:10.0.0.1");
  expect(broker.figures().bytes).toBeLessThan(bytesMax / 2 + 10_000);
  await fill("a:10.0.0.2");
  await node.publish("victim", ORDERED, { payload, party: "u:good" });
  await node.publish("program", ORDERED, { payload });
  const { channels } = broker.figures();
  await expect(
    node.publish("new", ORDERED, { payload, party: "a:10.0.0.1" }),
  ).rejects.toMatchObject({ code: "share" });
  await expect(
    node.publish("victim", ORDERED, { payload, party: "a:10.0.0.1" }),
  ).rejects.toMatchObject({ code: "share" });
  expect(broker.figures().channels).toBe(channels);
  clock.advance(3 * ORDERED.ttlMs);
  await node.publish("again", ORDERED, { payload, party: "a:10.0.0.1" });
});

test("bytes go back to nothing when everything has expired", async () => {
  const { clock, broker, node } = start({ streamIdleMs: 1000, idempotencyWindowMs: 1000 });
  for (let index = 0; index < 50; index++) {
    await node.publish(`c${index % 7}`, ORDERED, {
      payload: text("x".repeat(index)),
      idempotencyKey: `k${index}`,
    });
    await node.publish(
      "latest",
      { cls: "latest", sizeMax: 5, ttlMs: 5000 },
      { payload: text("x"), key: `k${index % 9}` },
    );
    await node.presence.enter("room", { member: `m${index}`, data: text("hello") }, "n1/1");
  }
  expect(broker.figures().bytes).toBeGreaterThan(10_000);
  clock.advance(120_000);
  expect(broker.figures()).toMatchObject({ channels: 0, members: 0, bytes: 0, presenceBytes: 0 });
});

test("members beyond membersMax are refused; a member that is known may enter again", async () => {
  const { node } = start({ membersMax: 1 });
  await node.presence.enter("a", { member: "m1" }, "n1/1");
  await expect(node.presence.enter("a", { member: "m2" }, "n1/2")).rejects.toMatchObject({
    code: "full",
  });
  await node.presence.enter("a", { member: "m1", data: text("new") }, "n1/2");
  expect((await node.presence.members("a")).members).toEqual([{ member: "m1", data: text("new") }]);
});

test("a member may enter again with the same data when the presence is full", async () => {
  const { node } = start({ presenceBytesMax: 1000 });
  await node.presence.enter("a", { member: "m1", data: text("x".repeat(200)) }, "n1/1");
  await expect(
    node.presence.enter("a", { member: "m2", data: text("x".repeat(200)) }, "n1/1"),
  ).rejects.toMatchObject({ code: "full" });
  await node.presence.enter("a", { member: "m1", data: text("x".repeat(200)) }, "n2/1");
});

test("one party that publishes again and again what it has takes no more of the room meanwhile", async () => {
  const { clock, broker, node } = start({ bytesMax: 400_000, channelBytesMax: 1_000_000 });
  const hostile = { payload: text("x".repeat(2000)), party: "a:10.0.0.1" };
  const one = { ...ORDERED, sizeMax: 1 };
  const count = 30;
  // Ten retentions long.
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < count; i++) await node.publish(`c${i}`, one, hostile);
    clock.advance(one.ttlMs / 4);
  }
  for (let i = 0; i < 100; i++) await node.publish(`more${i}`, one, hostile).catch(() => {});
  expect(broker.figures().bytes).toBeLessThan(250_000);
});

test("one party takes half of the room for presence, others find some, and who is there is never refused", async () => {
  const { broker, clock, node } = start({ presenceBytesMax: 300_000 });
  const data = text("x".repeat(2000));
  const fill = async (party: string): Promise<number> => {
    for (let i = 0; i < 100; i++) {
      const member = { member: `${party}-${i}`, data };
      const refused = await node.presence.enter("a", member, "n1/1", { party }).then(
        () => undefined,
        ({ code }) => code,
      );
      if (refused === undefined) continue;
      expect(refused).toBe("share");
      return i;
    }
    throw new Error("never refused");
  };
  const hostile = { party: "a:10.0.0.1" };
  const count = await fill(hostile.party);
  expect(broker.figures().presenceBytes).toBeLessThanOrEqual(150_000);
  expect(broker.figures().presenceBytes).toBeGreaterThan(140_000);
  await fill("a:10.0.0.2");
  await node.presence.enter("a", { member: "good", data }, "n1/2", { party: "u:good" });
  await node.presence.enter("a", { member: "program", data }, "n1/2");
  // Who is a member, or leaves and comes back, comes to another node of the broker.
  const [own, other] = [`${hostile.party}-0`, broker.connect("n2")];
  await other.presence.enter("a", { member: own, data }, "n2/1", hostile);
  await other.presence.leave("a", own, "n2/1", 1000);
  await other.presence.enter("a", { member: own, data: text("less") }, "n2/2", hostile);
  await expect(
    other.presence.enter("a", { member: own, data: text("x".repeat(9000)) }, "n2/2", hostile),
  ).rejects.toMatchObject({ code: "share" });
  await other.presence.enter("a", { member: "lost" }, "n2/2", { ...hostile, isBack: true });
  // What a party gives back, it may have again.
  for (let i = 0; i < count; i++) {
    await node.presence.leave("a", `${hostile.party}-${i}`, "n1/1", 1000);
    await node.presence.leave("a", `a:10.0.0.2-${i}`, "n1/1", 0);
  }
  clock.advance(1000);
  await node.presence.enter("a", { member: "again", data }, "n1/1", hostile);
});

test("a view that is cut off is refused and hears nothing; healed, it is told and hears what comes", async () => {
  const { clock, broker, node } = start();
  const listener = recorder();
  let reconnects = 0;
  node.onReconnect(() => reconnects++);
  await node.subscribe("a", ORDERED, listener);
  node.cut();
  await expect(node.probe()).rejects.toMatchObject({ code: "unavailable" });
  await broker.connect("n2").publish("a", ORDERED, { payload: text("missed") });
  clock.flush();
  node.heal();
  expect(reconnects).toBe(0);
  clock.flush();
  expect(reconnects).toBe(1);
  await node.publish("a", ORDERED, { payload: text("heard") });
  clock.flush();
  expect(listener.heard).toEqual(["pub 2"]);
});

test("after close a view refuses with closed and the others go on", async () => {
  const { clock, broker, node } = start();
  const mine = recorder();
  const other = recorder();
  await node.subscribe("a", ORDERED, mine);
  const second = broker.connect("n2");
  await second.subscribe("a", ORDERED, other);
  await second.publish("a", ORDERED, { payload: text("x") });
  await node.close();
  clock.flush();
  expect(mine.heard).toEqual([]);
  expect(other.heard).toEqual(["pub 1"]);
  await expect(node.publish("a", ORDERED, { payload: text("x") })).rejects.toMatchObject({
    code: "closed",
  });
  broker.close();
  await expect(second.publish("a", ORDERED, { payload: text("x") })).rejects.toMatchObject({
    code: "closed",
  });
  expect(clock.nextDueMs()).toBeUndefined();
});

test("a jump of the wall clock neither expires nor revives anything", async () => {
  const { clock, node } = start();
  await node.publish("a", ORDERED, { payload: text("x") });
  clock.jumpWall(1_000_000_000);
  expect((await node.history("a", ORDERED, { limit: 1 })).publications.length).toBe(1);
  clock.jumpWall(-2_000_000_000);
  clock.advance(10_000);
  expect((await node.history("a", ORDERED, { limit: 1 })).publications.length).toBe(0);
});

test("when a contract changes a channel's class what was kept goes and offsets go on", async () => {
  const { node } = start();
  await node.publish("a", ORDERED, { payload: text("x") });
  const latest: StreamOptions = { cls: "latest", sizeMax: 10, ttlMs: 10_000 };
  const result = await node.publish("a", latest, { payload: text("y"), key: "k" });
  expect(result.position.offset).toBe(2);
  const page = await node.history("a", latest, { after: 0, limit: 10 });
  expect(page.publications.map((publication) => publication.offset)).toEqual([2]);
});

test("while no node is connected there is no timer, and what ended meanwhile is gone and told when one connects", async () => {
  const { clock, broker, node } = start();
  await node.publish("a", ORDERED, { payload: text("x") });
  await node.presence.renew("n1", 5_000);
  await node.presence.enter("a", { member: "m1" }, "n1/1");
  await node.close();
  expect(clock.nextDueMs()).toBeUndefined();
  clock.advance(6_000);
  const next = broker.connect("n2");
  const listener = recorder();
  await next.subscribe("a", ORDERED, listener);
  clock.advance(0);
  expect(listener.heard).toEqual(["leave m1"]);
  expect((await next.presence.members("a")).members).toEqual([]);
  expect((await next.history("a", ORDERED, { limit: 5 })).publications.length).toBe(1);
});

test("one channel forgets its oldest at its bytes, so that others find room", async () => {
  const { broker, node } = start({ bytesMax: 100_000, channelBytesMax: 20_000 });
  const large: StreamOptions = { ...ORDERED, sizeMax: 1_000 };
  for (let index = 0; index < 100; index++)
    await node.publish("a", large, { payload: text("x".repeat(2_000)) });
  const page = await node.history("a", large, { after: 0, limit: 1_000 });
  expect(page.head).toBe(100);
  expect(page.publications.length).toBeWithin(3, 6);
  expect(page.publications.at(-1)?.offset).toBe(100);
  for (const channel of ["b", "c"])
    await node.publish(channel, large, { payload: text("x".repeat(2_000)) });
  expect(broker.figures().bytes).toBeLessThan(40_000);
});

test("channels count in bytes: thousands of empty ones fill the broker, and a refused publish makes none", async () => {
  const { broker, node } = start({ bytesMax: 1_000_000 });
  let made = 0;
  const make = (): Promise<unknown> =>
    node.publish(`channel ${made}`, { ...ORDERED, cls: "volatile" }, { payload: text("x") });
  for (; made < 10_000; made++) if ((await codeOf(make())) !== "none") break;
  expect(made).toBeWithin(300, 1_000);
  expect(await codeOf(make())).toBe("full");
  expect(broker.figures().channels).toBe(made);
  expect(broker.figures().bytes).toBeLessThanOrEqual(1_000_000);
});

test("presence and history do not take each other's room", async () => {
  const { node } = start({ bytesMax: 20_000, presenceBytesMax: 20_000 });
  const large: StreamOptions = { ...ORDERED, sizeMax: 1_000 };
  const publish = (): Promise<unknown> =>
    node.publish("a", large, { payload: text("x".repeat(2_000)) });
  const enter = (member: number): Promise<unknown> =>
    node.presence.enter("a", { member: `m${member}`, data: text("x".repeat(500)) }, "n1/1");
  while ((await codeOf(publish())) === "none");
  for (const member of [1, 2, 3]) await enter(member);
  for (let member = 4; (await codeOf(enter(member))) === "none"; member++);
  expect(await codeOf(publish())).toBe("full");
  expect(await codeOf(enter(1_000))).toBe("full");
  await node.presence.leave("a", "m1", "n1/1", 0);
  await enter(1_000);
});

test("a probe fails with what a publish would fail with, and makes no channel", async () => {
  for (const limits of [{ channelsMax: 1 }, { bytesMax: 4_000 }, { undeliveredMax: 1 }]) {
    const { broker, clock, node } = start(limits);
    await node.probe();
    expect(broker.figures()).toMatchObject({ channels: 0, bytes: 0 });
    await node.subscribe("a", ORDERED, recorder());
    let code = "none";
    for (let index = 0; index < 5 && code === "none"; index++) {
      code = await codeOf(node.publish(`a`, ORDERED, { payload: text("x".repeat(300)) }));
      if (code === "none") code = await codeOf(node.publish("b", ORDERED, { payload: text("x") }));
    }
    expect(["full", "busy"]).toContain(code);
    expect(await codeOf(node.probe())).toBe(code);
    clock.flush();
  }
});

test("the figures name what is used and the most that may be, presence and state included", async () => {
  const { broker, node } = start({
    bytesMax: 50_000,
    presenceBytesMax: 15_000,
    stateBytesMax: 5_000,
  });
  expect(broker.figures()).toEqual({
    bytes: 0,
    bytesMax: 70_000,
    presenceBytes: 0,
    stateBytes: 0,
    states: 0,
    channels: 0,
    members: 0,
  });
  await node.publish("a", ORDERED, { payload: text("x") });
  const { bytes } = broker.figures();
  await node.presence.enter("a", { member: "m1" }, "n1/1");
  await node.states.take("k", { owner: "n1", leaseMs: 1_000 });
  const { presenceBytes, stateBytes, ...rest } = broker.figures();
  expect(presenceBytes).toBeGreaterThan(0);
  expect(stateBytes).toBeGreaterThan(0);
  expect(rest).toEqual({
    bytes: bytes + presenceBytes + stateBytes,
    bytesMax: 70_000,
    states: 1,
    channels: 1,
    members: 1,
  });
});

test("a broker with nothing to end keeps no timer", async () => {
  const { clock, node } = start({ streamIdleMs: 1000 });
  expect(clock.waiting()).toBe(0);
  await node.publish("a", { ...ORDERED, ttlMs: 1000 }, { payload: text("x") });
  clock.flush();
  expect(clock.waiting()).toBe(1);
  clock.advance(10_000);
  expect(clock.waiting()).toBe(0);
});

test("a new channel at the limit sweeps out those that are spent, before it is refused", async () => {
  const { node, clock } = start({ channelsMax: 2, streamIdleMs: 100 });
  const volatile: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 0 };
  clock.advance(5);
  await node.publish("a", volatile, { payload: text("x") });
  await node.subscribe("b", volatile, recorder());
  expect(await codeOf(node.publish("c", volatile, { payload: text("x") }))).toBe("full");
  clock.advance(500);
  // One sweep a second at most: a limit that is reached must not cost more than it saves.
  expect(await codeOf(node.publish("c", volatile, { payload: text("x") }))).toBe("full");
  const quick = start({ channelsMax: 2, streamIdleMs: 100 });
  await quick.node.publish("a", volatile, { payload: text("x") });
  await quick.node.subscribe("b", volatile, recorder());
  quick.clock.advance(500);
  expect(await codeOf(quick.node.publish("c", volatile, { payload: text("x") }))).toBe("none");
  expect(await codeOf(quick.node.publish("d", volatile, { payload: text("x") }))).toBe("full");
});

test("calls that change no deadline set no timer", async () => {
  const clock = createManualClock();
  let set = 0;
  const after: typeof clock.after = (ms, task) => {
    set += 1;
    return clock.after(ms, task);
  };
  const broker = createMemoryBroker({ clock: { ...clock, after }, random: createSeededRandom(1) });
  const node = broker.connect("n1");
  await node.presence.renew("n1", 30_000);
  for (let i = 0; i < 10; i++) await node.presence.enter("a", { member: `m${i}` }, "n1/1");
  expect(set).toBe(1);
  // An earlier one moves it, a later one does not.
  await node.presence.leave("a", "m1", "n1/1", 1000);
  await node.presence.leave("a", "m2", "n1/1", 2000);
  expect([set, clock.nextDueMs()]).toEqual([2, 1000]);
  clock.advance(1500);
  expect([broker.figures().members, set, clock.nextDueMs()]).toEqual([9, 3, 2000]);
});
