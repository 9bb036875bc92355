import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { connected, scripted } from "../testing/scripted-node.ts";
import { attemptDelayMs } from "./backoff.ts";

const start = (options = {}) => scripted(createManualClock(), options);
const goodbye = (code: number, name: string, more = {}) => ({
  t: "goodbye",
  code,
  name,
  msg: "",
  ...more,
});

describe("the first message", () => {
  test("holds connect, subscriptions, watches and entries, without waiting for an answer", () => {
    const { engine, socket, subscribe } = start();
    subscribe("a");
    subscribe("b", { last: 5 });
    engine.presence.watch("a", { change() {}, ready() {}, error() {} });
    engine.presence.enter("a", { name: "Ada" }, () => {});
    engine.start();
    socket().open();
    expect(socket().messages).toEqual([
      [
        { t: "connect", id: 1, migrates: true, client: "test" },
        { t: "subscribe", id: 2, ch: "a" },
        { t: "subscribe", id: 3, ch: "b", last: 5 },
        { t: "enter", id: 4, ch: "a", d: { name: "Ada" } },
        { t: "watch", id: 5, ch: "a" },
      ],
    ]);
    expect(socket()).toMatchObject({ url: "ws://node/connect", subprotocol: "holdfast.v1" });
  });

  test("is split at 16 KiB while the node's limit is unknown", () => {
    const { engine, socket } = start();
    const log = { message() {}, gap() {}, ready() {}, recovered() {}, error() {} };
    for (let index = 0; index < 3_000; index++)
      engine.subscriptions.subscribe(`channel-${index}`, log, {});
    engine.start();
    socket().open();
    expect(socket().messages.flat()).toHaveLength(3_001);
    for (const message of socket().messages) {
      expect(message.map((frame) => JSON.stringify(frame)).join("\n").length).toBeLessThanOrEqual(
        16_384,
      );
    }
  });

  test("and every later one holds at most 1,024 frames", () => {
    const { connect, engine, clock } = start();
    const socket = connect();
    const log = { message() {}, gap() {}, ready() {}, recovered() {}, error() {} };
    for (let index = 0; index < 1_030; index++) engine.subscriptions.subscribe(`${index}`, log, {});
    clock.flush();
    expect(socket.messages.slice(1).map((message) => message.length)).toEqual([1_024, 6]);
  });
});

