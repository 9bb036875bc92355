import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { pub, scripted, type Wire } from "../testing/scripted-node.ts";
import { HoldfastError } from "./errors.ts";

const migrate = (deadlineMs = 30_000): Wire => ({ t: "migrate", reason: "drain", deadlineMs });
const gap = (from: number, to: number): Wire => ({
  t: "gap",
  ch: "a",
  from,
  to,
  reason: "dropped",
  pos: { epoch: "e", offset: to },
});

/** Connected to an old node, subscribed to a, at offset 2. */
function settled(members: Readonly<Record<string, unknown>> = {}) {
  const all = scripted(createManualClock());
  const old = all.connect({ resume: "r-old" });
  const { log } = all.subscribe("a");
  old.subscribed("a", members);
  old.send(pub("a", 1), pub("a", 2));
  log.take();
  old.take();
  const second = () => {
    const socket = all.sockets.at(-1);
    if (!socket || socket === old) throw new Error("No second connection");
    return socket;
  };
  return { ...all, old, second, log };
}

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

describe("a second connection that fails", () => {
  test.each([
    ["is refused", { t: "goodbye", code: 101, name: "try_later", msg: "", retryMs: 100 }],
    ["is told to stop", { t: "goodbye", code: 150, name: "session_replaced", msg: "" }],
  ])("%s: the old one stays, and another attempt follows", (_name, frame) => {
    const { old, second, sockets, clock, states, log } = settled();
    old.send(migrate());
    second().open();
    second().send(frame);
    old.send(pub("a", 3));
    expect(log.lines).toEqual(["3"]);
    clock.advance(1_000);
    expect(sockets).toHaveLength(3);
    expect(states).toEqual(["connected connected"]);
  });

  test("attempts end at the deadline; the goodbye of the node then leads to an ordinary reconnect", () => {
    const { old, socket, sockets, clock, states } = settled();
    old.send(migrate(10_000));
    for (let step = 0; step < 40; step++) {
      if (socket() !== old && !socket().closed) socket().drop();
      clock.advance(500);
      if (step % 10 === 0) old.send({ t: "advice", windowMs: 0 });
    }
    const attempts = sockets.length;
    expect(attempts).toBeGreaterThan(4);
    expect(attempts).toBeLessThan(30);
    clock.advance(10_000);
    expect(sockets).toHaveLength(attempts);
    expect(states).toEqual(["connected connected"]);
    old.send({ t: "goodbye", code: 102, name: "draining", msg: "", windowMs: 0 });
    expect(states.at(-1)).toBe("reconnecting draining");
    clock.advance(0);
    expect(socket().accept()[0]).toMatchObject({ t: "connect", resume: "r-old" });
  });

  test("attempts go on when the node moves its deadline", () => {
    const { old, second, sockets, clock } = settled();
    old.send(migrate(100));
    second().drop();
    clock.advance(5_000);
    expect(sockets).toHaveLength(2);
    old.send(migrate(10_000));
    clock.advance(5_000);
    expect(sockets).toHaveLength(3);
  });

  test("one that never answers is given up after the connect timeout", () => {
    const { old, sockets, clock } = settled();
    old.send(migrate(60_000));
    clock.advance(15_000);
    expect(sockets.length).toBeGreaterThanOrEqual(3);
  });

  test("one that is established but never caught up is taken after 10 s: it loses nothing", () => {
    const { old, second, clock, log, states } = settled();
    old.send(migrate(60_000));
    second().accept();
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 9, recovered: true });
    clock.advance(10_000);
    expect(old.closed).toBeDefined();
    second().send(pub("a", 3));
    expect(log.lines).toEqual(["3"]);
    expect(states).toEqual(["connected connected"]);
  });
});

