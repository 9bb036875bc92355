import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Profile, ProfileOut, ProfileSession } from "./profile.ts";
import { passing } from "./profiles/passing.ts";
import { run } from "./testing/run.ts";
import { type Backend, World } from "./testing/world.ts";

/** `session`, but with other members, which may be getters. */
const but = (session: ProfileSession, other: Partial<ProfileSession>): ProfileSession =>
  Object.defineProperties(session, Object.getOwnPropertyDescriptors(other));
const profile = (more: (out: ProfileOut) => Partial<ProfileSession>): Profile => ({
  ...{ name: "test", rehomes: true, quietMs: 0 },
  create: (out) => but(passing(out), more(out)),
});
function world(one: Profile, backend: () => Backend = () => ({ received: () => {} })): World {
  return new World({
    ...{ profile: one, random: createSeededRandom(1), backend },
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
}

test("a profile that attaches alone is told of the next server when the former is gone", () => {
  const told: string[] = [];
  let homes = 0;
  const one = world(
    profile((out) => ({
      attachesAlone: true,
      fromUpstream: (frame) => told.push(`former ${frame}`),
      attach() {
        told.push("attach");
        if (homes++ === 0) out.attached();
      },
      fromNext(frame) {
        told.push(`next ${frame}`);
        out.attached();
      },
      switched: () => told.push("switched"),
    })),
    () => ({ received: (frame, send) => send(`re:${frame}`), opened: (send) => send("hello") }),
  );
  one.clock.advance(5);
  one.fromClient("a");
  one.held.move("drain", 5000);
  one.clock.advance(5);
  one.fromClient("b");
  one.clock.advance(100);
  expect(told).toEqual([
    ...["attach", "switched", "former hello", "former re:a"],
    // The next one's greeting came before the former's end, and waited for the attach.
    ...["attach", "next hello", "switched", "former re:b"],
  ]);
  expect(one.homes[1]?.received).toEqual(["b"]);
  expect([one.roomTaken, one.moves.length]).toEqual([0, 1]);
});

test("a server that dies while its client prepares to leave it is replaced by the one prepared", () => {
  const one = world(profile(() => ({ attachesAlone: true, isQuiet: false })));
  one.clock.advance(5);
  one.held.move("drain", 5000);
  one.clock.advance(100);
  expect(one.moves.length).toBe(0);
  one.homes[0]?.backend.received(
    "",
    () => {},
    () => {},
  );
  one.held.homeClosed(0, 1006, "");
  one.clock.advance(100);
  expect([one.moves.length, one.homes.length, one.held.home]).toEqual([1, 2, 1]);
});

test("500 seeds: what holds for other profiles holds for one that attaches alone", () => {
  const alone = profile(() => ({ attachesAlone: true }));
  let moves = 0;
  for (let seed = 30_001; seed <= 30_500; seed++) {
    const result = run(seed, alone, seed % 2 === 0);
    expect({ seed, wrongs: result.wrongs }).toEqual({ seed, wrongs: [] });
    moves += result.moves;
  }
  expect(moves).toBeGreaterThan(500);
});

test("frames for the gateway itself are taken at once, also without a server, and never wait", () => {
  const taken: unknown[] = [];
  const one = world(
    profile((out) => ({
      takes(frame) {
        if (frame !== "ping") return false;
        taken.push(frame);
        out.toClient("pong");
        return true;
      },
    })),
  );
  one.fromClient("ping");
  one.kill();
  one.clock.advance(2);
  one.fromClient("ping");
  expect([taken.length, one.got, one.roomTaken]).toEqual([2, ["pong", "pong"], 0]);
  one.clock.advance(100);
  expect(one.homes.map(({ received }) => received)).toEqual([[], []]);
});

test.each([
  [4205, true, undefined],
  [1001, false, 1001],
  [1001, undefined, undefined],
  [4205, undefined, 4205],
] as const)(
  "a close with %p, which a profile calls gone: %p, closes the client with %p",
  (code, isGone, closed) => {
    const one = world(profile(() => ({ isGone: () => isGone })));
    one.clock.advance(5);
    one.closeHome(code);
    one.clock.advance(100);
    expect(one.closed?.code).toBe(closed);
  },
);

test("an own code that means going does not end a client that is leaving", () => {
  const one = world(profile(() => ({ isGone: (code) => code === 4205 || undefined })));
  one.clock.advance(5);
  one.held.move("drain", 5000);
  one.clock.advance(2);
  one.closeHome(4205);
  one.clock.advance(100);
  expect([one.closed, one.held.isMoving]).toEqual([undefined, false]);
});

test("a profile's timers run, may be cancelled, and end with the client; it hears the end once", () => {
  const heard: string[] = [];
  const one = world(
    profile((out) => {
      out.after(10, () => heard.push("a"));
      out.after(10, () => heard.push("b"))();
      out.after(1000, () => heard.push("c"));
      return { ended: () => heard.push("ended") };
    }),
  );
  one.clock.advance(20);
  one.held.clientClosed(1000, "");
  one.clock.advance(2000);
  expect([heard, one.clock.waiting()]).toEqual([["a", "ended"], 0]);
});

test.each([true, false])(
  "an answer that is under way comes before the former server is asked to go: %p",
  (comes) => {
    let waits = false;
    const one = new World({
      ...{ random: createSeededRandom(1), limits: { settleMsMax: 50 } },
      profile: profile((out) => ({
        fromClient(frame) {
          waits = frame === "ask";
          out.toUpstream(frame);
        },
        fromUpstream(frame) {
          waits = false;
          out.toClient(frame);
        },
        get isQuiet() {
          return !waits;
        },
      })),
      backend: () => ({
        received: (frame, send) => void one.clock.after(300, () => comes && send(`re:${frame}`)),
      }),
      fate: () => ({ opens: "well", delayMs: 2 }),
    });
    one.fromClient("ask");
    one.held.move("drain", 5000);
    one.clock.advance(100);
    // It does not wait for another one to come: from now on frames are for the next server.
    one.fromClient("b");
    one.clock.advance(comes ? 400 : one.limits.lastFramesMsMax);
    expect(one.homes.map(({ received }) => received)).toEqual([["ask"], ["b"]]);
    expect(one.got).toEqual(comes ? ["re:ask"] : []);
    expect(one.moves.length).toBe(1);
  },
);

test("a client of which its profile says that it cannot be moved is closed if its server goes", () => {
  const [drained, lost] = [
    world(profile(() => ({ rehomes: false }))),
    world(profile(() => ({ rehomes: false }))),
  ];
  drained.held.move("drain", 5000);
  lost.kill();
  lost.clock.advance(10);
  expect([drained.closed?.code, lost.closed?.code]).toEqual([1012, 1012]);
});