describe("coming back", () => {
  test("shows the newest resume token and every position, and tells the application when it has caught up", () => {
    const { clock, connect, socket, subscribe, states, engine } = start();
    const { log } = subscribe("a");
    const first = connect({ resume: "r1" });
    first.subscribed("a", { pos: { epoch: "e", offset: 4 }, head: 4 });
    first.send(
      { t: "pong", id: 99, time: 1, windowMs: 1_000, resume: "r2" },
      { t: "pub", ch: "a", o: 5, ts: 1, d: 1 },
    );
    clock.advance(10_000);
    first.drop();
    expect(states).toEqual(["connected connected", "reconnecting lost"]);
    clock.advance(500);
    const frames = socket().accept({ resumed: true });
    expect(frames).toMatchObject([
      { t: "connect", resume: "r2" },
      { t: "subscribe", ch: "a", pos: { epoch: "e", offset: 5 } },
    ]);
    socket().subscribed("a", { pos: { epoch: "e", offset: 5 }, head: 7, recovered: true });
    clock.advance(40);
    socket().send(
      { t: "pub", ch: "a", o: 6, ts: 1, d: 1 },
      { t: "pub", ch: "a", o: 7, ts: 1, d: 1 },
    );
    expect(log.lines).toEqual(["ready e:4", "5", "6", "7", "recovered"]);
    expect(states.slice(2)).toEqual(["connected resumed"]);
    expect(engine.counts.total).toMatchObject({
      reconnects: 1,
      resumeMsMax: 540,
      deliveryPauseMsLast: 540,
      undeclared: 0,
    });
    expect(socket().takeOne("report").counts).toMatchObject({ reconnects: 1, resumeMsMax: 540 });
    // What is subscribed later is no part of it.
    clock.advance(5_000);
    subscribe("b");
    socket().subscribed("b", {});
    expect(engine.counts.total).toMatchObject({ reconnects: 1, resumeMsMax: 540 });
  });

  test("a client that flooded comes back with backoff, also if the node said it by the close code alone", () => {
    const { clock, connect, sockets, random, socket, errors } = start();
    random.value = 0.999;
    connect({ windowMs: 0 });
    socket().send(goodbye(112, "flooded"));
    socket().drop(4012, "flooded");
    clock.advance(900);
    expect(sockets).toHaveLength(1);
    clock.advance(100);
    expect(sockets).toHaveLength(2);
    socket().drop(4012, "flooded");
    clock.advance(1_900);
    expect(sockets).toHaveLength(2);
    clock.advance(100);
    expect(sockets).toHaveLength(3);
    expect(errors).toMatchObject([{ code: "connection_lost" }]);
  });

  test("a client that is told a time comes then, also if that was so ten times; without one it waits longer each time", () => {
    const { clock, connect, sockets, random, socket } = start();
    random.value = 0.999;
    connect({ windowMs: 0 }).drop();
    const attemptsIn = (ms: number): number => {
      const before = sockets.length;
      clock.advance(ms);
      return sockets.length - before;
    };
    expect(attemptsIn(1_000)).toBe(1);
    const later = goodbye(101, "try_later", { retryMs: 3_000, windowMs: 0 });
    for (let times = 0; times < 10; times++) {
      socket().send(later);
      expect([attemptsIn(3_990), attemptsIn(10)]).toEqual([0, 1]);
    }
    socket().drop();
    expect([attemptsIn(1_990), attemptsIn(10)]).toEqual([0, 1]);
    socket().drop();
    expect([attemptsIn(3_990), attemptsIn(10)]).toEqual([0, 1]);
    // What has grown stays until a connection lasts.
    socket().send(later);
    expect([attemptsIn(6_990), attemptsIn(10)]).toEqual([0, 1]);
  });

  test("a stream that does not catch up within 10 s is counted as if it had", () => {
    const { clock, connect, socket, subscribe, engine } = start();
    subscribe("a");
    connect({ windowMs: 0 }).subscribed("a", {});
    clock.advance(6_000);
    socket().drop();
    clock.advance(0);
    socket().accept({ resumed: true });
    socket().subscribed("a", { head: 9, recovered: true });
    socket().take();
    clock.advance(10_000);
    expect(engine.counts.total).toMatchObject({ reconnects: 1, resumeMsMax: 10_000 });
    expect(socket().takeOne("report").counts).toMatchObject({ resumeMsMax: 10_000 });
  });

  test("waits for the window of the node before the first attempt, and backs off under full jitter after it", () => {
    const { clock, connect, sockets, random, socket } = start();
    random.value = 0.999;
    connect({ windowMs: 4_000 });
    clock.advance(6_000);
    socket().drop();
    clock.advance(3_990);
    expect(sockets).toHaveLength(1);
    clock.advance(10);
    expect(sockets).toHaveLength(2);
    socket().drop();
    clock.advance(3_990);
    expect(sockets).toHaveLength(2);
    clock.advance(10);
    expect(sockets).toHaveLength(3);
  });

  test.each([
    { failures: 0, windowMs: 0, retryMs: 0, most: 0 },
    { failures: 0, windowMs: 90_000, retryMs: 200, most: 90_200 },
    { failures: 1, windowMs: 0, retryMs: 0, most: 1_000 },
    { failures: 3, windowMs: 1_000, retryMs: 0, most: 4_000 },
    { failures: 2, windowMs: 9_000, retryMs: 0, most: 9_000 },
    { failures: 6, windowMs: 0, retryMs: 0, most: 30_000 },
    { failures: 1_000, windowMs: 90_000, retryMs: 7, most: 30_007 },
  ])("delays: %o", ({ most, ...input }) => {
    expect(attemptDelayMs({ ...input, random: 0 })).toBe(input.retryMs);
    expect(attemptDelayMs({ ...input, random: 1 })).toBe(most);
  });

  test.each([
    { t: "pong", id: 99, time: 1, windowMs: 60_000 },
    { t: "advice", windowMs: 60_000 },
  ])("the window is the newest that the node said: %o", (frame) => {
    const { clock, connect, sockets, socket } = start();
    connect({ windowMs: 0 });
    socket().send(frame);
    clock.advance(6_000);
    socket().drop();
    clock.advance(29_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(sockets).toHaveLength(2);
  });

  test("an attempt that a hint brought forward does not come a second time when it was planned first", () => {
    const { engine, clock, connect, sockets, socket, random } = start();
    random.value = 0.99;
    connect({ windowMs: 20_000 });
    clock.advance(6_000);
    socket().drop();
    engine.hint("back");
    clock.advance(0);
    socket().accept({ windowMs: 20_000 });
    clock.advance(6_000);
    socket().drop();
    clock.advance(19_000);
    expect(sockets).toHaveLength(2);
    clock.advance(1_000);
    expect(sockets).toHaveLength(3);
  });

  test("respects retryMs and the goodbye's own window", () => {
    const { clock, connect, sockets, socket } = start();
    connect();
    clock.advance(6_000);
    socket().send(goodbye(101, "try_later", { retryMs: 3_000, windowMs: 8_000 }));
    clock.advance(6_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(sockets).toHaveLength(2);
  });

  test("a connection that does not last counts as a failed attempt, so that a node that takes and drops is not hammered", () => {
    const { clock, connect, sockets, socket, random } = start();
    connect({ windowMs: 0 });
    random.value = 0.99;
    for (let attempt = 0; attempt < 5; attempt++) {
      socket().drop();
      clock.advance(500 * 2 ** (attempt + 1) * 0.9);
      expect(sockets).toHaveLength(attempt + 1);
      clock.advance(500 * 2 ** (attempt + 1) * 0.1);
      expect(sockets).toHaveLength(attempt + 2);
      socket().accept({ windowMs: 0 });
    }
  });

  test("there is never more than one attempt at a time, and an unanswered one ends", () => {
    const { engine, clock, sockets } = start();
    engine.start();
    engine.start();
    engine.hint("online");
    engine.hint("back");
    clock.advance(2_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(sockets[0]?.closed).toMatchObject({ code: 4007 });
    clock.advance(1_000);
    expect(sockets).toHaveLength(2);
  });

  test("a transport that does not open has 3 s at first, twice as long after each that failed, and never more than an attempt", () => {
    const { engine, clock, sockets, random, socket } = start();
    random.value = 0;
    engine.start();
    const openFor = (): number => {
      const { length } = sockets;
      let ms = 0;
      for (; sockets.length === length; ms += 500) clock.advance(500);
      return ms;
    };
    expect([openFor(), openFor(), openFor(), openFor()]).toEqual([3_000, 6_000, 10_000, 10_000]);
    // Once it is open, the node has the time of the whole attempt for its answer.
    clock.advance(4_000);
    socket().open();
    clock.advance(5_500);
    expect(socket().closed).toBeUndefined();
    clock.advance(500);
    expect(sockets.at(-2)?.closed).toMatchObject({ code: 4007 });
    // A connection that lasts ends that.
    socket().accept({ windowMs: 0 });
    clock.advance(6_000);
    socket().drop();
    clock.advance(0);
    expect(openFor()).toBe(3_000);
  });

  test("the second connection of a move has the time of a whole attempt to open: the first one serves", () => {
    const { connect, clock, sockets } = start();
    const first = connect();
    first.send({ t: "migrate", reason: "drain", deadlineMs: 60_000 });
    clock.advance(9_999);
    expect([sockets.length, sockets[1]?.closed]).toEqual([2, undefined]);
    clock.advance(1);
    expect(sockets[1]?.closed).toMatchObject({ code: 4007 });
  });
});

describe("liveness", () => {
  test.each([
    [0, 25_000],
    [1, 20_000],
  ])("pings every pingMs, spread by 20 %% (chance %d: %d ms)", (value, everyMs) => {
    const { clock, connect, random } = start();
    random.value = value;
    const socket = connect();
    socket.answersPings = true;
    clock.advance(everyMs - 1);
    expect(socket.pings).toBe(0);
    clock.advance(1);
    expect(socket.pings).toBe(1);
    clock.advance(everyMs);
    expect(socket.pings).toBe(2);
  });

  test("a ping without an answer for 10 s means lost, since the last frame of any kind", () => {
    const { clock, connect, states, engine, socket, random } = start();
    random.value = 0;
    const first = connect({ windowMs: 0 });
    clock.advance(24_000);
    first.send({ t: "advice", windowMs: 0 });
    clock.advance(10_999);
    expect(states).toEqual(["connected connected"]);
    clock.advance(1);
    expect(states.at(-1)).toBe("reconnecting lost");
    expect(first.closed).toMatchObject({ code: 4004 });
    clock.advance(0);
    socket().accept();
    expect(engine.counts.total.deliveryPauseMsLast).toBe(11_000);
  });

  test("a frame in the later half of that time is a sign of life: the answer may be behind it", () => {
    const closedIfHeardAfter = (ms: number) => {
      const { clock, connect, random } = start();
      random.value = 0;
      const socket = connect();
      clock.advance(25_000);
      expect(socket.pings).toBe(1);
      clock.advance(ms);
      socket.send({ t: "advice", windowMs: 0 });
      clock.advance(10_000 - ms);
      return socket.closed?.code;
    };
    expect([closedIfHeardAfter(4_999), closedIfHeardAfter(5_000)]).toEqual([4004, undefined]);
  });

  test("a request that is not answered for 15 s means lost", () => {
    const { clock, connect, subscribe } = start();
    const socket = connect();
    subscribe("a");
    clock.advance(14_999);
    expect(socket.closed).toBeUndefined();
    clock.advance(1);
    expect(socket.closed).toMatchObject({ code: 4011 });
  });

  test("a message that breaks the protocol ends the connection and is reported", () => {
    const { connect, errors, states } = start();
    const socket = connect();
    socket.send({ nonsense: true } as never);
    expect(socket.closed).toMatchObject({ code: 4011 });
    expect(errors).toHaveLength(1);
    expect(states.at(-1)).toBe("reconnecting lost");
  });

  test("a second `connected` is ignored", () => {
    const { connect, engine } = start();
    const socket = connect();
    socket.send(connected({ session: "s2" }));
    expect(engine.session).toBe("s1");
  });

  test("frames of a type that this version does not know are ignored", () => {
    const { connect, errors, states } = start();
    const socket = connect();
    socket.send({ t: "of_tomorrow", x: 1 });
    expect([errors, states]).toEqual([[], ["connected connected"]]);
  });
});

test("counts are reported at most every 30 s, and only when something changed", () => {
  const { clock, connect, subscribe } = start();
  const socket = connect();
  subscribe("a");
  socket.subscribed("a", {});
  const pong = { t: "pong", id: 500, time: 1, windowMs: 1 };
  socket.take();
  socket.send(pong);
  expect(socket.take()).toEqual([]);
  socket.send(
    { t: "pub", ch: "a", o: 1, ts: 1, d: 1 },
    { t: "pub", ch: "a", o: 1, ts: 1, d: 1 },
    pong,
  );
  expect(socket.takeOne("report").counts).toMatchObject({ duplicates: 1 });
  socket.send({ t: "pub", ch: "a", o: 1, ts: 1, d: 1 }, pong);
  expect(socket.take()).toEqual([]);
  clock.advance(30_000);
  socket.send(pong);
  expect(socket.takeOne("report").counts).toMatchObject({ duplicates: 1 });
});
