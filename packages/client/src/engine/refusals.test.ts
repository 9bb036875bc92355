import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { pub, type ScriptedSocket, scripted } from "../testing/scripted-node.ts";

const start = () => {
  const all = scripted(createManualClock());
  const first = all.connect({ windowMs: 0 });
  // Long enough that losing it is no failed attempt.
  all.clock.advance(6_000);
  return { ...all, first };
};
/** Refuses the one request of this type that came since the last look. */
const refuse = (
  socket: ScriptedSocket,
  type: string,
  [code, name]: readonly [number, string],
  more = {},
) => socket.send({ t: "err", id: socket.takeOne(type).id, code, name, msg: "", ...more });
const NO_PERMISSION = [203, "permission_denied"] as const;
const OVER_RATE = [213, "rate_limited"] as const;

describe("a subscription that a node refused for good", () => {
  test("is told once, and asked for again on the next connection, whose node may know better", () => {
    const { first, subscribe, socket, clock } = start();
    const { log, stop } = subscribe("a");
    first.answersPings = true;
    refuse(first, "subscribe", NO_PERMISSION);
    expect(log.take()).toEqual(["error permission_denied"]);
    clock.advance(60_000);
    expect(first.take()).toEqual([]);
    first.drop();
    clock.advance(0);
    expect(socket().accept()).toMatchObject([{ t: "connect" }, { t: "subscribe", ch: "a" }]);
    socket().subscribed("a", {});
    socket().send(pub("a", 1));
    expect(log.take()).toEqual(["ready e:0", "1"]);
    stop();
    clock.flush();
    socket().takeOne("unsubscribe");
  });

  test("and refused again is not told again, unless the reason is another", () => {
    const { first, subscribe, socket, clock } = start();
    const { log } = subscribe("a");
    refuse(first, "subscribe", NO_PERMISSION);
    first.drop();
    clock.advance(0);
    const again = socket().accept()[1];
    socket().send({ t: "err", id: again?.id, code: 203, name: "permission_denied", msg: "" });
    expect(log.take()).toEqual(["error permission_denied"]);
    socket().drop();
    clock.advance(2_000);
    const third = socket().accept()[1];
    socket().send({ t: "err", id: third?.id, code: 201, name: "channel_unknown", msg: "" });
    expect(log.take()).toEqual(["error channel_unknown"]);
  });

  test("that unsubscribes is asked for no more, and nothing is ended on the node", () => {
    const { first, subscribe, socket, clock } = start();
    const { stop } = subscribe("a");
    refuse(first, "subscribe", NO_PERMISSION);
    stop();
    clock.flush();
    expect(first.take()).toEqual([]);
    first.drop();
    clock.advance(0);
    expect(socket().accept()).toHaveLength(1);
  });

  test("is asked for at once by a further listener, which alone hears of the second refusal", () => {
    const { first, subscribe } = start();
    const one = subscribe("a");
    refuse(first, "subscribe", NO_PERMISSION);
    one.log.take();
    const two = subscribe("a", { last: 3 });
    expect(first.take()).toMatchObject([{ t: "subscribe", ch: "a", last: 3 }]);
    first.send({
      t: "err",
      id: first.messages.at(-1)?.[0]?.id,
      code: 203,
      name: "permission_denied",
      msg: "",
    });
    expect([one.log.take(), two.log.take()]).toEqual([[], ["error permission_denied"]]);
  });

  test("is asked for once by a further listener of a connection whose answer is due", () => {
    const { first, subscribe, socket, clock } = start();
    subscribe("a");
    refuse(first, "subscribe", NO_PERMISSION);
    first.drop();
    clock.advance(0);
    socket().accept();
    const { log } = subscribe("a");
    expect(socket().take()).toEqual([]);
    socket().subscribed("a", {});
    expect(log.take()).toEqual(["ready e:0"]);
  });

  test("in a release moves with the session to a node that knows the channel, and holds no move up", () => {
    const { first, subscribe, socket, engine } = start();
    const known = subscribe("known");
    first.subscribed("known", {});
    first.take();
    const { log } = subscribe("new");
    refuse(first, "subscribe", [201, "channel_unknown"]);
    log.take();
    first.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    const second = socket();
    expect(second.accept({ resumed: true, node: "n2" })).toMatchObject([
      { t: "connect", moving: true },
      { t: "subscribe", ch: "known" },
      { t: "subscribe", ch: "new" },
    ]);
    second.subscribed("known", { recovered: true });
    second.subscribed("new", {});
    expect(engine.node).toBe("n2");
    expect([known.log.take().at(-1), log.take()]).toEqual(["ready e:0", ["ready e:0"]]);
  });

  test("by the node that it moves to is told, and the move goes on", () => {
    const { first, subscribe, socket, engine } = start();
    const { log } = subscribe("a");
    first.subscribed("a", {});
    log.take();
    first.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    const asked = socket().accept({ resumed: true, node: "n2" })[1];
    socket().send({ t: "err", id: asked?.id, code: 203, name: "permission_denied", msg: "" });
    expect(log.take()).toEqual(["error permission_denied"]);
    expect(engine.node).toBe("n2");
    // No connection goes on with it.
    expect(first.take()).toMatchObject([{ t: "subscribe" }, { t: "unsubscribe", ch: "a" }]);
  });

  test("over the connection's limit is asked for again when the node says: other subscriptions end meanwhile", () => {
    const { first, subscribe, clock } = start();
    const { log } = subscribe("a");
    refuse(first, "subscribe", [206, "subscription_limit"], { retryMs: 15_000 });
    clock.advance(14_000);
    expect(first.take()).toEqual([]);
    clock.advance(3_000);
    first.takeOne("subscribe");
    first.subscribed("a", {});
    expect(log.take()).toEqual(["error subscription_limit", "ready e:0"]);
  });
});

