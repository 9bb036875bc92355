import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Frame } from "./frame.ts";
import { HELD_LIMITS, type HeldLimits } from "./ports.ts";
import { none } from "./profiles/none.ts";
import { stateless } from "./profiles/stateless.ts";
import { type Backend, type HomeFate, World } from "./testing/world.ts";

const echo = (): Backend => ({ received: (frame, send) => send(`re:${frame}`) });
const well = (): HomeFate => ({ opens: "well", delayMs: 2 });

function world(
  options: {
    readonly profile?: typeof stateless;
    readonly limits?: Partial<HeldLimits>;
    readonly fate?: (attempt: number) => HomeFate;
    readonly roomBytes?: number;
    readonly backend?: () => Backend;
  } = {},
) {
  return new World({
    ...{ profile: stateless, backend: echo, fate: well, random: createSeededRandom(1) },
    ...options,
  });
}
const received = (one: World): readonly (readonly Frame[])[] =>
  one.homes.map((home) => home.received);

test("G3: a move opens the next upstream first, and reads the former one to its end", () => {
  const one = world();
  one.fromClient("a");
  one.clock.advance(10);
  one.held.move("drain", 5000);
  one.clock.advance(3);
  // The next one is open; the former still gets what the client sends, since it is not quiet yet.
  one.fromClient("b");
  one.clock.advance(200);
  one.fromClient("c");
  one.clock.advance(10);
  expect(received(one)).toEqual([["a", "b"], ["c"]]);
  expect(one.got).toEqual(["re:a", "re:b", "re:c"]);
  expect(one.moves.map(({ cause }) => cause)).toEqual(["drain"]);
  expect(one.moves[0]?.pausedMs).toBeLessThan(10);
  expect(one.closed).toBeUndefined();
});

test("G2: frames that come while there is no upstream wait for the next one", () => {
  const one = world();
  one.kill();
  one.clock.advance(2);
  for (const frame of ["a", "b", "c"]) one.fromClient(frame);
  one.clock.advance(10);
  expect(received(one)).toEqual([[], ["a", "b", "c"]]);
  expect(one.moves.map(({ cause }) => cause)).toEqual(["lost"]);
  expect(one.roomTaken).toBe(0);
});

test("G4: without an upstream for too long, the client is told, and what waited is counted", () => {
  const one = world({ fate: () => ({ opens: "refused", delayMs: 2 }) });
  one.kill();
  one.clock.advance(5);
  one.fromClient("a");
  one.clock.advance(one.limits.homelessMsMax * 0.79);
  expect(one.closed).toBeUndefined();
  one.clock.advance(one.limits.homelessMsMax * 0.22);
  expect(one.closed?.code).toBe(1013);
  expect([one.dropped, one.roomTaken, one.clock.waiting()]).toEqual([1, 0, 0]);
  // Backoff: 1 to 3 s apart at the end, not a storm.
  expect(one.moveFailures.length).toBeLessThan(15);
});

test("a server that is back shortly before a client would be given up still gets it", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const backMs = 0.92 * HELD_LIMITS.homelessMsMax * 0.8;
    const one = new World({
      ...{ profile: stateless, backend: echo, random: createSeededRandom(seed) },
      fate: () => ({ opens: one.clock.nowMs() < backMs ? "refused" : "well", delayMs: 2 }),
    });
    one.kill();
    one.clock.advance(HELD_LIMITS.homelessMsMax);
    expect([seed, one.closed, one.moveFailures.length < 15]).toEqual([seed, undefined, true]);
  }
});

test("a client that waits to try again does so soon if a server comes, and never later", () => {
  let isBack = false;
  const one = world({ fate: () => ({ opens: isBack ? "well" : "refused", delayMs: 2 }) });
  one.kill();
  // Then its attempts are 1 to 3 s apart.
  while (one.moveFailures.length < 7) one.clock.advance(1);
  isBack = true;
  one.held.hurry(100);
  // A second server, and a pace that would take longer.
  one.held.hurry(10_000);
  one.clock.advance(110);
  expect(one.moves.map(({ cause }) => cause)).toEqual(["lost"]);
  one.held.hurry(0);
  one.clock.advance(10);
  expect([one.homes.filter(({ state }) => state === "open").length, one.closed]).toEqual([
    1,
    undefined,
  ]);
});

test("G4: a client that sends much meanwhile is read no further, and told when it does not stop", () => {
  const limits = { waitingBytesMax: 10_000 };
  const one = world({ limits, fate: () => ({ opens: "hangs", delayMs: 2 }) });
  one.kill();
  one.clock.advance(5);
  one.fromClient("x".repeat(2600));
  expect(one.paused).toBe(true);
  // What was read before the pause still comes.
  one.held.fromClient("y".repeat(2600));
  expect(one.closed?.code).toBe(1013);
  expect([one.dropped, one.roomTaken]).toEqual([2, 0]);
});

