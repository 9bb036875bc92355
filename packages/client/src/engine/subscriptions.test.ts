import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import fc from "fast-check";
import { pub, scripted, type Wire } from "../testing/scripted-node.ts";

const start = (options = {}) => scripted(createManualClock(), options);
const gap = (
  from: number,
  to: number | null,
  reason: string,
  epoch = "e",
  offset = to ?? 0,
): Wire => ({
  t: "gap",
  ch: "a",
  from,
  to,
  reason,
  pos: { epoch, offset },
});

/** Connected, subscribed to channel a at offset 0. */
function subscribed(members: Readonly<Record<string, unknown>> = {}) {
  const all = start();
  const socket = all.connect({ windowMs: 0 });
  const { log, stop } = all.subscribe("a");
  socket.subscribed("a", members);
  log.take();
  socket.take();
  return { ...all, first: socket, log, stop };
}

describe("one connection", () => {
  test.each<[string, string, Wire[], string[], object]>([
    ["in order", "ordered", [pub("a", 1), pub("a", 2)], ["1", "2"], { duplicates: 0 }],
    [
      "a duplicate is dropped and counted",
      "ordered",
      [pub("a", 1), pub("a", 1), pub("a", 2), pub("a", 1)],
      ["1", "2"],
      { duplicates: 2 },
    ],
    [
      "`latest` may skip offsets",
      "latest",
      [pub("a", 3), pub("a", 9)],
      ["3", "9"],
      { undeclared: 0 },
    ],
    ["`latest` does not go back", "latest", [pub("a", 3), pub("a", 2)], ["3"], { duplicates: 1 }],
    [
      "a gap comes before what is newer",
      "ordered",
      [pub("a", 1), gap(2, 4, "history"), pub("a", 5)],
      ["1", "gap 2..4 history > e:4", "5"],
      { gaps: 1, lost: 3, undeclared: 0 },
    ],
    [
      "a new epoch comes with a gap of unknown size",
      "ordered",
      [pub("a", 1), gap(2, null, "epoch", "f", 0), { ...pub("a", 1), ts: 2 }],
      ["1", "gap 2..null epoch > f:0", "f:1"],
      { gaps: 1, lost: 0 },
    ],
    [
      "publications of other channels are ignored",
      "ordered",
      [pub("b", 7), pub("a", 1)],
      ["1"],
      {},
    ],
  ])("%s", (_name, cls, frames, lines, counts) => {
    const { first, log, engine } = subscribed({ cls });
    first.send(...frames);
    expect(log.lines).toEqual(lines);
    expect(engine.counts.total).toMatchObject(counts);
  });

  test("a message has what the node said of it, and nothing else", () => {
    const { first, engine } = subscribed();
    const messages: unknown[] = [];
    const none = { gap() {}, ready() {}, recovered() {}, error() {} };
    engine.subscriptions.subscribe("a", { ...none, message: (m) => messages.push(m) }, {});
    first.send({ ...pub("a", 1), k: "key", u: "ada", s: "s9" }, pub("a", 2));
    const common = { channel: "a", epoch: "e", timeMs: 1 };
    expect(messages).toStrictEqual([
      { ...common, offset: 1, data: "d1", key: "key", user: "ada", session: "s9" },
      { ...common, offset: 2, data: "d2" },
    ]);
  });

  test("a position that the node cannot go on from is not what `ready` says: that is where the stream goes on, behind the gap", () => {
    const { connect, subscribe } = scripted(createManualClock());
    const socket = connect();
    const { log } = subscribe("a", { since: { epoch: "x", offset: 4 } });
    socket.subscribed("a", { pos: { epoch: "e", offset: 7 }, head: 8, recovered: false });
    expect(log.take()).toEqual(["ready e:7"]);
    socket.send(
      { t: "gap", ch: "a", from: 5, to: null, reason: "epoch", pos: { epoch: "e", offset: 7 } },
      pub("a", 8),
    );
    expect(log.take()).toEqual(["gap 5..null epoch > e:7", "8"]);
  });

  test("an undeclared hole is counted and mended from the last position, before anything newer is delivered", () => {
    const { first, log, engine } = subscribed();
    first.send(pub("a", 1), pub("a", 3), pub("a", 4));
    expect(log.lines).toEqual(["1"]);
    expect(first.take()).toMatchObject([
      { t: "unsubscribe", ch: "a" },
      { t: "subscribe", ch: "a", pos: { epoch: "e", offset: 1 } },
    ]);
    first.subscribed("a", { pos: { epoch: "e", offset: 1 }, head: 4, recovered: true });
    first.send(pub("a", 2), pub("a", 3), pub("a", 4));
    expect(log.lines).toEqual(["1", "2", "3", "4"]);
    expect(engine.counts.total).toMatchObject({ undeclared: 1, gaps: 0, lost: 0 });
  });

  test("a second hole within a minute closes with 4011 and reconnects from the last position", () => {
    const { first, socket, clock } = subscribed();
    first.send(pub("a", 1), pub("a", 3));
    first.subscribed("a", { pos: { epoch: "e", offset: 1 }, head: 3, recovered: true });
    first.send(pub("a", 3));
    expect(first.closed).toEqual({ code: 4011, reason: "stream_broken" });
    clock.advance(1_000);
    expect(socket().accept()).toMatchObject([
      { t: "connect" },
      { t: "subscribe", pos: { epoch: "e", offset: 1 } },
    ]);
  });

  test("an epoch that changes without a gap is declared by the client: never silently", () => {
    const { first, socket, clock, log, engine } = subscribed();
    first.send(pub("a", 1));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().subscribed("a", { pos: { epoch: "f", offset: 6 }, head: 7, recovered: false });
    socket().send(pub("a", 7));
    expect(log.lines).toEqual(["1", "gap 2..null epoch > f:6", "f:7", "recovered with loss"]);
    expect(engine.counts.total.undeclared).toBe(1);
  });

  test("a recovery with a gap says so, and the gap comes first", () => {
    const { first, socket, clock, log } = subscribed();
    first.send(pub("a", 1));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().subscribed("a", { pos: { epoch: "e", offset: 9 }, head: 10, recovered: false });
    expect(log.lines).toEqual(["1"]);
    socket().send(gap(2, 9, "history"), pub("a", 10));
    expect(log.lines).toEqual(["1", "gap 2..9 history > e:9", "10", "recovered with loss"]);
  });

  test("a gap from before the loss does not make a recovery lossy", () => {
    const { first, socket, clock, log } = subscribed();
    first.send(gap(1, 3, "dropped"));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().subscribed("a", { pos: { epoch: "e", offset: 3 }, head: 3, recovered: true });
    expect(log.lines).toEqual(["gap 1..3 dropped > e:3", "recovered"]);
  });

  test("a recovery that an epoch without a gap interrupted was not lossless either", () => {
    const { first, socket, clock, log } = subscribed();
    first.send(pub("a", 1));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().subscribed("a", { pos: { epoch: "f", offset: 2 }, head: 2, recovered: false });
    socket().send({ ...gap(2, null, "epoch", "f", 2) });
    expect(log.lines.slice(1)).toEqual(["gap 2..null epoch > f:2", "recovered with loss"]);
  });

  test("a recovery ends with the gap if nothing newer was published", () => {
    const { first, socket, clock, log } = subscribed();
    first.send(pub("a", 1));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().subscribed("a", { pos: { epoch: "e", offset: 9 }, head: 9, recovered: false });
    socket().send(gap(2, 9, "history"));
    expect(log.lines).toEqual(["1", "gap 2..9 history > e:9", "recovered with loss"]);
  });

  test("a node that goes on further ahead and declares no gap is asked again from the last position", () => {
    const { first, socket, clock, log, engine } = subscribed();
    first.send(pub("a", 1));
    first.drop();
    clock.advance(1_000);
    socket().accept();
    socket().take();
    socket().subscribed("a", { pos: { epoch: "e", offset: 6 }, head: 7, recovered: false });
    socket().send(pub("a", 7));
    expect(log.lines).toEqual(["1"]);
    expect(socket().take()).toMatchObject([
      { t: "unsubscribe", ch: "a" },
      { t: "subscribe", ch: "a", pos: { epoch: "e", offset: 1 } },
    ]);
    expect(engine.counts.total.undeclared).toBe(1);
  });

  test("a channel whose first answer never came is asked for again without a position, and with `last`", () => {
    const { connect, subscribe, socket, clock, engine } = start();
    connect({ windowMs: 0 });
    subscribe("a", { last: 3 });
    subscribe("b", { since: { epoch: "x", offset: 4 } });
    expect(socket().take()).toMatchObject([
      { t: "subscribe", ch: "a", last: 3 },
      { t: "subscribe", ch: "b", pos: { epoch: "x", offset: 4 } },
    ]);
    socket().drop();
    clock.advance(1_000);
    const frames = socket().accept();
    expect(frames[1]).toEqual({ t: "subscribe", id: expect.any(Number), ch: "a", last: 3 });
    expect(frames[2]).toMatchObject({ ch: "b", pos: { epoch: "x", offset: 4 } });
    expect(engine.subscriptions.has("a")).toBe(true);
  });
});

