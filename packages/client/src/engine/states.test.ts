// Owns: tests of the states of a client: what hints, nodes and the application make of them.
import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { connected, scripted } from "../testing/scripted-node.ts";

const start = (options = {}) => scripted(createManualClock(), options);
const goodbye = (code: number, name: string, more = {}) => ({
  t: "goodbye",
  code,
  name,
  msg: "",
  ...more,
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

  test("a client that was closed before the start does not start", () => {
    const { engine, clock, sockets, states } = start();
    engine.close();
    engine.start();
    clock.advance(60_000);
    expect([sockets.length, states]).toEqual([0, ["closed close"]]);
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
