import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { type ScriptedSocket, scripted, type Wire } from "../testing/scripted-node.ts";
import { HoldfastError } from "./errors.ts";

function start(options = {}, chance?: number) {
  const all = scripted(createManualClock(), options, chance);
  const results: string[] = [];
  const publish = (
    data: unknown,
    more: {
      timeoutMs?: number;
      ordered?: boolean;
      key?: string;
      idempotencyKey?: string;
      channel?: string;
    } = {},
  ) => {
    const { channel = "a", ...rest } = more;
    const stop = all.engine.publisher.publish(
      channel,
      data,
      { timeoutMs: 60_000, ordered: true, ...rest },
      (result) =>
        results.push(
          `${String(data)} ${result instanceof HoldfastError ? result.code : `${result.position.offset}${result.duplicate ? " again" : ""}`}`,
        ),
    );
    all.clock.flush();
    return stop;
  };
  return { ...all, publish, results };
}
const data = (frames: readonly Wire[]) =>
  frames.filter(({ t }) => t === "publish").map(({ d }) => d);
const acknowledge = (socket: ScriptedSocket, frame: Wire | undefined, o: number, more = {}) =>
  socket.send({ t: "published", id: frame?.id, e: "e", o, ...more });
const refuse = (
  socket: ScriptedSocket,
  frame: Wire | undefined,
  code: number,
  name: string,
  retryMs?: number,
) =>
  socket.send({
    t: "err",
    id: frame?.id,
    code,
    name,
    msg: "",
    ...(retryMs === undefined ? {} : { retryMs }),
  });

test("resolves when the node acknowledges, not before; every publish has its own idempotency key", () => {
  const { connect, publish, results } = start();
  const socket = connect();
  publish("x", { key: "k" });
  publish("y", { channel: "b", idempotencyKey: "mine" });
  const [x, y] = socket.take();
  expect(x).toMatchObject({
    t: "publish",
    ch: "a",
    d: "x",
    k: "k",
    idem: expect.stringMatching(/^[a-z0-9]{4,}-1$/),
  });
  expect(y).toMatchObject({ ch: "b", idem: "mine" });
  expect(results).toEqual([]);
  acknowledge(socket, x, 7);
  acknowledge(socket, y, 9, { dup: true });
  expect(results).toEqual(["x 7", "y 9 again"]);
});

test("data is what it was at the call, whatever happens to the object afterwards", () => {
  const { connect, publish, engine, clock, socket } = start();
  const note = { text: "before" };
  publish(note);
  note.text = "after";
  connect();
  void engine;
  void clock;
  expect(data(socket().messages.flat())).toEqual([{ text: "before" }]);
});

test("publishes of one channel go out together, and the next ones when all are answered", () => {
  const { connect, publish } = start();
  const socket = connect();
  publish(1);
  publish(2);
  publish(3);
  publish("other", { channel: "b" });
  const frames = socket.take();
  expect(data(frames)).toEqual([1, "other"]);
  acknowledge(socket, frames[0], 1);
  const next = socket.take();
  expect(data(next)).toEqual([2, 3]);
});

test("at most 64 of one channel go out together, whatever was acknowledged before", () => {
  const { connect, publish } = start();
  const socket = connect();
  publish("first");
  for (let index = 0; index < 70; index++) publish(index);
  acknowledge(socket, socket.take()[0], 1);
  expect(data(socket.take())).toHaveLength(64);
});

test("those that do not fit into one message go out message by message, as they are answered", () => {
  const { connect, publish } = start();
  const socket = connect({ messageBytesMax: 1_000 });
  publish("first");
  const long = "x".repeat(300);
  for (let index = 0; index < 5; index++) publish(`${index}${long}`);
  acknowledge(socket, socket.take()[0], 1);
  const frames = socket.take();
  expect(frames).toHaveLength(2);
  for (const [index, frame] of frames.entries()) acknowledge(socket, frame, index);
  expect(socket.take()).toHaveLength(2);
});

test("at most 256 wait for an answer, in however many channels", () => {
  const { connect, publish } = start({ queue: { countMax: 1_000, bytesMax: 1_000_000 } });
  const socket = connect();
  for (let index = 0; index < 300; index++) publish(index, { channel: `${index}` });
  const frames = socket.take();
  expect(frames).toHaveLength(256);
  acknowledge(socket, frames[0], 1);
  expect(data(socket.take())).toEqual([256]);
});

test("two clients never use the same idempotency key", () => {
  const keys = [0.3, 0.4].map((value) => {
    const { connect, publish } = start({}, value);
    const socket = connect();
    publish("x");
    return socket.takeOne("publish").idem;
  });
  expect(keys[0]).not.toBe(keys[1]);
});

test("without order none waits for another", () => {
  const { connect, publish } = start();
  const socket = connect();
  for (const value of [1, 2, 3]) publish(value, { ordered: false });
  expect(data(socket.take())).toEqual([1, 2, 3]);
});