describe("several listeners", () => {
  test("share one subscription; the last one to go ends it", () => {
    const { first, subscribe, log, stop } = subscribed();
    first.send(pub("a", 1));
    const second = subscribe("a");
    expect(first.take()).toEqual([]);
    expect(second.log.take()).toEqual(["ready e:1"]);
    first.send(pub("a", 2));
    stop();
    first.send(pub("a", 3));
    expect([log.lines, second.log.lines]).toEqual([
      ["1", "2"],
      ["2", "3"],
    ]);
    expect(first.take()).toEqual([]);
    second.stop();
    expect(first.take()).toEqual([]);
  });

  test("publications of an ended subscription do not reach the next one", () => {
    const { first, subscribe, stop, log } = subscribed();
    stop();
    const again = subscribe("a");
    expect(first.take()).toMatchObject([{ t: "unsubscribe" }, { t: "subscribe" }]);
    first.send(pub("a", 1));
    first.subscribed("a", { pos: { epoch: "e", offset: 1 }, head: 1 });
    first.send(pub("a", 2));
    expect([log.lines, again.log.lines]).toEqual([[], ["ready e:1", "2"]]);
  });

  test("one that throws does not disturb the others, and is reported", () => {
    const { engine, first, log, errors } = subscribed();
    const thrown = new Error("of the application");
    const bad = () => {
      throw thrown;
    };
    engine.subscriptions.subscribe(
      "a",
      { message: bad, gap: bad, ready: bad, recovered: bad, error: bad },
      {},
    );
    first.send(pub("a", 1), gap(2, 2, "dropped"), pub("a", 3));
    expect(log.lines).toEqual(["1", "gap 2..2 dropped > e:2", "3"]);
    expect(errors).toContain(thrown);
  });
});