test("after a refusal for the moment the node's word that it has the subscription is told again", () => {
  const { first, subscribe, socket, clock } = start();
  const { log } = subscribe("a");
  first.subscribed("a", {});
  first.drop();
  clock.advance(0);
  const asked = socket().accept()[1];
  log.take();
  socket().send({ t: "err", id: asked?.id, code: 214, name: "broker_unavailable", msg: "" });
  clock.advance(1_000);
  socket().subscribed("a", { recovered: true });
  expect(log.take()).toEqual(["error broker_unavailable", "ready e:0", "recovered"]);
});

describe("ending a subscription", () => {
  test("is repeated while the node refuses it for the moment", () => {
    const { first, subscribe, clock } = start();
    const { stop } = subscribe("a");
    first.subscribed("a", {});
    first.take();
    stop();
    clock.flush();
    for (let tries = 0; tries < 3; tries++) {
      refuse(first, "unsubscribe", OVER_RATE, { retryMs: 100 });
      clock.advance(99);
      expect(first.take()).toEqual([]);
      clock.advance(2_000);
    }
    first.send({ t: "ok", id: first.takeOne("unsubscribe").id });
    clock.advance(60_000);
    expect(first.take()).toEqual([]);
  });

  test("is not repeated when the node does not know it, nor on another connection", () => {
    const { first, subscribe, clock, socket } = start();
    const one = subscribe("a");
    const two = subscribe("b");
    first.subscribed("a", {});
    first.subscribed("b", {});
    first.take();
    one.stop();
    clock.flush();
    refuse(first, "unsubscribe", [208, "not_subscribed"]);
    two.stop();
    clock.flush();
    refuse(first, "unsubscribe", OVER_RATE);
    first.drop();
    clock.advance(0);
    const frames = socket().accept();
    clock.advance(5_000);
    expect([...frames, ...socket().take()].map(({ t }) => t)).toEqual(["connect", "report"]);
  });

  test("that was refused does not cost the channel that is subscribed again: already_subscribed is mended", () => {
    const { first, subscribe, clock } = start();
    const { stop } = subscribe("a");
    first.subscribed("a", {});
    first.take();
    stop();
    const { log } = subscribe("a");
    const [unsubscribe, again] = first.take();
    first.send(
      { t: "err", id: unsubscribe?.id, code: 213, name: "rate_limited", msg: "", retryMs: 10 },
      { t: "err", id: again?.id, code: 207, name: "already_subscribed", msg: "" },
    );
    expect(log.take()).toEqual([]);
    clock.advance(500);
    const frames = first.take();
    expect(frames).toMatchObject([
      { t: "unsubscribe", ch: "a" },
      { t: "subscribe", ch: "a" },
    ]);
    // What the node still sends for the one that it did not end is not for the new one.
    first.send(pub("a", 1));
    first.send({ t: "ok", id: frames[0]?.id });
    first.subscribed("a", { pos: { epoch: "e", offset: 1 }, head: 1 });
    first.send(pub("a", 2));
    expect(log.take()).toEqual(["ready e:1", "2"]);
  });

  test("of 500 channels that leave the view, all refused, costs none of them when they come back", () => {
    const { first, subscribe, clock, engine } = start();
    const channels = Array.from({ length: 500 }, (_, index) => `row:${index}`);
    const live = new Set<string>();
    /** A node that refuses what ends something for its rate once, as old ones do. */
    const refused = new Set<string>();
    const answer = () => {
      for (const frame of first.take()) {
        const { id, ch, t } = frame as { id: number; ch: string; t: string };
        if (t === "unsubscribe" && !refused.has(ch)) {
          refused.add(ch);
          first.send({ t: "err", id, code: 213, name: "rate_limited", msg: "", retryMs: 100 });
        } else if (t === "unsubscribe") {
          live.delete(ch);
          first.send({ t: "ok", id });
        } else if (live.has(ch))
          first.send({ t: "err", id, code: 207, name: "already_subscribed", msg: "" });
        else {
          live.add(ch);
          first.subscribed(ch, {});
        }
      }
    };
    const before = channels.map((channel) => subscribe(channel));
    answer();
    for (const { stop } of before) stop();
    const after = channels.map((channel) => subscribe(channel));
    for (let turn = 0; turn < 100; turn++) {
      answer();
      clock.advance(100);
    }
    expect(live.size).toBe(500);
    expect(after.filter(({ log }) => log.lines.join() === "ready e:0")).toHaveLength(500);
    expect(channels.every((channel) => engine.subscriptions.has(channel))).toBe(true);
  });
});

