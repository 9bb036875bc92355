import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { gap, migrate, settled } from "../testing/moving-session.ts";
import { pub, scripted } from "../testing/scripted-node.ts";
import { HoldfastError } from "./errors.ts";

test("moves make-before-break: delivery goes on, nothing is delivered twice, the application sees `connected` throughout", () => {
  const { old, second, log, states, engine, sockets } = settled();
  old.send(migrate());
  expect(sockets).toHaveLength(2);
  expect(
    second().accept({ session: "s1", resumed: true, resume: "r-new", node: "n2" }),
  ).toMatchObject([
    { t: "connect", resume: "r-old", moving: true, migrates: true },
    { t: "subscribe", ch: "a", pos: { epoch: "e", offset: 2 } },
  ]);
  old.send(pub("a", 3));
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 3, recovered: true });
  expect(old.closed).toBeUndefined();
  second().send(pub("a", 3));
  expect(old.take()).toEqual([{ t: "bye", moved: true }]);
  expect(old.closed).toEqual({ code: 1000, reason: "" });
  second().send(pub("a", 4));
  old.send(pub("a", 4));
  expect(log.lines).toEqual(["3", "4"]);
  expect(states).toEqual(["connected connected"]);
  expect(engine.node).toBe("n2");
  expect(engine.counts.total).toMatchObject({
    migrations: 1,
    reconnects: 0,
    gaps: 0,
    undeclared: 0,
    lost: 0,
    deliveryPauseMsLast: 0,
  });
  expect(second().takeOne("report").counts).toMatchObject({ migrations: 1 });
});

test("nothing of the old connection is left: neither its timers, nor what it says while it answers", () => {
  const { old, second, engine, clock, socket, sockets } = settled();
  const before = clock.waiting();
  engine.calls.start(
    { t: "rpc", m: "slow" },
    { timeoutMs: 900, repeatable: false, name: "slow" },
    () => {},
  );
  clock.flush();
  old.send(migrate(1_000));
  second().accept({ resume: "r-new", windowMs: 0 });
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
  old.send({ t: "pong", id: 1, time: 0, windowMs: 60_000, resume: "r-late" }, migrate());
  expect(sockets).toHaveLength(2);
  clock.advance(6_000);
  expect(clock.waiting()).toBe(before);
  second().drop();
  clock.advance(0);
  expect(socket().accept()[0]).toMatchObject({ t: "connect", resume: "r-new" });
});

test("a connection that was lost soon after the move to it counts as a failed attempt", () => {
  const { old, second, clock, sockets, random } = settled();
  random.value = 0.99;
  clock.advance(10_000);
  old.send(migrate());
  second().accept({ windowMs: 0 });
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
  second().drop();
  clock.advance(900);
  expect(sockets).toHaveLength(2);
  clock.advance(100);
  expect(sockets).toHaveLength(3);
});

test("a `migrate` of a node that has not said `connected` moves nothing", () => {
  const { engine, socket, sockets } = scripted(createManualClock());
  engine.start();
  socket().open();
  socket().send(migrate());
  expect(sockets).toHaveLength(1);
});

test("a session without subscriptions moves as soon as the new node has taken it", () => {
  const { connect, socket, engine } = scripted(createManualClock());
  connect().send(migrate());
  socket().accept({ node: "n2" });
  expect(engine.node).toBe("n2");
});

test("the new connection may be ahead of the old one", () => {
  const { old, second, log, engine } = settled();
  old.send(migrate());
  second().accept();
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 5, recovered: true });
  second().send(pub("a", 3), pub("a", 4));
  old.send(pub("a", 3), pub("a", 4), pub("a", 5));
  second().send(pub("a", 5), pub("a", 6));
  expect(log.lines).toEqual(["3", "4", "5", "6"]);
  expect(engine.counts.total).toMatchObject({ undeclared: 0, gaps: 0 });
});