describe("the old connection dies on the way", () => {
  test("before the second is caught up: the second is taken at once", () => {
    const { old, second, states, log, engine, clock } = settled();
    old.send(migrate());
    second().accept({ node: "n2" });
    old.drop();
    clock.advance(70);
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 3, recovered: true });
    second().send(pub("a", 3));
    expect(states).toEqual(["connected connected"]);
    expect(log.lines).toEqual(["3"]);
    expect(engine.node).toBe("n2");
    expect(engine.counts.total).toMatchObject({
      migrations: 1,
      reconnects: 0,
      deliveryPauseMsLast: 70,
      resumeMsMax: 70,
    });
  });

  test("while the second is being opened: `connected` if that takes less than a second", () => {
    const { old, second, states, clock, engine } = settled();
    old.send(migrate());
    old.drop(4010);
    clock.advance(900);
    second().accept();
    expect(states).toEqual(["connected connected"]);
    expect(engine.counts.total).toMatchObject({ migrations: 1, reconnects: 0 });
  });

  test("while the second is being opened: `reconnecting` if that takes longer, and no third connection", () => {
    const { old, second, states, clock, sockets, engine } = settled();
    old.send(migrate());
    old.drop(4010);
    clock.advance(1_000);
    expect(states.at(-1)).toBe("reconnecting lost");
    second().accept();
    expect(states.at(-1)).toBe("connected connected");
    expect(sockets).toHaveLength(2);
    expect(engine.counts.total).toMatchObject({ migrations: 0, reconnects: 1 });
  });

  test("and the second too: an ordinary reconnect", () => {
    const { old, second, states, clock, sockets, socket } = settled();
    old.send(migrate());
    old.drop();
    second().drop();
    expect(states.at(-1)).toBe("reconnecting lost");
    clock.advance(2_000);
    expect(sockets).toHaveLength(3);
    const [connect] = socket().accept();
    expect(connect?.moving).toBeUndefined();
    expect(states.at(-1)).toBe("connected connected");
  });

  test("session_replaced on the old one is no end while the second is there", () => {
    const { old, second, states } = settled();
    old.send(migrate());
    second().open();
    old.send({ t: "goodbye", code: 150, name: "session_replaced", msg: "" });
    second().send({ ...connectedFrame });
    expect(states).toEqual(["connected connected"]);
  });

  test("a ban on the old one is the end of both", () => {
    const { old, second, states } = settled();
    old.send(migrate());
    second().open();
    old.send({ t: "goodbye", code: 156, name: "banned", msg: "" });
    expect(states.at(-1)).toBe("failed banned");
    expect(second().closed).toBeDefined();
  });
});

const connectedFrame: Wire = {
  t: "connected",
  id: 1,
  session: "s1",
  node: "n2",
  resumed: true,
  resume: "r",
  pingMs: 25_000,
  windowMs: 0,
  messageBytesMax: 65_536,
  time: 0,
};