describe("without a connection", () => {
  test("publishes wait and go out in order when there is one", () => {
    const { connect, publish, socket } = start();
    publish(1);
    publish(2);
    connect();
    expect(data(socket().messages.flat())).toEqual([1, 2]);
  });

  test("beyond the number or the bytes of the queue they are refused with queue_full, and what waits stays", () => {
    const { publish, results, connect, socket } = start({
      queue: { countMax: 3, bytesMax: 1_000 },
    });
    for (const value of [1, 2, 3, 4]) publish(value);
    expect(results).toEqual(["4 queue_full"]);
    connect();
    acknowledge(
      socket(),
      socket()
        .messages.flat()
        .find(({ d }) => d === 1),
      1,
    );
    publish("x".repeat(900));
    expect(results.at(-1)).toEndWith("queue_full");
  });

  test("what was answered takes no room any more, and is not given up a second time", () => {
    const { connect, publish, results } = start({ queue: { countMax: 3, bytesMax: 1_000 } });
    const socket = connect();
    for (let offset = 1; offset <= 20; offset++) {
      const stop = publish("x".repeat(800));
      acknowledge(socket, socket.take()[0], offset);
      stop(new HoldfastError("aborted", ""));
    }
    expect(results).toHaveLength(20);
    expect(results.every((line) => /^x+ \d+$/.test(line))).toBe(true);
  });

  test("each has its own timeout, and the ones behind it go on", () => {
    const { publish, results, clock, connect, socket } = start();
    publish("short", { timeoutMs: 1_000 });
    publish("long", { timeoutMs: 5_000 });
    clock.advance(1_000);
    expect(results).toEqual(["short timeout"]);
    connect();
    expect(data(socket().messages.flat())).toEqual(["long"]);
  });
});

describe("a lost connection", () => {
  test("what is not acknowledged is sent again with the same key, in order, before newer ones", () => {
    const { connect, publish, socket, clock, results } = start();
    const first = connect({ windowMs: 0, pingMs: 600_000 });
    clock.advance(100_000);
    publish(1);
    publish(2);
    const before = first.take();
    acknowledge(first, before[0], 1);
    const second = first.take();
    publish(3);
    first.drop();
    publish(4);
    clock.advance(1_000);
    socket().accept({ resumed: true });
    const again = socket()
      .take()
      .filter(({ t }) => t === "publish");
    expect(data(again)).toEqual([2, 3, 4]);
    expect(again[0]?.idem).toBe(second[0]?.idem);
    acknowledge(socket(), again[0], 2, { dup: true });
    expect(results).toEqual(["1 1", "2 2 again"]);
  });

  test("what was sent more than a minute ago is not sent again: the broker may have forgotten its key", () => {
    const { connect, publish, socket, clock, results } = start();
    connect({ windowMs: 0 });
    publish("sent", { timeoutMs: 600_000 });
    socket().drop();
    publish("waiting", { timeoutMs: 600_000 });
    for (let minute = 0; minute < 2; minute++) clock.advance(35_000);
    while (socket().closed) clock.advance(1_000);
    socket().accept();
    expect(results).toEqual(["sent connection_lost"]);
    expect(data(socket().take())).toEqual(["waiting"]);
  });
});

