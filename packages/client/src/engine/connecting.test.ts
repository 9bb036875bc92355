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
    clock.advance(9_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(sockets[0]?.closed).toMatchObject({ code: 4007 });
    clock.advance(1_000);
    expect(sockets).toHaveLength(2);
  });
});

describe("states", () => {
  test("suspended after suspendAfterMs without a connection, and attempts go on", () => {
    const { clock, connect, socket, states, sockets } = start();
    connect();
    socket().drop();
    for (let second = 0; second < 60; second++) {
      clock.advance(1_000);
      if (!socket().closed && sockets.length > 1) socket().drop();
    }
    expect(states).toEqual(["connected connected", "reconnecting lost", "suspended suspended"]);
    const before = sockets.length;
    clock.advance(60_000);
    expect(sockets.length).toBeGreaterThan(before);
    socket().accept({ resumed: true });
    expect(states.at(-1)).toBe("connected resumed");
  });

  test("suspended from the first when nothing answers", () => {
    const { engine, clock, states } = start();
    engine.start();
    clock.advance(30_000);
    expect(states).toEqual(["suspended suspended"]);
  });

  test("offline suspends at once when there is no connection; online tries now, spread over the node's window", () => {
    const { engine, clock, connect, socket, sockets, states } = start();
    connect({ windowMs: 60_000 });
    clock.advance(6_000);
    socket().drop();
    engine.hint("offline");
    expect(states.at(-1)).toBe("suspended offline");
    clock.advance(20_000);
    engine.hint("online");
    expect(states.at(-1)).toBe("reconnecting online");
    expect(sockets).toHaveLength(1);
    clock.advance(10_000);
    expect(sockets).toHaveLength(2);
  });

  test("a network that comes and goes does not put the end of the wait off", () => {
    const { engine, clock, connect, socket, states } = start();
    connect({ windowMs: 60_000 });
    clock.advance(6_000);
    socket().drop();
    clock.advance(20_000);
    engine.hint("online");
    clock.advance(10_000);
    expect(states.at(-1)).toBe("suspended suspended");
  });

  test("a connection that came in spite of offline shows that the network is there", () => {
    const { engine, clock, connect, socket, states } = start();
    connect({ windowMs: 0 });
    clock.advance(6_000);
    socket().drop();
    engine.hint("offline");
    clock.advance(1_000);
    socket().accept({ windowMs: 0, resumed: true });
    expect(states.at(-1)).toBe("connected resumed");
    socket().drop();
    expect(states.at(-1)).toBe("reconnecting lost");
  });

  test("online spreads anew, from when the network is back", () => {
    const { engine, clock, connect, socket, sockets, random } = start();
    connect({ windowMs: 60_000 });
    clock.advance(6_000);
    random.value = 0.99;
    socket().drop();
    clock.advance(10_000);
    random.value = 0.5;
    engine.hint("online");
    clock.advance(29_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    expect(sockets).toHaveLength(2);
  });

  test("a network that is back and leads nowhere is a long absence again", () => {
    const { engine, clock, connect, socket, states } = start();
    connect({ windowMs: 60_000 });
    clock.advance(6_000);
    socket().drop();
    engine.hint("offline");
    clock.advance(20_000);
    engine.hint("online");
    clock.advance(29_999);
    expect(states.at(-1)).toBe("reconnecting online");
    clock.advance(1);
    expect(states.at(-1)).toBe("suspended suspended");
  });

  test("online never brings the attempt before retryMs, nor two within a second", () => {
    const { engine, clock, connect, socket, sockets, random } = start();
    random.value = 0;
    connect({ windowMs: 0 });
    socket().send(goodbye(101, "try_later", { retryMs: 5_000 }));
    engine.hint("online");
    clock.advance(4_999);
    expect(sockets).toHaveLength(1);
    clock.advance(1);
    random.value = 0.99;
    for (let index = 0; index < 10; index++) {
      socket().drop();
      engine.hint("online");
      clock.advance(100);
    }
    expect(sockets.length).toBe(3);
  });

  test("a connection that was alive when the network changed is asked for a sign of life, and given up after 5 s without one", () => {
    const { engine, clock, connect, states } = start();
    const socket = connect();
    engine.hint("offline");
    clock.flush();
    expect(socket.pings).toBe(1);
    clock.advance(4_999);
    expect(states).toEqual(["connected connected"]);
    clock.advance(1);
    expect(states.at(-1)).toBe("suspended offline");
  });

  test("further changes of the network do not give it longer, and a connection that is being made is not asked", () => {
    const { engine, clock, connect, states } = start();
    const socket = connect();
    engine.hint("offline");
    clock.advance(4_000);
    engine.hint("offline");
    clock.advance(1_000);
    expect([socket.pings, states.at(-1)]).toEqual([1, "suspended offline"]);
    const other = start();
    const old = other.connect();
    old.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    other.socket().open();
    other.engine.hint("offline");
    other.clock.flush();
    expect([old.pings, other.socket().pings]).toEqual([1, 0]);
  });

  test("what was on its way when the network went is no sign of life", () => {
    const { engine, clock, connect, states, socket } = start();
    connect();
    clock.advance(1_000);
    engine.hint("offline");
    clock.advance(20);
    // The answer to an earlier ping, and a publication.
    socket().send(
      { t: "pong", id: 999, time: 1, windowMs: 1_000 },
      { t: "pub", ch: "a", o: 1, ts: 1, d: 1 },
    );
    clock.advance(4_979);
    expect(states).toEqual(["connected connected"]);
    clock.advance(1);
    expect(states.at(-1)).toBe("suspended offline");
  });

  test("a slow network that goes on delivering is alive, though the answer is behind its data", () => {
    const { engine, clock, connect, states, socket } = start();
    connect();
    engine.hint("back");
    for (let step = 0; step < 5; step++) {
      clock.advance(1_000);
      socket().send({ t: "pub", ch: "a", o: step, ts: 1, d: 1 });
    }
    clock.advance(10_000);
    expect(states).toEqual(["connected connected"]);
    // It is asked again the next time.
    engine.hint("back");
    clock.advance(5_000);
    expect(states.at(-1)).toBe("reconnecting lost");
  });

  test("a page that is seen again keeps a connection that answers", () => {
    const { engine, clock, connect, states } = start();
    const socket = connect();
    clock.advance(1_000);
    engine.hint("back");
    clock.advance(10);
    socket.send({ t: "pong", id: 2, time: 1, windowMs: 1_000 });
    clock.advance(10_000);
    expect(states).toEqual(["connected connected"]);
    // The next time it is asked again.
    engine.hint("back");
    clock.advance(5_000);
    expect(states.at(-1)).toBe("reconnecting lost");
  });

  test.each([
    [150, "session_replaced"],
    [151, "token_invalid"],
    [153, "frame_invalid"],
    [199, "of_tomorrow"],
  ])("goodbye %d %s ends the client for good", (code, name) => {
    const { engine, clock, connect, socket, sockets, states, changes } = start();
    connect();
    socket().send(goodbye(code, name));
    expect(states.at(-1)).toBe(`failed ${name}`);
    expect(changes.at(-1)?.error).toMatchObject({ number: code });
    clock.advance(600_000);
    expect(sockets).toHaveLength(1);
    expect(clock.waiting()).toBe(0);
    engine.close();
    expect(states.at(-1)).toBe(`failed ${name}`);
  });

  test.each([4_500, 4_777, 4_999])("close code %d without a goodbye ends the client", (code) => {
    const { connect, socket, states } = start();
    connect();
    socket().drop(code, "why");
    expect(states.at(-1)).toStartWith("failed");
  });

  test.each([1_000, 1_001, 1_006, 1_011, 1_012, 1_013, 4_000, 4_011, 4_499])(
    "close code %d means reconnect",
    (code) => {
      const { connect, socket, states } = start();
      connect();
      socket().drop(code, "why");
      expect(states.at(-1)).toBe("reconnecting lost");
    },
  );

  test("close says goodbye, ends what waits with `closed`, leaves no timer and takes nothing more", async () => {
    const { engine, clock, connect, socket, subscribe, states } = start();
    connect();
    const { log } = subscribe("a");
    const results: unknown[] = [];
    engine.publisher.publish("a", 1, { timeoutMs: 1_000, ordered: true }, (result) =>
      results.push(result),
    );
    engine.calls.start(
      { t: "rpc", m: "x" },
      { timeoutMs: 1_000, repeatable: false, name: "x" },
      (result) => results.push(result),
    );
    engine.presence.enter("a", 1, (error) => results.push(error));
    let closed = false;
    engine.close(() => {
      closed = true;
    });
    expect(socket().take().at(-1)).toEqual({ t: "bye" });
    expect(socket().closed).toEqual({ code: 1000, reason: "" });
    expect(closed).toBe(false);
    socket().drop(1000);
    expect(closed).toBe(true);
    expect(log.take()).toEqual(["ended closed"]);
    expect(results.splice(0)).toMatchObject([
      { code: "closed" },
      { code: "closed" },
      { code: "closed" },
    ]);
    expect(states.at(-1)).toBe("closed close");
    expect(clock.waiting()).toBe(0);
    engine.publisher.publish("a", 1, { timeoutMs: 1_000, ordered: true }, (result) =>
      results.push(result),
    );
    engine.presence.enter("a", 1, (error) => results.push(error));
    const late = subscribe("a");
    engine.presence.watch("a", { change() {}, ready() {}, error: (error) => results.push(error) });
    clock.flush();
    expect(results).toMatchObject([{ code: "closed" }, { code: "closed" }, { code: "closed" }]);
    expect(late.log.lines).toEqual(["ended closed"]);
  });

  test("what a node says after close() changes nothing, nor do hints then or before the start", () => {
    const { engine, clock, socket, states, errors } = start();
    engine.hint("offline");
    expect([states, engine.node]).toEqual([[], undefined]);
    engine.start();
    socket().open();
    engine.close();
    socket().send(connected());
    engine.hint("offline");
    expect([states, engine.session, errors]).toEqual([["closed close"], undefined, []]);
    clock.advance(60_000);
    expect(clock.waiting()).toBe(0);
  });

  test("close resolves after a second when the transport does not", () => {
    const { engine, clock, connect, socket } = start();
    connect();
    let told = 0;
    engine.close(() => {
      told++;
    });
    clock.advance(1_000);
    expect(told).toBe(1);
    socket().drop();
    expect(told).toBe(1);
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
    clock.advance(everyMs - 1);
    expect(socket.pings).toBe(0);
    clock.advance(1);
    expect(socket.pings).toBe(1);
    socket.send({ t: "advice", windowMs: 1 });
    clock.advance(everyMs);
    expect(socket.pings).toBe(2);
  });

  test("nothing for pingMs + 10 s means lost, measured from the last frame of any kind", () => {
    const { clock, connect, states, engine, socket } = start();
    const first = connect({ windowMs: 0 });
    clock.advance(8_000);
    first.send({ t: "advice", windowMs: 0 });
    // Pings go unanswered from now on, and the check of answers (15 s after the ping) comes later
    // than the silence.
    clock.advance(34_999);
    expect(states).toEqual(["connected connected"]);
    clock.advance(1);
    expect(states.at(-1)).toBe("reconnecting lost");
    expect(first.closed).toMatchObject({ code: 4004 });
    clock.advance(0);
    socket().accept();
    expect(engine.counts.total.deliveryPauseMsLast).toBe(35_000);
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