test("entries and watches are on the new connection before the old one is left", () => {
  const { old, second, engine, clock } = settled();
  engine.presence.enter("a", "me", () => {});
  const changes: unknown[] = [];
  engine.presence.watch("a", { change: (change) => changes.push(change), ready() {}, error() {} });
  clock.flush();
  const [enter, watch] = old.take();
  old.send(
    { t: "ok", id: enter?.id },
    { t: "ok", id: watch?.id },
    { t: "members", ch: "a", list: [{ m: "s1", d: "me" }, { m: "s2" }], more: false },
  );
  changes.splice(0);
  old.send(migrate());
  const frames = second().accept({ resumed: true });
  expect(frames.map(({ t }) => t)).toEqual(["connect", "subscribe", "enter", "watch"]);
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
  expect(old.closed).toBeUndefined();
  second().send({ t: "ok", id: frames[2]?.id });
  expect(old.closed).toBeUndefined();
  second().send({ t: "members", ch: "a", list: [{ m: "s2" }, { m: "s1", d: "me" }], more: false });
  expect(old.closed).toBeDefined();
  expect(changes).toEqual([]);
});

test("a gap on the new connection waits for the old one to fill it", () => {
  const { old, second, log, engine } = settled({ cls: "volatile" });
  old.send(migrate());
  second().accept();
  second().subscribed("a", {
    cls: "volatile",
    pos: { epoch: "e", offset: 4 },
    head: 4,
    recovered: false,
  });
  second().send(gap(3, 4), pub("a", 5));
  expect(log.lines).toEqual([]);
  old.send(pub("a", 3));
  expect(old.closed).toBeUndefined();
  old.send(pub("a", 4));
  expect(log.lines).toEqual(["3", "4", "5"]);
  expect(old.closed).toBeDefined();
  expect(engine.counts.total).toMatchObject({ gaps: 0, lost: 0, undeclared: 0 });
});

test("a gap that the old connection does not fill within a second, or before it dies, is declared", () => {
  for (const end of ["time", "death"]) {
    const { old, second, log, clock } = settled({ cls: "volatile" });
    old.send(migrate());
    second().accept();
    second().subscribed("a", {
      cls: "volatile",
      pos: { epoch: "e", offset: 4 },
      head: 4,
      recovered: false,
    });
    second().send(gap(3, 4), pub("a", 5));
    old.send(pub("a", 3));
    if (end === "time") clock.advance(1_000);
    else old.drop();
    expect(log.lines).toEqual(["3", "gap 4..4 dropped > e:4", "5"]);
  }
});

test("a gap with an end that was held back does not lead out of the epoch that the old one has brought meanwhile", () => {
  const { old, second, log, engine } = settled();
  old.send(migrate());
  second().accept();
  second().subscribed("a", { pos: { epoch: "e", offset: 9 }, head: 9, recovered: false });
  second().send(gap(3, 9));
  const anew = { t: "gap", ch: "a", to: null, reason: "epoch" };
  old.send({ ...anew, from: 3, pos: { epoch: "f", offset: 0 } });
  expect(log.lines).toEqual(["gap 3..null epoch > f:0"]);
  // Its node notices the new epoch later: for the application that is nothing new.
  second().send({ ...anew, from: 10, pos: { epoch: "f", offset: 0 } }, pub("a", 1));
  expect(log.lines).toEqual(["gap 3..null epoch > f:0", "f:1"]);
  expect(engine.counts.total).toMatchObject({ gaps: 1, lost: 0, undeclared: 0 });
});

test("a gap that waited ends the move when it is declared, if nothing is behind it", () => {
  const { old, second, log, clock, engine } = settled({ cls: "volatile" });
  old.send(migrate());
  second().accept({ node: "n2" });
  second().subscribed("a", {
    cls: "volatile",
    pos: { epoch: "e", offset: 4 },
    head: 4,
    recovered: false,
  });
  second().send(gap(3, 4));
  expect(engine.node).toBe("n1");
  clock.advance(1_000);
  expect([log.lines, engine.node]).toEqual([["gap 3..4 dropped > e:4"], "n2"]);
});

