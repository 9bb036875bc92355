import { describe, expect, test } from "bun:test";
import { scripted } from "../testing/scripted-node.ts";
import { createSleepingClock } from "../testing/sleeping-clock.ts";

const start = () => {
  const clock = createSleepingClock();
  const all = scripted(clock);
  const first = all.connect({ windowMs: 20_000 });
  clock.advance(10_000);
  return { ...all, clock, first };
};

describe("a page that stops running", () => {
  test("ends its connection without a goodbye and opens none until it runs again", () => {
    const { engine, clock, first, sockets, states, errors } = start();
    first.take();
    engine.hint("paused");
    clock.flush();
    expect(first.take()).toEqual([]);
    expect(first.closed).toMatchObject({ code: 1000 });
    expect(states.at(-1)).toBe("reconnecting paused");
    clock.advance(600_000);
    engine.hint("paused");
    clock.advance(600_000);
    expect([sockets.length, errors]).toEqual([1, []]);
  });

  test.each([0, 5_000, 600_000])(
    "comes back at once after %d ms, with its session, outside of the node's window",
    (awayMs) => {
      const { engine, clock, sockets, socket, states } = start();
      engine.hint("paused");
      clock.sleep(awayMs);
      engine.hint("back");
      clock.advance(0);
      expect(sockets).toHaveLength(2);
      expect(socket().accept({ resumed: true })).toMatchObject([{ t: "connect", resume: "r1" }]);
      expect(states.slice(-2)).toEqual(["reconnecting paused", "connected resumed"]);
    },
  );

  test("has suspendAfterMs from when it runs again", () => {
    const { engine, clock, states } = start();
    engine.hint("paused");
    clock.advance(20_000);
    clock.sleep(600_000);
    engine.hint("back");
    clock.advance(29_999);
    expect(states.at(-1)).toBe("reconnecting paused");
    clock.advance(1);
    expect(states.at(-1)).toBe("suspended suspended");
  });

  test("in the middle of a move ends both connections", () => {
    const { engine, clock, first, sockets, socket, states } = start();
    first.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
    const second = socket();
    second.open();
    engine.hint("paused");
    clock.advance(600_000);
    expect([first.closed !== undefined, second.closed !== undefined, sockets.length]).toEqual([
      true,
      true,
      2,
    ]);
    expect(states.at(-1)).toBe("suspended suspended");
    engine.hint("back");
    clock.advance(0);
    socket().accept({ resumed: true });
    expect(states.at(-1)).toBe("connected resumed");
  });

  test("before it had a connection begins again at once", () => {
    const clock = createSleepingClock();
    const { engine, sockets, socket, states, errors } = scripted(clock);
    engine.start();
    engine.hint("paused");
    clock.advance(600_000);
    expect(sockets).toHaveLength(1);
    engine.hint("back");
    clock.advance(1_000);
    socket().accept();
    expect([sockets.length, states.at(-1), errors]).toEqual([2, "connected connected", []]);
  });
});

test("a tab that is seen again, or a device that wakes, waits for no window and no backoff", () => {
  const { engine, clock, first, sockets, random } = start();
  random.value = 0.99;
  first.drop();
  clock.advance(1_000);
  expect(sockets).toHaveLength(1);
  engine.hint("back");
  clock.advance(0);
  expect(sockets).toHaveLength(2);
});

test("but for the time that the node named", () => {
  const { engine, clock, first, sockets } = start();
  first.send({ t: "goodbye", code: 101, name: "try_later", msg: "", retryMs: 5_000 });
  engine.hint("back");
  clock.advance(4_999);
  expect(sockets).toHaveLength(1);
  clock.advance(1);
  expect(sockets).toHaveLength(2);
});

describe("timers that fire late, on a page that slept or is hidden", () => {
  test("silence is no loss: the node is asked first, and its answer keeps the connection", () => {
    const { clock, first, states } = start();
    clock.advance(15_000);
    expect(first.pings).toBe(1);
    clock.sleep(120_000);
    clock.advance(7_500);
    expect(first.pings).toBe(2);
    const asked = first.messages.flat().findLast(({ t }) => t === "ping");
    first.send({ t: "pong", id: asked?.id, time: 0, windowMs: 0 });
    clock.advance(10_000);
    expect(first.closed).toBeUndefined();
    expect(states).toEqual(["connected connected"]);
  });

  test("silence after that is", () => {
    const { clock, first } = start();
    clock.advance(15_000);
    clock.sleep(120_000);
    clock.advance(7_500 + 4_999);
    expect(first.closed).toBeUndefined();
    clock.sleep(60_000);
    clock.advance(1);
    expect(first.closed).toMatchObject({ code: 4004 });
  });

  test("a request that was not answered in time is no loss either: its answer may wait here", () => {
    const { clock, first, subscribe, states } = start();
    const { log } = subscribe("a");
    clock.sleep(120_000);
    clock.advance(5_000);
    expect(first.closed).toBeUndefined();
    first.subscribed("a", {});
    const asked = first.messages.flat().findLast(({ t }) => t === "ping");
    first.send({ t: "pong", id: asked?.id, time: 0, windowMs: 0 });
    clock.advance(10_000);
    expect(log.lines).toEqual(["ready e:0"]);
    expect(states).toEqual(["connected connected"]);
  });

  test("it is given the time of a sign of life for that", () => {
    const { clock, first, subscribe, states } = start();
    subscribe("a");
    clock.advance(14_000);
    clock.sleep(120_000);
    clock.advance(1_000);
    const asked = first.messages.flat().findLast(({ t }) => t === "ping");
    clock.advance(4_900);
    first.send({ t: "pong", id: asked?.id, time: 0, windowMs: 0 });
    first.subscribed("a", {});
    clock.advance(10_000);
    expect([first.closed, states]).toEqual([undefined, ["connected connected"]]);
  });

  test("one that is not answered then either ends the connection, however late the timer", () => {
    const { clock, first, subscribe } = start();
    subscribe("a");
    clock.sleep(120_000);
    clock.advance(5_000);
    const asked = first.messages.flat().findLast(({ t }) => t === "ping");
    first.send({ t: "pong", id: asked?.id, time: 0, windowMs: 0 });
    clock.sleep(60_000);
    clock.advance(7_000);
    expect(first.closed).toMatchObject({ code: 4011 });
  });
});

test("a tab that is seen again knows of no network: who is suspended stays that until it connects", () => {
  const { engine, clock, states, sockets } = scripted(createSleepingClock());
  engine.start();
  clock.advance(31_000);
  expect(states.at(-1)).toStartWith("suspended");
  const before = sockets.length;
  engine.hint("back");
  clock.advance(1_000);
  expect(states.at(-1)).toStartWith("suspended");
  engine.hint("online");
  expect(states.at(-1)).toBe("connecting online");
  expect(sockets.length).toBeGreaterThanOrEqual(before);
});