describe("at the same time", () => {
  test("a second `migrate` of the old node moves the deadline and opens nothing more", () => {
    const { old, sockets } = settled();
    old.send(migrate());
    old.send(migrate(5_000));
    expect(sockets).toHaveLength(2);
  });

  test("a `migrate` of the new node before it was taken is followed afterwards", () => {
    const { old, second, sockets } = settled();
    old.send(migrate());
    const middle = second();
    middle.accept({ resume: "r-2" });
    middle.send(migrate());
    expect(sockets).toHaveLength(2);
    middle.subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(old.closed).toBeDefined();
    expect(sockets).toHaveLength(3);
    expect(second().accept()[0]).toMatchObject({ resume: "r-2", moving: true });
  });

  test("a `migrate` of a second connection that was lost before it was taken is forgotten", () => {
    const { old, second, sockets, clock } = settled();
    old.send(migrate());
    second().accept();
    second().send(migrate());
    second().drop();
    clock.advance(1_000);
    second().accept();
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(old.closed).toBeDefined();
    expect(sockets).toHaveLength(3);
  });

  test("a `migrate` of the second connection is followed when the first one dies", () => {
    const { old, second, sockets } = settled();
    old.send(migrate());
    second().accept({ resume: "r-2" });
    second().send(migrate());
    old.drop();
    expect(sockets).toHaveLength(3);
    expect(second().accept()[0]).toMatchObject({ resume: "r-2", moving: true });
  });

  test("an entry that the session just leaves does not hold the move up", () => {
    const { old, second, engine, clock } = settled();
    engine.presence.enter("a", "me", () => {});
    clock.flush();
    old.send({ t: "ok", id: old.takeOne("enter").id });
    engine.presence.leave("a", () => {});
    clock.flush();
    old.takeOne("leave");
    old.send(migrate());
    second().accept({ node: "n2" });
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(engine.node).toBe("n2");
  });

  test("an entry that the new node has does not hold the move up while it is changed", () => {
    const { old, second, engine, clock } = settled();
    engine.presence.enter("a", "me", () => {});
    clock.flush();
    old.send({ t: "ok", id: old.takeOne("enter").id });
    old.send(migrate());
    second().accept({ node: "n2" });
    const frame = second()
      .messages.flat()
      .find(({ t }) => t === "enter");
    second().send({ t: "ok", id: frame?.id });
    engine.presence.update("a", "changed", () => {});
    clock.flush();
    second().takeOne("update");
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(engine.node).toBe("n2");
  });

  test("an entry that the old node answers after it was left is the new node's", () => {
    const { old, second, engine, clock, errors } = settled();
    const results: string[] = [];
    engine.presence.enter("a", "me", (error) => results.push(error?.code ?? "ok"));
    clock.flush();
    const { id } = old.takeOne("enter");
    old.send(migrate());
    second().accept({ node: "n2" });
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    // The move does not wait for ever.
    clock.advance(10_000);
    expect(engine.node).toBe("n2");
    old.send({ t: "err", id, code: 203, name: "permission_denied", msg: "" });
    second().send({ t: "ok", id: second().takeOne("enter").id });
    expect([results, errors]).toEqual([["ok"], []]);
  });

  test("close() waits for no connection of an earlier move", () => {
    const { old, second, engine } = settled();
    old.send(migrate());
    second().accept();
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    old.drop(1000);
    let isClosed = false;
    engine.close(() => {
      isClosed = true;
    });
    second().drop(1000);
    expect(isClosed).toBe(true);
  });

  test("close() ends both connections", () => {
    const { old, second, engine, clock, states } = settled();
    old.send(migrate());
    second().open();
    engine.close();
    clock.flush();
    expect(old.take().at(-1)).toEqual({ t: "bye" });
    expect(second().take().at(-1)).toEqual({ t: "bye" });
    expect([old.closed?.code, second().closed?.code]).toEqual([1000, 1000]);
    clock.advance(1_000);
    expect(clock.waiting()).toBe(0);
    expect(states.at(-1)).toBe("closed close");
  });

  test("going offline asks both for a sign of life and loses what gives none", () => {
    const { old, second, engine, clock, states } = settled();
    old.send(migrate());
    second().accept();
    engine.hint("offline");
    clock.advance(4_000);
    second().send({ t: "pong", id: 1, time: 0, windowMs: 0 });
    clock.advance(1_000);
    expect(old.closed).toMatchObject({ code: 4004 });
    expect(states).toEqual(["connected connected"]);
  });

  test("a subscription made during the move begins at one place on both connections", () => {
    const { old, second, subscribe } = settled();
    old.send(migrate());
    second().accept();
    const { log } = subscribe("b");
    expect(old.takeOne("subscribe").pos).toBeUndefined();
    expect(second().take()).toEqual([]);
    old.subscribed("b", { pos: { epoch: "e", offset: 8 }, head: 8 });
    expect(second().takeOne("subscribe")).toMatchObject({
      ch: "b",
      pos: { epoch: "e", offset: 8 },
    });
    expect(log.lines).toEqual(["ready e:8"]);
  });

  test("a subscription whose first answer is due on the old connection is asked of the new one when the old one dies", () => {
    const { old, second, subscribe } = settled();
    subscribe("b");
    old.send(migrate());
    second().accept();
    old.drop();
    expect(second().takeOne("subscribe").ch).toBe("b");
  });

  test("unsubscribing during the move ends it on both", () => {
    const { old, second, subscribe, clock } = settled();
    const { stop } = subscribe("b");
    old.subscribed("b", {});
    old.send(migrate());
    second().accept();
    old.take();
    stop();
    clock.flush();
    expect(old.take()).toMatchObject([{ t: "unsubscribe", ch: "b" }]);
    expect(second().take()).toMatchObject([{ t: "unsubscribe", ch: "b" }]);
  });
});

test("a node that turns the move away and names a time makes no later attempt wait longer", () => {
  const { old, clock, sockets, random } = settled();
  random.value = 0.999;
  old.send(migrate(60_000));
  for (let attempt = 2; attempt < 8; attempt++) {
    const second = sockets.at(-1);
    second?.open();
    second?.send({ t: "goodbye", code: 101, name: "try_later", msg: "", retryMs: 1_000 });
    clock.advance(999);
    expect(sockets).toHaveLength(attempt);
    clock.advance(501);
    expect(sockets).toHaveLength(attempt + 1);
  }
});

test("one that just fails does: attempts move apart", () => {
  const { old, clock, sockets, random } = settled();
  random.value = 0.999;
  old.send(migrate(60_000));
  for (const delayMs of [1_000, 2_000, 4_000, 5_000, 5_000]) {
    sockets.at(-1)?.drop();
    const before = sockets.length;
    clock.advance(delayMs * 0.99);
    expect(sockets).toHaveLength(before);
    clock.advance(delayMs * 0.01);
    expect(sockets).toHaveLength(before + 1);
  }
});