test("what was held back is not told when the channel was refused meanwhile", () => {
  const { old, second, log, clock } = settled();
  old.send(migrate());
  second().accept();
  second().subscribed("a", { pos: { epoch: "e", offset: 9 }, head: 9, recovered: false });
  second().send(gap(3, 9));
  old.take();
  old.send(pub("a", 5));
  const { id } = old.takeOne("subscribe");
  old.send({ t: "err", id, code: 203, name: "permission_denied", msg: "" });
  clock.advance(1_000);
  expect(log.lines).toEqual(["error permission_denied"]);
});

test("a hole on the new connection is mended there, although the old one has filled it", () => {
  const { old, second, log, engine } = settled();
  old.send(migrate());
  second().accept();
  second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 6, recovered: true });
  second().take();
  old.send(pub("a", 3), pub("a", 4));
  second().send(pub("a", 5));
  expect(second().take()).toMatchObject([
    { t: "unsubscribe", ch: "a" },
    { t: "subscribe", ch: "a", pos: { epoch: "e", offset: 4 } },
  ]);
  expect(engine.counts.total.undeclared).toBe(1);
  expect(log.lines).toEqual(["3", "4"]);
});

test("a new connection whose stream breaks behind a gap that it held back ends alone", () => {
  const { old, second, log, states } = settled();
  old.send(pub("a", 4));
  old.subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
  old.send(migrate());
  second().accept();
  second().subscribed("a", { pos: { epoch: "e", offset: 4 }, head: 4, recovered: false });
  second().send(gap(3, 4), pub("a", 6), pub("a", 7));
  old.send(pub("a", 3), pub("a", 4));
  expect(second().closed).toMatchObject({ code: 4011 });
  old.send(pub("a", 5));
  expect([log.lines, states]).toEqual([["3", "4", "5"], ["connected connected"]]);
});