describe("refusals", () => {
  test.each([
    [204, "payload_invalid"],
    [203, "permission_denied"],
    [211, "key_required"],
    [212, "rejected"],
  ])("%d %s rejects, and the next one goes on", (code, name) => {
    const { connect, publish, results } = start();
    const socket = connect();
    publish(1);
    publish(2);
    refuse(socket, socket.take()[0], code, name);
    expect(results).toEqual([`1 ${name}`]);
    expect(data(socket.take())).toEqual([2]);
  });

  test.each([
    [214, "broker_unavailable"],
    [222, "request_failed"],
  ])("%d %s is repeated after the hint and keeps its place; other channels go on", (code, name) => {
    const { connect, publish, results, clock } = start();
    const socket = connect();
    publish(1);
    refuse(socket, socket.take()[0], code, name, 400);
    publish(2);
    publish("b", { channel: "b" });
    expect(data(socket.take())).toEqual(["b"]);
    clock.advance(399);
    expect(data(socket.take())).toEqual([]);
    clock.advance(200);
    expect(data(socket.take())).toEqual([1, 2]);
    expect(results).toEqual([]);
  });

  test("over the rate everything rests for the hint, then goes on one by one, and keeps its place", () => {
    const { connect, publish, clock } = start();
    for (const value of [1, 2, 3]) publish(value);
    const socket = connect();
    const frames = socket.messages.flat().filter(({ t }) => t === "publish");
    refuse(socket, frames[0], 213, "rate_limited", 100);
    acknowledge(socket, frames[1], 1);
    refuse(socket, frames[2], 213, "rate_limited", 100);
    publish(4);
    publish("b", { channel: "b" });
    expect(data(socket.take())).toEqual([]);
    clock.advance(99);
    expect(data(socket.take())).toEqual([]);
    clock.advance(101);
    const [first, other] = socket.take();
    expect([first?.d, other?.d]).toEqual([1, "b"]);
    acknowledge(socket, first, 2);
    expect(data(socket.take())).toEqual([3, 4]);
  });

  test("at the rate the channels take turns: the one that got through goes behind the others", () => {
    const { connect, publish, clock } = start();
    for (const value of [1, 2, 3]) publish(value);
    publish("b", { channel: "b" });
    const socket = connect();
    const before = socket.messages.flat().filter(({ t }) => t === "publish");
    for (const frame of before) refuse(socket, frame, 213, "rate_limited", 100);
    clock.advance(200);
    const [first, other] = socket.take();
    expect([first?.d, other?.d]).toEqual([1, "b"]);
    acknowledge(socket, first, 1);
    refuse(socket, other, 213, "rate_limited", 100);
    const late = socket.take().filter(({ t }) => t === "publish");
    for (const frame of late) refuse(socket, frame, 213, "rate_limited", 100);
    clock.advance(200);
    expect(data(socket.take())).toEqual(["b", 2]);
  });

  test("one that the node refused for its rate was never taken, and may be sent however late", () => {
    const { connect, publish, results, clock } = start();
    const socket = connect({ windowMs: 0, pingMs: 600_000 });
    publish("x", { timeoutMs: 600_000 });
    refuse(socket, socket.take()[0], 213, "rate_limited", 61_000);
    clock.advance(122_000);
    expect(results).toEqual([]);
    expect(data(socket.take())).toEqual(["x"]);
  });

  test("one that may have been taken before is not, although the node then refused it for its rate", () => {
    const { connect, publish, results, clock, socket } = start();
    connect({ windowMs: 0, pingMs: 600_000 });
    publish("x", { timeoutMs: 600_000 });
    socket().drop();
    clock.advance(1_000);
    socket().accept({ windowMs: 0, pingMs: 600_000 });
    const again = socket()
      .messages.flat()
      .findLast(({ t }) => t === "publish");
    expect(again?.d).toBe("x");
    refuse(socket(), again, 213, "rate_limited", 61_000);
    clock.advance(122_000);
    expect(results).toEqual(["x connection_lost"]);
  });

  test("repeats end at the timeout", () => {
    const { connect, publish, results, clock } = start();
    const socket = connect({ pingMs: 600_000 });
    publish(1, { timeoutMs: 30_000 });
    for (let second = 0; second < 40; second++) {
      for (const frame of socket.take())
        if (frame.t === "publish") refuse(socket, frame, 214, "broker_unavailable");
      clock.advance(1_000);
    }
    expect(results).toEqual(["1 timeout"]);
    expect(clock.waiting()).toBeLessThan(5);
  });

  test("data that cannot be encoded, and data larger than a message, are refused without harm to the connection", () => {
    const { connect, publish, results, states } = start({
      queue: { countMax: 10, bytesMax: 1_000_000 },
    });
    connect({ messageBytesMax: 1_000 });
    publish(10n);
    publish("é".repeat(600));
    expect(results.map((line) => line.split(" ").at(-1))).toEqual([
      "payload_invalid",
      "payload_too_large",
    ]);
    expect(states).toEqual(["connected connected"]);
  });

  test("data that no client could read is refused with the field's path", () => {
    const { engine } = start();
    const errors: unknown[] = [];
    const options = { timeoutMs: 1_000, ordered: true };
    engine.publisher.publish("a", { x: [new Float32Array(2)] }, options, (error) =>
      errors.push(error),
    );
    engine.calls.start(
      { t: "rpc", m: "m", data: { at: new Date(0) } },
      { timeoutMs: 1_000, repeatable: false, name: "call m" },
      (error) => errors.push(error),
    );
    expect(errors).toMatchObject([
      { code: "payload_invalid", path: "x[0]", retry: "never" },
      { code: "payload_invalid", path: "at", retry: "never" },
    ]);
    expect((errors[0] as Error).message).toBe(
      "Cannot send publish: found a Float32Array at x[0], expected plain data",
    );
  });

  test("one that is given up while it is in flight keeps its place until it is answered", () => {
    const { connect, publish, results } = start();
    const socket = connect();
    const stop = publish(1);
    publish(2);
    const [frame] = socket.take();
    stop(new HoldfastError("aborted", ""));
    expect(results).toEqual(["1 aborted"]);
    expect(data(socket.take())).toEqual([]);
    acknowledge(socket, frame, 1);
    expect(data(socket.take())).toEqual([2]);
    expect(results).toEqual(["1 aborted"]);
  });
});

test("publishes that are given up because they were sent too long ago do not keep the next ones waiting", () => {
  const { engine, socket, publish, results, clock } = start();
  const long = { timeoutMs: 10 * 60_000 };
  for (let i = 0; i < 64; i++) publish(`old ${i}`, long);
  engine.start();
  clock.flush();
  const first = socket();
  first.accept();
  expect(data(first.take())).toHaveLength(64);
  for (let i = 0; i < 3; i++) publish(`new ${i}`, long);
  first.drop();
  clock.advance(61_000);
  const next = socket();
  expect(next).not.toBe(first);
  next.accept();
  expect(results).toHaveLength(64);
  expect(new Set(results.map((result) => result.split(" ").at(-1)))).toEqual(
    new Set(["connection_lost"]),
  );
  expect(data(next.take())).toEqual(["new 0", "new 1", "new 2"]);
});