describe("a request that is refused for the moment again and again", () => {
  type All = ReturnType<typeof start>;
  const listener = { change() {}, ready() {}, error() {} };
  const stopped = (all: All, type: string, stop: () => void) => {
    const { id, ch } = all.first.takeOne(type);
    if (type === "subscribe") all.first.subscribed(String(ch), {});
    else all.first.send({ t: "ok", id });
    stop();
  };
  test.each<[string, (all: All) => void]>([
    ["subscribe", ({ subscribe }) => subscribe("a")],
    ["unsubscribe", (all) => stopped(all, "subscribe", all.subscribe("a").stop)],
    ["watch", ({ engine }) => engine.presence.watch("a", listener)],
    [
      "unwatch",
      (all) => {
        const stop = all.engine.presence.watch("a", listener);
        all.clock.flush();
        stopped(all, "watch", stop);
      },
    ],
    ["enter", ({ engine }) => engine.presence.enter("a", 1, () => {})],
    [
      "publish",
      ({ engine }) =>
        engine.publisher.publish("a", 1, { timeoutMs: 60_000, ordered: true }, () => {}),
    ],
  ])("is repeated after longer and longer times: %s", (type, ask) => {
    const all = start();
    all.random.value = 0.999;
    ask(all);
    const atMs: number[] = [];
    for (let ms = 0; ms <= 6_000; ms += 10) {
      all.clock.advance(10);
      const frames = all.first.take().filter(({ t }) => t === type);
      for (const { id } of frames) {
        atMs.push(ms);
        all.first.send({ t: "err", id, code: 214, name: "broker_unavailable", msg: "" });
      }
    }
    // Twice as long each time, up to 2 s, in steps of 10 ms.
    const delays = atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 2_000]);
  });

  test("is not repeated when the application wants it no more", () => {
    const { first, subscribe, engine, clock } = start();
    const { stop } = subscribe("a");
    const unwatch = engine.presence.watch("a", listener);
    clock.flush();
    for (const { id } of first.take())
      first.send({ t: "err", id, code: 214, name: "broker_unavailable", msg: "" });
    stop();
    unwatch();
    clock.flush();
    for (const { id } of first.take()) first.send({ t: "ok", id });
    clock.advance(10_000);
    expect(first.take()).toEqual([]);
  });

  test("is not repeated when what it ends was asked for again", () => {
    const { first, subscribe, engine, clock } = start();
    const { stop } = subscribe("a");
    const unwatch = engine.presence.watch("a", listener);
    clock.flush();
    first.subscribed("a", {});
    first.take();
    stop();
    unwatch();
    clock.flush();
    for (const { id } of first.take())
      first.send({ t: "err", id, code: 213, name: "rate_limited", msg: "", retryMs: 100 });
    subscribe("a");
    engine.presence.watch("a", listener);
    clock.flush();
    const again = first.take();
    expect(again.map(({ t }) => t)).toEqual(["subscribe", "watch"]);
    first.subscribed("a", {});
    first.send({ t: "ok", id: again[1]?.id });
    clock.advance(10_000);
    expect(first.take()).toEqual([]);
  });
});
