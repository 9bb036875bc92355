// A client that one gateway gives away, and another takes (spec/socket.md).
import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Frame } from "./frame.ts";
import type { Profile, Released } from "./profile.ts";
import { graphqlTransportWs } from "./profiles/graphql.ts";
import { handoff } from "./profiles/handoff.ts";
import { none } from "./profiles/none.ts";
import { replay } from "./profiles/replay.ts";
import { socketioProfile } from "./profiles/socketio.ts";
import { stateless } from "./profiles/stateless.ts";
import { yjsProfile } from "./profiles/yjs.ts";
import { type Backend, World } from "./testing/world.ts";

const echo = (): Backend => ({ received: (frame, send) => send(`re:${frame}`) });
const world = (
  profile: Profile,
  more: { readonly backend?: () => Backend; readonly former?: Released } = {},
) =>
  new World({
    ...{ profile, random: createSeededRandom(1), backend: echo },
    fate: () => ({ opens: "well", delayMs: 2 }),
    ...more,
  });

/** What the first gateway gives, after these frames of the client. */
function given(profile: Profile, frames: readonly Frame[], backend = echo): Released {
  const one = world(profile, { backend });
  const all: Released[] = [];
  for (const frame of frames) one.fromClient(frame);
  one.clock.advance(20);
  one.held.release((found) => all.push(found));
  one.clock.advance(2000);
  expect([all.length, one.roomTaken, one.clock.waiting()]).toEqual([1, 0, 0]);
  return all[0] as Released;
}

test("what the client had sent is answered before it is given away, and nothing is left behind", () => {
  const one = world(stateless);
  let released: Released | undefined;
  one.fromClient("a");
  one.held.release((found) => {
    released = found;
  });
  one.clock.advance(20);
  expect([one.got, released]).toEqual([["re:a"], { isWhole: true, saved: [] }]);
  expect([one.held.isOver, one.roomTaken, one.clock.waiting()]).toEqual([true, 0, 0]);
  expect([one.homes.map(({ state }) => state), one.closed]).toEqual([["gone"], undefined]);
});

test("a client between two servers is given away once the next has what it sent", () => {
  const one = world(stateless);
  let released: Released | undefined;
  one.kill();
  one.fromClient("a");
  one.clock.advance(1);
  one.held.release((found) => {
    released = found;
  });
  one.fromClient("b");
  one.clock.advance(100);
  expect(one.homes.map(({ received }) => received)).toEqual([[], ["b"]]);
  expect([one.got, released?.isWhole, one.dropped]).toEqual([["re:b"], true, 0]);
});

test("a move to another server that has not come to its cut is forgotten", () => {
  const one = world(stateless);
  let released: Released | undefined;
  one.fromClient("a");
  one.held.move("drain", 5000);
  one.clock.advance(10);
  one.held.release((found) => {
    released = found;
  });
  one.clock.advance(100);
  expect([released?.isWhole, one.moves, one.clock.waiting()]).toEqual([true, [], 0]);
  expect(one.homes.map(({ state }) => state)).toEqual(["gone", "gone"]);
});

test("a server that does not go in time makes what is given not whole", () => {
  const one = world(stateless);
  let released: Released | undefined;
  one.clock.advance(5);
  const [home] = one.homes;
  if (home !== undefined) Object.assign(home, { fate: { ...home.fate, ignoresClose: true } });
  one.held.release((found) => {
    released = found;
  });
  one.clock.advance(one.limits.lastFramesMsMax + 10);
  expect(released).toEqual({ isWhole: false, saved: [] });
});

test("a client that is closed by its server while it is given away is told so, and stays", () => {
  const one = world(stateless);
  let isReleased = false;
  one.clock.advance(5);
  one.closeHome(4007);
  one.held.release(() => {
    isReleased = true;
  });
  one.clock.advance(100);
  expect([one.closed?.code, isReleased]).toEqual([4007, false]);
});

test("replay: the next gateway says what the client had set up, and swallows the answers", () => {
  const profile = replay({
    first: 2,
    remember: [{ match: { prefix: "SUB" } }],
    answers: [{ prefix: "re:" }],
  });
  const former = given(profile, ["token", "SUB a", "ping", "SUB b"]);
  const next = world(profile, { former });
  next.clock.advance(20);
  expect(next.homes[0]?.received).toEqual(["token", "SUB a", "SUB b"]);
  expect(next.got).toEqual([]);
  next.fromClient("ping");
  next.clock.advance(20);
  expect(next.got).toEqual(["re:ping"]);
});

const gql = (type: string, id?: string, query?: string) =>
  JSON.stringify({ type, ...(id && { id }), ...(query && { payload: { query } }) });