describe("requests in flight", () => {
  const withRequests = () => {
    const all = settled();
    const results: string[] = [];
    const publish = (data: string) => {
      all.engine.publisher.publish("a", data, { timeoutMs: 9_000, ordered: true }, (result) =>
        results.push(
          result instanceof HoldfastError
            ? `${data} ${result.code}`
            : `${data} ${result.position.offset}`,
        ),
      );
      all.clock.flush();
    };
    const call = (name: string) => {
      all.engine.calls.start(
        { t: "rpc", m: name },
        { timeoutMs: 9_000, repeatable: false, name },
        (result) =>
          results.push(result instanceof HoldfastError ? `${name} ${result.code}` : `${name} ok`),
      );
      all.clock.flush();
    };
    const move = () => {
      all.old.send(migrate());
      all.second().accept();
      all.second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    };
    return { ...all, results, publish, call, move };
  };

  test("are answered on the old connection, which is left after the last answer; newer ones go to the new one", () => {
    const { publish, call, move, old, second, results } = withRequests();
    publish("first");
    call("sum");
    const [first, sum] = old.take();
    move();
    expect(old.closed).toBeUndefined();
    publish("second");
    call("new");
    // The same channel's publish waits for the one in flight; the call does not.
    expect(
      second()
        .take()
        .map(({ t, d, m }) => d ?? m ?? t),
    ).toEqual(["report", "new"]);
    old.send({ t: "published", id: first?.id, e: "e", o: 3 });
    expect(
      second()
        .take()
        .map(({ d }) => d),
    ).toEqual(["second"]);
    expect(old.closed).toBeUndefined();
    old.send({ t: "ok", id: sum?.id });
    expect(old.closed).toBeDefined();
    expect(results).toEqual(["first 3", "sum ok"]);
  });

  test("are repeated on the new one soon where that is safe: an old node without time holds no publish up", () => {
    const { publish, call, move, old, second, results, clock } = withRequests();
    publish("first");
    call("sum");
    const [first, sum] = old.take();
    move();
    second().take();
    clock.advance(50);
    const again = second().takeOne("publish");
    expect([again.d, again.idem]).toEqual(["first", first?.idem]);
    expect(old.closed).toBeUndefined();
    old.send({ t: "published", id: first?.id, e: "e", o: 3 });
    second().send({ t: "published", id: again.id, e: "e", o: 3, dup: true });
    old.send({ t: "ok", id: sum?.id });
    expect(results).toEqual(["first 3", "sum ok"]);
    expect(old.take()).toEqual([{ t: "bye", moved: true }]);
  });

  test("keep nothing new on the old connection", () => {
    const { call, move, old, second, subscribe, clock } = withRequests();
    call("slow");
    move();
    old.take();
    subscribe("b");
    clock.flush();
    expect(old.take()).toEqual([]);
    expect(second().takeOne("subscribe").ch).toBe("b");
  });

  test("have longer where answers took longer, but never over a second", () => {
    for (const [tookMs, switchMs] of [
      [100, 250],
      [5_000, 1_000],
    ] as const) {
      const { publish, move, old, second, clock } = withRequests();
      clock.advance(2_000);
      publish("before");
      clock.advance(tookMs);
      old.send({ t: "published", id: old.takeOne("publish").id, e: "e", o: 3 });
      publish("first");
      move();
      second().take();
      clock.advance(switchMs - 1);
      expect(second().take()).toEqual([]);
      clock.advance(1);
      expect(second().takeOne("publish").d).toBe("first");
      expect(old.closed).toBeDefined();
    }
  });

  test("that must not be repeated wait on the old connection until shortly before its deadline", () => {
    const { call, move, old, second, results, clock } = withRequests();
    call("slow");
    call("slower");
    const [slow] = old.take();
    move();
    clock.advance(7_000);
    old.send({ t: "ok", id: slow?.id });
    expect(results).toEqual(["slow ok"]);
    expect(old.closed).toBeUndefined();
    clock.advance(2_000);
    expect(results).toEqual(["slow ok", "slower timeout"]);
    // Nothing is due any more.
    expect(old.take().map(({ t }) => t)).toEqual(["cancel", "bye"]);
    expect(second().closed).toBeUndefined();
  });

  test("that are still not answered a second before the deadline end with connection_lost", () => {
    const { engine, clock, old, second } = withRequests();
    const results: string[] = [];
    engine.calls.start(
      { t: "rpc", m: "long" },
      { timeoutMs: 60_000, repeatable: false, name: "long" },
      (result) => results.push(result instanceof HoldfastError ? result.code : "ok"),
    );
    clock.flush();
    old.send(migrate(20_000));
    second().accept();
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    clock.advance(18_999);
    expect([results, old.closed]).toEqual([[], undefined]);
    clock.advance(1);
    expect(results).toEqual(["connection_lost"]);
    expect(old.take().at(-1)).toEqual({ t: "bye", moved: true });
  });

  test("are repeated once on each connection, however fast the next move comes", () => {
    const { publish, move, second, clock } = withRequests();
    publish("first");
    move();
    second().send(migrate());
    const third = second();
    third.accept({ resumed: true });
    third.subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    clock.advance(3_000);
    expect(third.take().filter(({ t }) => t === "publish")).toHaveLength(1);
  });

  test("wait on the old connection no longer than until the next move", () => {
    const { call, move, old, second, results, sockets } = withRequests();
    call("slow");
    move();
    const next = second();
    next.send(migrate());
    const third = second();
    expect(third).not.toBe(next);
    third.accept({ resumed: true });
    third.subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(results).toEqual(["slow connection_lost"]);
    expect(sockets.map(({ closed }) => closed !== undefined)).toEqual([true, true, false]);
    expect(old.closed).toEqual({ code: 1000, reason: "" });
  });
});
