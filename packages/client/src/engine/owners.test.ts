import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { type ScriptedSocket, scripted } from "../testing/scripted-node.ts";

const start = () => {
  const all = scripted(createManualClock());
  const socket = all.connect({ windowMs: 0 });
  all.clock.advance(6_000);
  const results: string[] = [];
  const { presence } = all.engine;
  const note = (name: string) => (error: { readonly code: string } | undefined) =>
    results.push(`${name} ${error?.code ?? "ok"}`);
  const owner = (name: string) => {
    const self = { name };
    return {
      enter: (data: unknown) => presence.enter("a", data, note(`${name} enters`), self),
      update: (data: unknown) => presence.update("a", data, note(`${name} updates`), self),
      leave: () => presence.leave("a", note(`${name} leaves`), self),
    };
  };
  /** Frames of presence since the last look, all answered with ok. */
  const told = (at: ScriptedSocket = all.socket()) => {
    all.clock.flush();
    const frames = at.take().filter(({ t }) => /enter|update|leave/.test(t));
    for (const { id } of frames) at.send({ t: "ok", id });
    return frames.map(({ t, d }) => (d === undefined ? t : `${t} ${d}`));
  };
  return { ...all, first: socket, owner, told, results };
};

describe("two owners of one entry", () => {
  test("the session leaves with the last of them; the newest data is shown", () => {
    const { owner, told, results } = start();
    const [one, two] = [owner("one"), owner("two")];
    one.enter(1);
    expect(told()).toEqual(["enter 1"]);
    two.enter(2);
    expect(told()).toEqual(["update 2"]);
    one.update(3);
    expect(told()).toEqual(["update 3"]);
    one.leave();
    expect(told()).toEqual(["update 2"]);
    two.leave();
    expect(told()).toEqual(["leave"]);
    expect(results).toEqual([
      "one enters ok",
      "two enters ok",
      "one updates ok",
      "one leaves ok",
      "two leaves ok",
    ]);
  });

  test("one that is not shown leaves without a word to the node", () => {
    const { owner, told, results } = start();
    const [one, two] = [owner("one"), owner("two")];
    one.enter(1);
    two.enter(2);
    expect(told()).toEqual(["enter 2"]);
    one.leave();
    expect(told()).toEqual([]);
    expect(results.at(-1)).toBe("one leaves ok");
  });

  test("one that has not entered ends nothing, and hears that another has", () => {
    const { owner, told, results } = start();
    const [one, two] = [owner("one"), owner("two")];
    two.leave();
    one.enter(1);
    told();
    two.leave();
    two.update(2);
    expect(told()).toEqual([]);
    one.leave();
    one.leave();
    expect(told()).toEqual(["leave"]);
    expect(results).toEqual([
      "two leaves ok",
      "one enters ok",
      "two leaves not_entered",
      "two updates not_entered",
      "one leaves ok",
      "one leaves ok",
    ]);
  });

  test("one that is not shown leaves at once, although there is no connection", () => {
    const { owner, told, first, results } = start();
    const [one, two] = [owner("one"), owner("two")];
    one.enter(1);
    two.enter(2);
    told();
    first.drop();
    one.leave();
    expect(results.at(-1)).toBe("one leaves ok");
  });

  test("both come back on the next connection, with the newest data", () => {
    const { owner, told, first, clock, socket } = start();
    const [one, two] = [owner("one"), owner("two")];
    one.enter(1);
    two.enter(2);
    told();
    first.drop();
    two.leave();
    clock.advance(0);
    socket().open();
    expect(told()).toEqual(["enter 1"]);
  });
});

describe("what changes within one turn", () => {
  test("is told once: leaving and entering again with the same data is nothing", () => {
    const { owner, told, results } = start();
    const [one, two] = [owner("one"), owner("two")];
    one.enter({ name: "Ada" });
    told();
    one.leave();
    two.enter({ name: "Ada" });
    expect(told()).toEqual([]);
    two.leave();
    two.enter({ name: "Grace" });
    two.leave();
    one.enter({ name: "Ada" });
    expect(told()).toEqual([]);
    expect(results.every((line) => line.endsWith("ok"))).toBe(true);
    expect(results).toHaveLength(7);
  });

  test("entering and leaving tells the node nothing", () => {
    const { owner, told, results } = start();
    const one = owner("one");
    one.enter(1);
    one.leave();
    expect(told()).toEqual([]);
    expect(results).toEqual(["one enters ok", "one leaves ok"]);
  });
});

test("leaving while the connection is being made ends the entry that went out with it", () => {
  const { clock, engine, socket } = scripted(createManualClock());
  const results: string[] = [];
  engine.presence.enter("a", 1, () => {});
  engine.start();
  socket().open();
  const enter = socket().takeOne("enter");
  engine.presence.leave("a", (error) => results.push(error?.code ?? "ok"));
  clock.flush();
  socket().send({
    t: "connected",
    id: 1,
    session: "s",
    node: "n",
    resumed: false,
    resume: "r",
    pingMs: 25_000,
    windowMs: 0,
    messageBytesMax: 65_536,
    time: 0,
  });
  socket().send({ t: "ok", id: enter.id });
  socket().send({ t: "ok", id: socket().takeOne("leave").id });
  expect(results).toEqual(["ok"]);
});