test("G4: room is shared: a client that finds none is told at once", () => {
  const one = world({ roomBytes: 100 });
  one.kill();
  one.clock.advance(2);
  one.fromClient("x".repeat(60));
  expect(one.closed?.code).toBe(1013);
  expect(one.dropped).toBe(1);
});

test("a client that was read no further is read again when its frames went on", () => {
  const limits = { waitingBytesMax: 10_000 };
  const one = world({ limits });
  one.kill();
  one.clock.advance(2);
  one.fromClient("x".repeat(2600));
  expect(one.paused).toBe(true);
  one.clock.advance(20);
  expect(one.paused).toBe(false);
  expect(received(one)).toEqual([[], ["x".repeat(2600)]]);
  one.kill();
  one.clock.advance(2);
  one.fromClient("y".repeat(2600));
  expect(one.paused).toBe(true);
});

test("G1: a frame that comes while others go on is heard after them", () => {
  const answers = { a: () => one.held.fromClient("c") } as const;
  const one: World = world({
    profile: {
      ...stateless,
      create: (out) =>
        Object.assign(stateless.create(out), {
          fromClient(frame: Frame) {
            out.toUpstream(frame);
            if (frame === "a") answers.a();
          },
        }),
    },
  });
  one.kill();
  one.clock.advance(2);
  for (const frame of ["a", "b"]) one.fromClient(frame);
  one.clock.advance(30);
  expect(received(one)[1]).toEqual(["a", "b", "c"]);
});

test("G5: servers that fail one after the other are not tried for ever", () => {
  const one = world();
  for (let i = 0; i < 10 && one.closed === undefined; i++) {
    one.kill();
    one.clock.advance(50);
  }
  expect(one.closed).toEqual({ code: 1012, reason: "One server after the other failed" });
  expect(one.homes.length).toBe(1 + one.limits.lostMax);
});

test("servers that fail rarely are replaced each time", () => {
  const one = world();
  for (let i = 0; i < 10; i++) {
    one.clock.advance(one.limits.stableMs + 1000);
    one.kill();
    one.clock.advance(1000);
  }
  expect(one.closed).toBeUndefined();
  expect(one.moves.length).toBe(10);
});

test.each([
  [1000, 1000],
  [1005, 1000],
  [1008, 1008],
  [1011, 1011],
  [4003, 4003],
])("an application's close %d is the client's, %d", (code, seen) => {
  const one = world();
  one.closeHome(code);
  one.clock.advance(20);
  expect(one.closed?.code).toBe(seen);
  expect(one.homes.length).toBe(1);
});

test.each([1001, 1012, 1013])("a server that goes with %d is replaced", (code) => {
  const one = world();
  one.closeHome(code);
  one.clock.advance(20);
  one.fromClient("a");
  one.clock.advance(20);
  expect(one.closed).toBeUndefined();
  expect(received(one)).toEqual([[], ["a"]]);
});

test("G5: without a profile, a drain and a broken upstream close the client, and balancing does not", () => {
  const drained = world({ profile: none });
  drained.held.move("rebalance", 5000);
  expect(drained.closed).toBeUndefined();
  drained.held.move("drain", 5000);
  expect(drained.closed?.code).toBe(1012);
  const broken = world({ profile: none });
  broken.kill();
  broken.clock.advance(5);
  expect(broken.closed?.code).toBe(1012);
});

test("a move that finds no server is tried again in its time, and then the client stays", () => {
  const one = world({ fate: () => ({ opens: "refused", delayMs: 2 }) });
  one.held.move("rebalance", 3000);
  one.clock.advance(10_000);
  expect(one.moveFailures.length).toBeGreaterThan(3);
  expect(one.moveFailures.length).toBeLessThan(10);
  one.fromClient("a");
  one.clock.advance(10);
  expect(one.got).toEqual(["re:a"]);
  expect(one.clock.waiting()).toBe(0);
});

test("a second order to move while one is tried does not open two upstreams", () => {
  const one = world({ fate: (n) => ({ opens: n < 3 ? "refused" : "well", delayMs: 2 }) });
  one.held.move("rebalance", 3000);
  for (let i = 0; i < 40; i++) {
    one.clock.advance(5);
    one.held.move("drain", 3000);
  }
  one.clock.advance(500);
  const open = one.homes.filter(({ state }) => state === "open");
  expect(open.length).toBe(1);
  expect(one.moves.length).toBeGreaterThan(0);
});