describe("refusals", () => {
  const refuse = (code: number, name: string, retryMs?: number) => {
    const all = start();
    const socket = all.connect();
    const { log } = all.subscribe("a");
    const frame = socket.takeOne("subscribe");
    socket.send({
      t: "err",
      id: frame.id,
      code,
      name,
      msg: "",
      ...(retryMs === undefined ? {} : { retryMs }),
    });
    return { ...all, log, first: socket };
  };

  test("a refusal for the moment is told and asked again after the hint", () => {
    const { log, first, clock } = refuse(214, "broker_unavailable", 500);
    expect(log.lines).toEqual(["error broker_unavailable"]);
    clock.advance(499);
    expect(first.take()).toEqual([]);
    clock.advance(200);
    first.takeOne("subscribe");
    first.subscribed("a", {});
    expect(log.lines).toEqual(["error broker_unavailable", "ready e:0"]);
  });

  test("`unsubscribed` of the node ends the subscription", () => {
    const { first, log } = subscribed();
    first.send(
      { t: "unsubscribed", ch: "a", code: 223, name: "subscription_ended", msg: "" },
      pub("a", 1),
    );
    expect(log.lines).toEqual(["ended subscription_ended"]);
  });

  test("`unsubscribed` of presence does not", () => {
    const { first, log } = subscribed();
    first.send(
      {
        t: "unsubscribed",
        ch: "a",
        code: 223,
        name: "subscription_ended",
        msg: "",
        of: "presence",
      },
      pub("a", 1),
    );
    expect(log.lines.some((line) => line.startsWith("ended"))).toBe(false);
  });
});

test("whatever a lossy, repeating wire does within one connection after another, each offset is delivered once, in order, or declared", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.integer({ min: 1, max: 6 }),
          fc.constantFrom("pub", "dup", "skip", "drop", "trim"),
        ),
        { maxLength: 60 },
      ),
      (steps) => {
        const { first, socket, clock, log, random } = subscribed();
        random.value = 0;
        let head = 0;
        let sent = 0;
        let trimmed = 0;
        let current = first;
        const answer = () => {
          for (const frame of current.take()) {
            if (frame.t !== "subscribe") continue;
            const from = (frame.pos as { offset: number } | undefined)?.offset ?? head;
            const lost = from < trimmed;
            current.subscribed("a", {
              pos: { epoch: "e", offset: lost ? trimmed : from },
              head,
              recovered: !lost,
            });
            if (lost) current.send(gap(from + 1, trimmed, "history"));
            for (let offset = Math.max(from, trimmed) + 1; offset <= head; offset++)
              current.send(pub("a", offset));
            sent = head;
          }
          if (!current.closed) return;
          clock.advance(60_000);
          if (socket() === current) return;
          current = socket();
          current.open();
          current.send({
            t: "connected",
            id: 0,
            session: "s",
            node: "n",
            resumed: true,
            resume: "r",
            pingMs: 9e6,
            windowMs: 0,
            messageBytesMax: 65_536,
            time: 0,
          });
          answer();
        };
        for (const [count, kind] of steps) {
          if (kind === "trim") trimmed = head;
          else if (kind === "drop") {
            head += count;
            current.drop();
            current.closed ??= { code: 1006, reason: "" };
          } else if (kind === "dup")
            current.send(...Array.from({ length: count }, () => pub("a", Math.max(1, sent))));
          else {
            head += count;
            if (kind === "skip") sent += count;
            while (sent < head) current.send(pub("a", ++sent));
          }
          answer();
        }
        head++;
        current.send(pub("a", head));
        answer();
        let expected = 1;
        for (const line of log.lines.filter((line) => !line.startsWith("recovered"))) {
          const declared = /^gap (\d+)\.\.(\d+)/.exec(line);
          expect(Number(declared?.[1] ?? line)).toBe(expected);
          expected = Number(declared?.[2] ?? line) + 1;
        }
        expect(expected).toBe(head + 1);
      },
    ),
    { numRuns: 300 },
  );
});
