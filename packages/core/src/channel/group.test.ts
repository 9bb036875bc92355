import { expect, test } from "bun:test";
import { createEngineHarness, createManualClock, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import fc from "fast-check";
import { Group } from "./group.ts";
import type { Subscription } from "./subscription.ts";

/** Groups of hand links, and members that note what they are sent. */
function stage(membersMax: number) {
  const deferred: (() => void)[] = [];
  const clock = { ...createManualClock(), defer: (task: () => void) => void deferred.push(task) };
  const links = new Map<HandLink, string[]>();
  const turns: number[] = [];
  let writes = 0;
  const publish = (group: string, message: string | Uint8Array): void => {
    for (const [link, got] of links) {
      if (!link.groups.has(group)) continue;
      got.push(String(message));
      writes += 1;
    }
  };
  const group = new Group("0c", { clock, groups: { publish } }, membersMax);
  const join = (): { subscription: Subscription; got: string[] } => {
    const link = new HandLink();
    const got: string[] = [];
    links.set(link, got);
    const subscription = { part: -1, connection: { link, flush() {} } } as unknown as Subscription;
    group.join(subscription);
    return { subscription, got };
  };
  /** One turn of the event loop: what was deferred runs, what that defers waits. */
  const turn = (): void => {
    const before = writes;
    for (const task of deferred.splice(0)) task();
    turns.push(writes - before);
  };
  return { group, join, turn, turns, writes: () => writes };
}

test("members get exactly what was published while they were members, in order, whatever the parts", () => {
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.constant("publish" as const) },
    { weight: 3, arbitrary: fc.constant("join" as const) },
    { weight: 2, arbitrary: fc.nat(50) },
    { weight: 2, arbitrary: fc.constant("turn" as const) },
  );
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 200, size: "max" }),
      fc.integer({ min: 1, max: 4 }),
      (actions, membersMax) => {
        const { group, join, turn } = stage(membersMax);
        const here: { member: ReturnType<typeof join>; want: string[] }[] = [];
        const gone: typeof here = [];
        let number = 0;
        for (const act of actions) {
          if (act === "publish") {
            const message = `m${++number}`;
            group.publish(message);
            for (const { want } of here) want.push(message);
          } else if (act === "join") here.push({ member: join(), want: [] });
          else if (act === "turn") turn();
          else {
            const [one] = here.splice(act % Math.max(1, here.length), 1);
            if (one === undefined) continue;
            group.leave(one.member.subscription);
            gone.push(one);
          }
        }
        for (let i = 0; i < 200; i++) turn();
        for (const { member, want } of [...here, ...gone]) expect(member.got).toEqual(want);
      },
    ),
  );
});

test("one part is written in one turn, all parts in turn, and nothing waits for ever", () => {
  const { group, join, turn, turns, writes } = stage(10);
  const members = Array.from({ length: 35 }, join);
  group.publish("a");
  expect(writes()).toBe(10);
  for (let i = 0; i < 4; i++) turn();
  expect(turns).toEqual([10, 10, 5, 0]);
  // However often something is published, each part has its turn.
  for (let i = 0; i < 300; i++) {
    group.publish(`b${i}`);
    turn();
    for (const { got } of members) expect(i + 2 - got.length).toBeLessThanOrEqual(4);
  }
});

test("what waits for a part is bounded", () => {
  const { group, join } = stage(1);
  const [, last] = [join(), join()];
  for (let i = 0; i < 1000; i++) {
    group.publish(`c${i}`);
    expect(i + 1 - last.got.length).toBeLessThan(64);
  }
});

test("a room over the transport's groups hears everything once when it is in parts", async () => {
  const limits = { ...TEST_SETTINGS.limits, connectionsMax: 5000, connectionsPerAddressMax: 5000 };
  const admission = { handshakesPerSecond: 1_000_000, resumeReserve: 0, windowMinMs: 100 };
  const node = await createEngineHarness({
    contract: { channels: { "chat:{room}": {} } },
    settings: { ...TEST_SETTINGS, limits, admission },
  });
  const clients = [];
  for (let i = 0; i < 2100; i++) {
    const client = await node.connect();
    await client.send({ t: "subscribe", id: 2, ch: "chat:a" });
    clients.push(client);
  }
  await Promise.all(clients.map((client) => client.take()));
  for (const data of [1, 2, 3])
    await clients[0]?.send({ t: "publish", id: 2 + data, ch: "chat:a", data });
  await node.settle();
  for (const client of clients) {
    const frames = await client.take();
    expect(frames.flatMap((frame) => (frame.t === "pub" ? [frame.data] : []))).toEqual([1, 2, 3]);
  }
  expect(node.bugs).toEqual([]);
});

test("what waits in a member's outbox leaves before it joins, and who leaves has no part any more", () => {
  const order: string[] = [];
  const group = new Group("0c", { clock: createManualClock(), groups: { publish() {} } }, 10);
  const connection = {
    flush: () => order.push("flush"),
    link: { join: () => order.push("join"), leave: () => order.push("leave") },
  };
  const subscription = { part: -1, connection } as unknown as Subscription;
  group.join(subscription);
  expect(subscription.part).toBe(0);
  group.leave(subscription);
  group.leave(subscription);
  expect(subscription.part).toBe(-1);
  expect(order).toEqual(["flush", "join", "leave"]);
});