test("a server that never answers the close is not waited for", () => {
  const one = world();
  Object.assign(one.homes[0]?.fate ?? {}, { ignoresClose: true });
  one.held.move("drain", 5000);
  one.clock.advance(60);
  one.fromClient("a");
  one.clock.advance(one.limits.lastFramesMsMax + 60);
  expect(received(one)).toEqual([[], ["a"]]);
  expect(one.clock.waiting()).toBe(0);
});

test("the application's word is the client's also if it crosses the close", () => {
  const one = world();
  const [first] = one.homes;
  Object.assign(first?.fate ?? {}, { ignoresClose: true });
  one.held.move("drain", 5000);
  for (let i = 0; i < 100 && first?.state === "open"; i++) one.clock.advance(1);
  expect(first?.state).toBe("closing");
  one.held.homeClosed(0, 4003, "kicked");
  expect(one.closed).toEqual({ code: 4003, reason: "kicked" });
});

test("a client that sends and closes at once is heard, also between two upstreams", () => {
  const one = world();
  one.kill();
  one.clock.advance(2);
  one.fromClient("bye");
  one.held.clientClosed(1000, "");
  one.clock.advance(20);
  expect(received(one)).toEqual([[], ["bye"]]);
  expect([one.held.isOver, one.homes[1]?.state, one.clock.waiting()]).toEqual([true, "gone", 0]);
});

test("a client that closes before its first upstream took it leaves nothing behind", () => {
  const create = () => Object.assign(stateless.create({} as never), { attach() {} });
  const never = { ...stateless, create };
  const one = world({ profile: never });
  one.held.clientClosed(1006, "");
  expect([one.held.isOver, one.homes[0]?.state, one.clock.waiting()]).toEqual([true, "gone", 0]);
});

test("an attach that never ends is given up, and another server is tried", () => {
  let attached = 0;
  const slow = {
    ...stateless,
    create: (out: Parameters<typeof stateless.create>[0]) =>
      Object.assign(stateless.create(out), {
        attach: () => {
          attached += 1;
          if (attached !== 2) out.attached();
        },
      }),
  };
  const one = world({ profile: slow });
  one.kill();
  one.clock.advance(one.limits.attachMsMax + 500);
  one.fromClient("a");
  one.clock.advance(20);
  expect(one.moveFailures).toEqual(["it took too long"]);
  expect(received(one)).toEqual([[], [], ["a"]]);
});

test("a client that two servers refuse is closed with 1008, at once and with its frames counted", () => {
  const one = world({ fate: () => ({ opens: "unwanted", delayMs: 2 }) });
  one.kill();
  one.clock.advance(3);
  one.fromClient("a");
  one.clock.advance(500);
  expect(one.closed?.code).toBe(1008);
  expect(one.homes.length).toBe(3);
  expect([one.dropped, one.roomTaken, one.clock.waiting()]).toEqual([1, 0, 0]);
});

test("one server that is wrong about a client closes nobody", () => {
  const one = world({ fate: (n) => ({ opens: n === 1 ? "unwanted" : "well", delayMs: 2 }) });
  one.fromClient("a");
  one.clock.advance(10);
  one.held.move("drain", 5000);
  one.clock.advance(1000);
  expect(one.closed).toBeUndefined();
  expect(one.moves.length).toBe(1);
  // The next move begins without what was counted for this one.
  one.held.move("drain", 5000);
  one.clock.advance(1000);
  expect(one.moves.length).toBe(2);
});

test("a client that is not wanted elsewhere stays if it only was to be balanced", () => {
  const one = world({ fate: () => ({ opens: "unwanted", delayMs: 2 }) });
  one.held.move("rebalance", 60_000);
  one.clock.advance(60_000);
  expect(one.closed).toBeUndefined();
  expect([one.homes.length, one.held.isMoving]).toEqual([3, false]);
});

test("a next server's own word about the client is heard, if a second one says it too", () => {
  const one = world();
  const refuseOnce = () => {
    for (let i = 0; i < 200 && one.homes.at(-1)?.state !== "open"; i++) one.clock.advance(1);
    one.closeHome(4401);
    one.clock.advance(3);
  };
  one.held.move("drain", 60_000);
  one.fromClient("a");
  refuseOnce();
  expect(one.closed).toBeUndefined();
  for (let i = 0; i < 200 && one.homes.length < 3; i++) one.clock.advance(1);
  one.fromClient("b");
  refuseOnce();
  expect(one.closed?.code).toBe(4401);
  expect(one.homes.length).toBe(3);
});