const graphqlServer = (): Backend => ({
  received(frame, send) {
    const { type, id } = JSON.parse(String(frame));
    if (type === "connection_init") send(gql("connection_ack"));
    else if (id === "q") send(gql("next", id));
  },
});

test("graphql: live subscriptions go on, and a mutation without an answer gets an error", () => {
  const profile = graphqlTransportWs();
  const frames = [
    ...[gql("connection_init"), gql("subscribe", "s", "subscription { a }")],
    ...[gql("subscribe", "gone", "subscription { b }"), gql("complete", "gone")],
    gql("subscribe", "m", "mutation { c }"),
  ];
  const former = given(profile, frames, graphqlServer);
  const next = world(profile, { former, backend: graphqlServer });
  next.clock.advance(20);
  expect(next.homes[0]?.received).toEqual([frames[0], frames[1]] as Frame[]);
  expect(next.got.map((frame) => JSON.parse(String(frame)))).toMatchObject([
    { type: "error", id: "m" },
  ]);
});

/** Of Socket.IO, as one gateway gives it: an event without an answer, which has one frame. */
const NAMESPACE = JSON.stringify({
  ...{ name: "/", auth: { token: "t" }, isConnected: true, session: "p", offset: "o" },
  ...{ firstQuestion: 2, nextQuestion: 3, unanswered: [[7, 1]], count: 1 },
});

test("socketio: namespaces are joined again with session and offset, and questions are told apart", () => {
  const profile = socketioProfile({ idempotent: true, recoverAfterMs: 1 });
  const heard: Frame[] = [];
  const backend = (): Backend => ({
    opened: (send) => send('0{"sid":"s"}'),
    received(frame, send) {
      heard.push(frame);
      if (String(frame).startsWith("40")) send('40{"sid":"x","pid":"p"}');
      if (String(frame) === '427["again"]') send("20");
    },
  });
  const saved = [`{"pingIntervalMs":60000,"known":[${NAMESPACE}]}`, '427["again"]', '451-["half"]'];
  const one = world(profile, { backend, former: { isWhole: true, saved } });
  one.clock.advance(50);
  expect(heard).toEqual(['40{"token":"t","pid":"p","offset":"o"}', '427["again"]']);
  one.fromClient(Uint8Array.of(1));
  one.clock.advance(10);
  expect(heard.slice(2)).toEqual(['451-["half"]', Uint8Array.of(1)]);
  // Nobody hears of a second CONNECT: the session was recovered.
  expect(one.got).not.toContain('40{"sid":"x","pid":"p"}');
  const all: Released[] = [];
  one.held.release((found) => all.push(found));
  one.clock.advance(3000);
  expect(all[0]?.saved.slice(1)).toEqual(['427["again"]']);
  expect(JSON.parse(String(all[0]?.saved[0]))).toMatchObject({
    pingIntervalMs: 60_000,
    known: [{ name: "/", session: "p", firstQuestion: 3, unanswered: [[7, 1]] }],
  });
});

test("what is none of the profile's closes the client with 1012, whoever wrote it", () => {
  const strange: readonly (readonly [Profile, readonly Frame[]])[] = [
    [none, []],
    [replay({ remember: [] }), ["x"]],
    [replay({ remember: [] }), ["1", "-1.5"]],
    [replay({ remember: [] }), ["9", "1", "a"]],
    [handoff(), []],
    [handoff(), ["{", new Uint8Array()]],
    [handoff(), ['{"up":1,"down":2,"got":1}', new Uint8Array()]],
    [handoff(), ['{"up":1,"down":1,"got":1}', "text"]],
    [handoff(), ['{"up":1,"down":1,"got":1}', new Uint8Array(), Uint8Array.of(1, 2)]],
    [socketioProfile(), []],
    [socketioProfile(), ["{}"]],
    [socketioProfile(), ['{"pingIntervalMs":1,"known":[{}]}']],
    [socketioProfile(), [`{"pingIntervalMs":1,"known":[${NAMESPACE},${NAMESPACE}]}`, "2"]],
    [yjsProfile({ dialect: "y-websocket" }), []],
    [yjsProfile({ dialect: "y-websocket" }), ["text"]],
    [yjsProfile({ dialect: "hocuspocus" }), [new Uint8Array(1)]],
  ];
  for (const [profile, saved] of strange) {
    const one = world(profile, { former: { isWhole: true, saved } });
    one.clock.advance(20);
    expect([profile.name, saved, one.closed?.code]).toEqual([profile.name, saved, 1012]);
    expect([one.roomTaken, one.clock.waiting()]).toEqual([0, 0]);
  }
});
