import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { scripted, type Wire } from "../testing/scripted-node.ts";
import { membersBetween } from "./members.ts";

function start() {
  const all = scripted(createManualClock());
  const log: string[] = [];
  const ids = (list: readonly { id: string }[]) => list.map(({ id }) => id).join(",");
  const watch = () =>
    all.engine.presence.watch("a", {
      change: ({ join, update, leave }, members) =>
        log.push(`+${ids(join)} ~${ids(update)} -${ids(leave)} = ${ids(members)}`),
      ready: (members) => log.push(`ready ${ids(members)}`),
      error: (error) => log.push(`error ${error.code}`),
    });
  const results: string[] = [];
  const enter = (data: unknown) => {
    all.engine.presence.enter("a", data, (error) =>
      results.push(`${String(data)} ${error?.code ?? "ok"}`),
    );
    all.clock.flush();
  };
  return { ...all, log, watch, enter, results };
}
const members = (list: readonly string[], more = false): Wire => ({
  t: "members",
  ch: "a",
  list: list.map((m) => ({ m, d: m })),
  more,
});
const presence = (join: string[], update: string[] = [], leave: string[] = []): Wire => ({
  t: "presence",
  ch: "a",
  join: join.map((m) => ({ m, d: m })),
  update: update.map((m) => ({ m, d: "new" })),
  leave,
});

