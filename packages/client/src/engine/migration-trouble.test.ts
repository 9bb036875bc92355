// Owns: tests of moves in which a connection fails, or something else happens at the same time.
import { describe, expect, test } from "bun:test";
import { migrate, settled } from "../testing/moving-session.ts";
import { pub, type Wire } from "../testing/scripted-node.ts";

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

  test("one that opens after it was given up is not used for anything", () => {
    const { old, second, engine, clock } = settled();
    old.send(migrate(60_000));
    const late = second();
    clock.advance(10_000);
    expect(late.closed).toMatchObject({ code: 4007 });
    late.open();
    engine.presence.enter("a", "me", () => {});
    clock.flush();
    expect(old.takeOne("enter").d).toBe("me");
  });

  test("one that was lost declares none of the gaps that it held back", () => {
    const { old, second, log, clock } = settled();
    old.send(migrate());
    second().accept();
    second().subscribed("a", { pos: { epoch: "e", offset: 9 }, head: 9, recovered: false });
    second().send({
      t: "gap",
      ch: "a",
      from: 3,
      to: 9,
      reason: "dropped",
      pos: { epoch: "e", offset: 9 },
    });
    second().drop();
    clock.advance(1_000);
    old.send(pub("a", 3));
    expect(log.lines).toEqual(["3"]);
  });

  test("one that was established and lost is not taken later", () => {
    const { old, second, engine, clock } = settled();
    old.send(migrate(60_000));
    second().accept({ node: "n2" });
    second().drop();
    clock.advance(1_000);
    second().open();
    clock.advance(9_500);
    expect([old.closed, engine.node]).toEqual([undefined, "n1"]);
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
    const { old, second, states, clock, sockets, socket, engine } = settled();
    old.send(migrate());
    old.drop();
    second().drop();
    expect(states.at(-1)).toBe("reconnecting lost");
    clock.advance(2_000);
    expect(sockets).toHaveLength(3);
    const [connect] = socket().accept();
    expect(connect?.moving).toBeUndefined();
    expect(states.at(-1)).toBe("connected connected");
    expect(engine.counts.total).toMatchObject({ migrations: 0, reconnects: 1 });
  });

  test("session_replaced on the old one is no end while the second is there", () => {
    const { old, second, states } = settled();
    old.send(migrate());
    second().open();
    old.send({ t: "goodbye", code: 150, name: "session_replaced", msg: "" });
    second().send({ ...connectedFrame });
    expect(states).toEqual(["connected connected"]);
  });

  test("while it answers, after the second was taken: nobody notices", () => {
    const { old, second, engine, states, clock, sockets } = settled();
    const options = { timeoutMs: 9_000, repeatable: false, name: "slow" };
    engine.calls.start({ t: "rpc", m: "slow" }, options, () => {});
    clock.flush();
    old.send(migrate());
    second().accept({ node: "n2" });
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    old.drop();
    clock.advance(2_000);
    expect([engine.node, states, sockets.length]).toEqual(["n2", ["connected connected"], 2]);
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

  test("a `migrate` of the new node whose time is over when that is taken is not followed", () => {
    const { old, second, sockets, clock } = settled();
    old.send(migrate());
    second().accept();
    second().send(migrate(1_000));
    clock.advance(1_500);
    second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
    expect(old.closed).toBeDefined();
    expect(sockets).toHaveLength(2);
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

  test("an entry holds the move up until the new node has it, or refuses it", () => {
    for (const isRefused of [false, true]) {
      const { old, second, engine, clock } = settled();
      engine.presence.enter("a", "me", () => {});
      clock.flush();
      old.send({ t: "ok", id: old.takeOne("enter").id });
      old.send(migrate());
      const { id } = second()
        .accept({ node: "n2" })
        .find(({ t }) => t === "enter") as { readonly id?: number };
      second().subscribed("a", { pos: { epoch: "e", offset: 2 }, head: 2, recovered: true });
      expect(engine.node).toBe("n1");
      const refusal = { t: "err", code: 203, name: "permission_denied", msg: "" };
      second().send(isRefused ? { ...refusal, id } : { t: "ok", id });
      expect(engine.node).toBe("n2");
    }
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
    clock.flush();
    expect([old.pings, second().pings]).toEqual([1, 1]);
    clock.advance(4_000);
    second().send({ t: "pong", id: 1, time: 0, windowMs: 0 });
    clock.advance(1_000);
    expect(old.closed).toMatchObject({ code: 4004 });
    expect(states).toEqual(["connected connected"]);
  });

  test("a page that is seen again between two attempts asks the old one", () => {
    const { old, second, engine, clock } = settled();
    old.send(migrate());
    second().drop();
    engine.hint("back");
    clock.flush();
    expect(old.pings).toBe(1);
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