test("an update that is refused leaves the session as what it was, also on the next connection", () => {
  const { owner, told, first, clock, socket, results } = start();
  const one = owner("one");
  one.enter("good");
  told();
  one.update("bad");
  clock.flush();
  const { id } = first.takeOne("update");
  first.send({ t: "err", id, code: 204, name: "payload_invalid", msg: "" });
  expect(results.at(-1)).toBe("one updates payload_invalid");
  first.drop();
  clock.advance(0);
  socket().open();
  expect(told()).toEqual(["enter good"]);
});

test("a node that lost the entry gets it again with the next update", () => {
  const { owner, told, first, clock, results } = start();
  const one = owner("one");
  one.enter(1);
  told();
  one.update(2);
  clock.flush();
  first.send({
    t: "err",
    id: first.takeOne("update").id,
    code: 220,
    name: "not_entered",
    msg: "",
  });
  expect(told()).toEqual(["enter 2"]);
  expect(results).toEqual(["one enters ok", "one updates ok"]);
});

test("an entry that the node ended is told to the application if no call waits for it", () => {
  const { owner, told, first, errors, clock, socket } = start();
  owner("one").enter(1);
  told();
  first.send({
    t: "unsubscribed",
    ch: "a",
    code: 223,
    name: "subscription_ended",
    msg: "",
    of: "presence",
  });
  expect(errors).toMatchObject([{ code: "subscription_ended" }]);
  first.drop();
  clock.advance(0);
  expect(
    socket()
      .accept()
      .map(({ t }) => t),
  ).toEqual(["connect"]);
});

test("a refusal that nobody waits for is told again if it was taken back meanwhile, and an end by close() is not", () => {
  const { owner, told, errors, clock, socket, engine } = start();
  owner("one").enter(1);
  told();
  const refusal = { t: "err", code: 203, name: "permission_denied", msg: "" };
  for (const isRefused of [true, true, false, true, false]) {
    socket().drop();
    clock.advance(0);
    const enter = socket()
      .accept({ windowMs: 0 })
      .find(({ t }) => t === "enter");
    socket().send({ ...(isRefused ? refusal : { t: "ok" }), id: enter?.id });
    clock.advance(6_000);
  }
  const codes = errors.map((error) => (error as { readonly code: string }).code);
  expect(codes.filter((code) => code !== "connection_lost")).toEqual([
    "permission_denied",
    "permission_denied",
  ]);
  engine.close();
  expect(errors).toHaveLength(codes.length);
});

test("and to that call alone if one waits", () => {
  const { owner, first, errors, clock, results } = start();
  owner("one").enter(1);
  clock.flush();
  first.send({
    t: "unsubscribed",
    ch: "a",
    code: 223,
    name: "subscription_ended",
    msg: "",
    of: "presence",
  });
  expect([results, errors]).toEqual([["one enters subscription_ended"], []]);
});

describe("two watchers", () => {
  const watcher = (log: string[], name: string) => ({
    change: () => log.push(`${name} change`),
    ready: () => log.push(`${name} ready`),
    error: ({ code }: { readonly code: string }) => log.push(`${name} ${code}`),
  });

  test("share one watch, which ends with the last of them and is repeated while refused", () => {
    const { engine, first, clock } = start();
    const log: string[] = [];
    const stops = ["one", "two"].map((name) => engine.presence.watch("a", watcher(log, name)));
    clock.flush();
    const { id } = first.takeOne("watch");
    first.send({ t: "members", ch: "a", list: [{ m: "s2" }], more: false }, { t: "ok", id });
    expect(log).toEqual(["one change", "two change", "one ready", "two ready"]);
    stops[0]?.();
    stops[0]?.();
    clock.flush();
    expect(first.take()).toEqual([]);
    stops[1]?.();
    clock.flush();
    for (let round = 0; round < 2; round++) {
      const { id } = first.takeOne("unwatch");
      first.send({ t: "err", id, code: 213, name: "rate_limited", msg: "", retryMs: 100 });
      clock.advance(2_000);
    }
    first.send({ t: "ok", id: first.takeOne("unwatch").id });
    clock.advance(10_000);
    expect(first.take()).toEqual([]);
  });

  test("that were refused for good are watched again on the next connection", () => {
    const { engine, first, clock, socket } = start();
    const log: string[] = [];
    engine.presence.watch("a", watcher(log, "one"));
    clock.flush();
    const { id } = first.takeOne("watch");
    first.send({ t: "err", id, code: 209, name: "presence_disabled", msg: "" });
    engine.presence.watch("a", watcher(log, "two"));
    clock.flush();
    first.send({
      t: "err",
      id: first.takeOne("watch").id,
      code: 209,
      name: "presence_disabled",
      msg: "",
    });
    expect(log.splice(0)).toEqual(["one presence_disabled", "two presence_disabled"]);
    first.drop();
    clock.advance(0);
    const again = socket().accept()[1];
    socket().send(
      { t: "members", ch: "a", list: [{ m: "s2" }], more: false },
      { t: "ok", id: again?.id },
    );
    expect(log).toEqual(["one change", "two change", "one ready", "two ready"]);
  });
});