describe("watching", () => {
  test("begins with a snapshot in parts as one change, then tells differences", () => {
    const { connect, watch, log, clock, engine } = start();
    const socket = connect();
    watch();
    clock.flush();
    expect(socket.take()).toMatchObject([{ t: "watch", ch: "a" }]);
    socket.send(members(["1", "2"], true), presence(["early"]), members(["3"]));
    expect(log).toEqual(["+1,2,early,3 ~ - = 1,2,early,3", "ready 1,2,early,3"]);
    socket.send(presence(["4"], ["2"], ["1"]));
    expect(log.at(-1)).toBe("+4 ~2 -1 = 2,early,3,4");
    expect(engine.presence.members("a").map(({ id, data }) => [id, data])).toEqual([
      ["2", "new"],
      ["early", "early"],
      ["3", "3"],
      ["4", "4"],
    ]);
  });

  test("ends, and the entry with it, when the session may not have them any more", () => {
    const { connect, watch, log, clock, enter, engine } = start();
    const socket = connect();
    watch();
    enter("me");
    clock.flush();
    socket.send(members(["1"]));
    socket.take();
    socket.send({
      t: "unsubscribed",
      ch: "a",
      code: 223,
      name: "subscription_ended",
      msg: "",
      of: "presence",
    });
    expect(log.at(-1)).toBe("error subscription_ended");
    expect(engine.presence.members("a")).toEqual([]);
    expect(socket.take()).toEqual([]);
    // A new wanted state is a new request.
    enter("again");
    expect(socket.takeOne("enter")).toMatchObject({ ch: "a", d: "again" });
  });

  test("go on when only the subscription of the channel was ended", () => {
    const { connect, watch, log, clock, enter, errors } = start();
    const socket = connect();
    watch();
    enter("me");
    socket.send(members(["1"]));
    socket.send({ t: "unsubscribed", ch: "a", code: 223, name: "subscription_ended", msg: "" });
    clock.flush();
    socket.send(presence(["2"]));
    expect(log.at(-1)).toBe("+2 ~ - = 1,2");
    expect(errors).toEqual([]);
  });

  test("data that no client could read is refused with its path, and what was entered stays", () => {
    const { connect, engine, clock, socket } = start();
    connect({ windowMs: 0 });
    const errors: unknown[] = [];
    const told = (error?: { code: string; path?: string }) => errors.push(error?.code, error?.path);
    engine.presence.enter("b", { at: [new Date(0)] }, told);
    expect(errors.splice(0)).toEqual(["payload_invalid", "at[0]"]);
    const data = { name: "Ada" } as { name: unknown };
    engine.presence.enter("a", data, told);
    engine.presence.update("a", { name: Number.NaN }, told);
    expect(errors.splice(0)).toEqual(["payload_invalid", "name"]);
    clock.flush();
    expect(socket().take()).toMatchObject([{ t: "enter", ch: "a", d: { name: "Ada" } }]);
    // What the application changes afterwards is not what it entered with.
    data.name = 1n;
    socket().drop();
    clock.advance(1_000);
    expect(socket().accept()).toMatchObject([{ t: "connect" }, { t: "enter", d: { name: "Ada" } }]);
  });

  test("after a reconnect only the difference is told: nobody leaves and joins", () => {
    const { connect, watch, log, clock, socket } = start();
    connect({ windowMs: 0 });
    watch();
    socket().send(members(["1", "2", "3"]));
    log.splice(0);
    socket().drop();
    clock.advance(1_000);
    socket().accept({ resumed: true });
    expect(log).toEqual([]);
    socket().send(members(["1", "3", "4"]));
    expect(log).toEqual(["+4 ~ -2 = 1,3,4"]);
  });

  test("a further snapshot of the same node takes the place of the first", () => {
    const { connect, watch, log, clock } = start();
    const socket = connect();
    watch();
    clock.flush();
    socket.send(members(["1", "2"]), members(["2", "3"]));
    expect(log.at(-1)).toBe("+3 ~ -1 = 2,3");
  });

  test("an identical snapshot tells nothing", () => {
    const { connect, watch, log, clock, socket } = start();
    connect({ windowMs: 0 });
    watch();
    socket().send(members(["1"]));
    log.splice(0);
    socket().drop();
    clock.advance(1_000);
    socket().accept();
    socket().send(members(["1"]));
    expect(log).toEqual([]);
  });

  test("a second watcher shares the watch; the last one to go ends it and forgets the members", () => {
    const { connect, watch, log, clock, engine } = start();
    const socket = connect();
    const first = watch();
    clock.flush();
    socket.take();
    socket.send(members(["1"]));
    const second = watch();
    clock.flush();
    expect(log).toEqual(["+1 ~ - = 1", "ready 1", "ready 1"]);
    first();
    clock.flush();
    expect(socket.take()).toEqual([]);
    second();
    clock.flush();
    expect(socket.take()).toMatchObject([{ t: "unwatch", ch: "a" }]);
    expect(engine.presence.members("a")).toEqual([]);
    socket.send(presence(["9"]));
    expect(engine.presence.members("a")).toEqual([]);
  });

  test("one that the node ended is not the one that the application began anew", () => {
    const { connect, watch, log, clock } = start();
    const socket = connect();
    const stop = watch();
    clock.flush();
    socket.send(members(["1"]), {
      t: "unsubscribed",
      ch: "a",
      code: 223,
      name: "subscription_ended",
      msg: "",
      of: "presence",
    });
    watch();
    clock.flush();
    socket.take();
    stop();
    clock.flush();
    expect(socket.take()).toEqual([]);
    log.splice(0);
    socket.send(members(["2"]));
    expect(log).toEqual(["+2 ~ - = 2", "ready 2"]);
  });

  test("a snapshot of the old connection that comes late does not take the place of the new one's", () => {
    const { connect, watch, log, clock, socket, subscribe } = start();
    const old = connect();
    subscribe("b");
    watch();
    clock.flush();
    old.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    socket().accept();
    socket().send(members(["2"]));
    old.send(members(["1"]));
    expect(log).toEqual(["+2 ~ - = 2", "ready 2"]);
  });

  test("a watch that the next node refuses forgets the members; what comes after that is new", () => {
    const { connect, watch, log, clock, socket, engine } = start();
    connect({ windowMs: 0 });
    const stop = watch();
    clock.flush();
    socket().send(members(["1"]));
    for (let round = 0; round < 2; round++) {
      socket().drop();
      clock.advance(6_000);
      const frame = socket()
        .accept({ windowMs: 0 })
        .find(({ t }) => t === "watch");
      if (round === 0) {
        const refusal = { t: "err", code: 209, name: "presence_disabled", msg: "" };
        socket().send({ ...refusal, id: frame?.id });
        expect(engine.presence.members("a")).toEqual([]);
      } else socket().send(members(["1"]), { t: "ok", id: frame?.id });
    }
    expect(log.slice(2)).toEqual(["error presence_disabled", "+1 ~ - = 1", "ready 1"]);
    stop();
  });

  test("a watch that was refused ends without a word to the node", () => {
    const { connect, watch, clock } = start();
    const socket = connect();
    const stop = watch();
    clock.flush();
    const refusal = { t: "err", code: 209, name: "presence_disabled", msg: "" };
    socket.send({ ...refusal, id: socket.takeOne("watch").id });
    stop();
    clock.flush();
    expect(socket.take()).toEqual([]);
  });

  test("a refusal for good ends the watch; one for the moment is asked again", () => {
    const { connect, watch, log, clock } = start();
    const socket = connect();
    watch();
    clock.flush();
    socket.send({
      t: "err",
      id: socket.takeOne("watch").id,
      code: 214,
      name: "broker_unavailable",
      msg: "",
      retryMs: 100,
    });
    clock.advance(1_000);
    socket.send({
      t: "err",
      id: socket.takeOne("watch").id,
      code: 209,
      name: "presence_disabled",
      msg: "",
    });
    expect(log).toEqual(["error presence_disabled"]);
  });

  test("a watch over the connection's limit is told, and asked again when the node says", () => {
    const { connect, watch, log, clock } = start();
    const socket = connect();
    socket.answersPings = true;
    const stop = watch();
    clock.flush();
    const refused = { t: "err", code: 221, name: "presence_limit", msg: "", retryMs: 15_000 };
    socket.send({ ...refused, id: socket.takeOne("watch").id });
    expect(log.splice(0)).toEqual(["error presence_limit"]);
    clock.advance(14_000);
    expect(socket.take()).toEqual([]);
    clock.advance(3_000);
    socket.send({ ...refused, id: socket.takeOne("watch").id });
    clock.advance(17_000);
    socket.takeOne("watch");
    socket.send(members(["1"]));
    expect(log.at(-1)).toBe("ready 1");
    stop();
    clock.flush();
    socket.takeOne("unwatch");
    clock.advance(60_000);
    expect(socket.take()).toEqual([]);
  });

  test("the difference compares data by value", () => {
    const map = (data: unknown) => new Map([["m", { id: "m", data }]]);
    const same = [
      [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
      [Uint8Array.of(1), Uint8Array.of(1)],
      [undefined, undefined],
      [null, null],
    ];
    const other = [
      [{ a: 1 }, { a: 1, b: 2 }],
      [[1], { 0: 1 }],
      [null, {}],
      [{}, null],
      [5, {}],
      [{}, 5],
      [1, "1"],
      [Uint8Array.of(1), Uint8Array.of(2)],
      [{ a: undefined }, { b: undefined }],
    ];
    for (const [before, after] of same)
      expect(membersBetween(map(before), map(after)).update).toHaveLength(0);
    for (const [before, after] of other)
      expect(membersBetween(map(before), map(after)).update).toHaveLength(1);
  });
});

describe("entering", () => {
  test("resolves when the node has it; data that changes meanwhile is merged into the newest", () => {
    const { connect, enter, results, engine, clock } = start();
    const socket = connect();
    enter("one");
    enter("two");
    enter("three");
    const first = socket.takeOne("enter");
    expect(first.d).toBe("one");
    socket.send({ t: "ok", id: first.id });
    expect(results).toEqual(["one ok"]);
    const second = socket.takeOne("update");
    expect(second.d).toBe("three");
    socket.send({ t: "ok", id: second.id });
    expect(results).toEqual(["one ok", "two ok", "three ok"]);
    engine.presence.leave("a", (error) => results.push(`left ${error?.code ?? "ok"}`));
    clock.flush();
    socket.send({ t: "ok", id: socket.takeOne("leave").id });
    expect(results.at(-1)).toBe("left ok");
  });

  test("is repeated with the newest data on every connection, until the session leaves", () => {
    const { connect, enter, clock, socket, engine } = start();
    const first = connect({ windowMs: 0 });
    enter("one");
    first.send({ t: "ok", id: first.takeOne("enter").id });
    first.drop();
    enter("two");
    clock.advance(1_000);
    expect(socket().accept()).toMatchObject([{ t: "connect" }, { t: "enter", d: "two" }]);
    socket().drop();
    engine.presence.leave("a", () => {});
    clock.advance(2_000);
    expect(socket().accept()).toHaveLength(1);
  });

  test("leaving before the answer to entering still leaves", () => {
    const { connect, enter, engine, clock, results } = start();
    const socket = connect();
    enter("one");
    engine.presence.leave("a", (error) => results.push(`left ${error?.code ?? "ok"}`));
    clock.flush();
    socket.send({ t: "ok", id: socket.takeOne("enter").id });
    socket.send({ t: "ok", id: socket.takeOne("leave").id });
    expect(results).toEqual(["one ok", "left ok"]);
  });

  test("a refusal for good rejects, and the next connection's node is asked again; one for the moment is repeated", () => {
    const { connect, enter, results, clock, socket, errors } = start();
    connect({ windowMs: 0 });
    enter("one");
    socket().send({
      t: "err",
      id: socket().takeOne("enter").id,
      code: 213,
      name: "rate_limited",
      msg: "",
      retryMs: 100,
    });
    clock.advance(6_000);
    const refused = { t: "err", code: 203, name: "permission_denied", msg: "" };
    socket().send({ ...refused, id: socket().takeOne("enter").id });
    expect(results).toEqual(["one permission_denied"]);
    clock.advance(6_000);
    expect(socket().take()).toEqual([]);
    for (let round = 0; round < 2; round++) {
      socket().drop();
      clock.advance(6_000);
      const frames = socket().accept();
      expect(frames).toMatchObject([{ t: "connect" }, { t: "enter", d: "one" }]);
      // Nobody waits for it any more, and it is no news.
      if (round === 0) socket().send({ ...refused, id: frames[1]?.id });
      else socket().send({ t: "ok", id: frames[1]?.id });
    }
    expect(errors.filter((error) => String(error).includes("permission"))).toEqual([]);
  });

  test("over a limit rejects, and is asked again when the node says, until nobody wants it", () => {
    const { connect, enter, results, clock, engine } = start();
    const socket = connect();
    const refused = { t: "err", code: 221, name: "presence_limit", msg: "", retryMs: 5_000 };
    enter("one");
    socket.send({ ...refused, id: socket.takeOne("enter").id });
    expect(results).toEqual(["one presence_limit"]);
    clock.advance(4_900);
    expect(socket.take()).toEqual([]);
    clock.advance(200);
    socket.send({ ...refused, id: socket.takeOne("enter").id });
    clock.advance(5_500);
    socket.send({ t: "ok", id: socket.takeOne("enter").id });
    // It is a member now.
    enter("two");
    socket.send({ ...refused, id: socket.takeOne("update").id });
    engine.presence.leave("a", () => {});
    clock.flush();
    socket.send({ t: "ok", id: socket.takeOne("leave").id });
    clock.advance(12_000);
    expect(socket.take()).toEqual([]);
  });

  test("goes to the newest connection alone while the session moves, and leaves with the client silently", () => {
    const { connect, enter, socket, engine, errors } = start();
    const old = connect();
    old.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    socket().open();
    socket().take();
    enter("one");
    expect([
      old.take(),
      socket()
        .take()
        .map(({ t }) => t),
    ]).toEqual([[], ["enter"]]);
    engine.close();
    expect(errors).toEqual([]);
  });

  test("what is wanted meanwhile is asked for although the first was refused for good", () => {
    const { connect, enter, results } = start();
    const socket = connect();
    enter("one");
    const { id } = socket.takeOne("enter");
    enter("two");
    socket.send({ t: "err", id, code: 204, name: "payload_invalid", msg: "" });
    socket.send({ t: "ok", id: socket.takeOne("enter").id });
    expect(results).toEqual(["one payload_invalid", "two ok"]);
  });

  test("what was refused for good meanwhile is not asked again when a limit may have gone", () => {
    const { connect, enter, results, clock } = start();
    const socket = connect();
    const refused = { t: "err", msg: "" };
    enter("one");
    const limit = { code: 221, name: "presence_limit", retryMs: 5_000 };
    socket.send({ ...refused, ...limit, id: socket.takeOne("enter").id });
    enter("two");
    const invalid = { code: 204, name: "payload_invalid" };
    socket.send({ ...refused, ...invalid, id: socket.takeOne("enter").id });
    clock.advance(12_000);
    expect([socket.take(), results]).toEqual([[], ["one presence_limit", "two payload_invalid"]]);
  });

  test("goes on where it was when the second connection of a move fails before it opened", () => {
    const { connect, enter, socket } = start();
    const old = connect();
    old.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    expect(socket()).not.toBe(old);
    socket().drop();
    enter("one");
    expect(old.takeOne("enter").d).toBe("one");
  });

  test("updating without having entered is refused", () => {
    const { engine } = start();
    const results: unknown[] = [];
    engine.presence.update("a", 1, (error) => results.push(error?.code));
    expect(results).toEqual(["not_entered"]);
  });

  test("an entry that a later connection refuses is reported, as no call waits for it", () => {
    const { connect, enter, clock, socket, errors } = start();
    connect({ windowMs: 0 });
    enter("one");
    socket().send({ t: "ok", id: socket().takeOne("enter").id });
    socket().drop();
    clock.advance(1_000);
    const frames = socket().accept();
    socket().send({ t: "err", id: frames[1]?.id, code: 203, name: "permission_denied", msg: "" });
    expect(errors.at(-1)).toMatchObject({ code: "permission_denied" });
  });
});
