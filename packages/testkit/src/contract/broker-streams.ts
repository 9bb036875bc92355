// Owns: contract tests of publishing and listening.
import { describe, expect, test } from "bun:test";
import { type Bench, json, LATEST, ORDERED, Recorder, range, VOLATILE } from "./broker-harness.ts";

export function describeStreams(bench: () => Bench): void {
  describe("publishing", () => describePublishing(bench));
  describe("listening", () => describeListening(bench));
  describe("idempotency", () => describeIdempotency(bench));
}

function describePublishing(bench: () => Bench): void {
  test("offsets start at 1 and rise by 1 within one epoch", async () => {
    const broker = await bench().connect("n1");
    const first = await broker.publish("c", ORDERED, { payload: json(1) });
    expect(first.duplicate).toBe(false);
    expect(first.position.epoch.length).toBeGreaterThan(0);
    for (const offset of range(2, 20)) {
      const { position } = await broker.publish("c", ORDERED, { payload: json(offset) });
      expect(position).toEqual({ epoch: first.position.epoch, offset });
    }
    expect(first.position.offset).toBe(1);
  });

  test("channels count apart", async () => {
    const broker = await bench().connect("n1");
    await broker.publish("a", ORDERED, { payload: json(1) });
    await broker.publish("a", ORDERED, { payload: json(2) });
    expect((await broker.publish("b", ORDERED, { payload: json(1) })).position.offset).toBe(1);
    expect((await broker.publish("a", VOLATILE, { payload: json(3) })).position.offset).toBe(3);
  });

  test("concurrent publishes of several nodes get every offset once, and each node hears all of them in order", async () => {
    const brokers = await Promise.all(["n1", "n2", "n3"].map((nodeId) => bench().connect(nodeId)));
    const recorders = brokers.map(() => new Recorder());
    await Promise.all(
      brokers.map((broker, index) =>
        broker.subscribe("c", ORDERED, recorders[index] ?? new Recorder()),
      ),
    );
    const results = await Promise.all(
      range(0, 149).map((index) =>
        brokers[index % 3]?.publish("c", ORDERED, { payload: json(`p${index}`) }),
      ),
    );
    const offsets = results.map((result) => result?.position.offset ?? 0);
    expect([...offsets].sort((one, other) => one - other)).toEqual(range(1, 150));
    for (const recorder of recorders) {
      await bench().eventually(() => expect(recorder.offsets).toEqual(range(1, 150)));
      for (const [index, offset] of offsets.entries())
        expect(recorder.texts[offset - 1]).toBe(`"p${index}"`);
    }
  });

  test("publishes of one node made without waiting keep their order", async () => {
    const broker = await bench().connect("n1");
    const results = await Promise.all(
      range(1, 50).map((value) => broker.publish("c", ORDERED, { payload: json(value) })),
    );
    expect(results.map(({ position }) => position.offset)).toEqual(range(1, 50));
  });

  test("publishes of one node are answered in their order, the first of a channel too", async () => {
    const broker = await bench().connect("n1");
    for (const stream of [ORDERED, LATEST, VOLATILE]) {
      for (const channel of range(1, 10).map((index) => `${stream.cls} ${index}`)) {
        const answered: number[] = [];
        await Promise.all(
          range(1, 10).map(async (value) => {
            await broker.publish(channel, stream, { payload: json(value), key: "k" });
            answered.push(value);
          }),
        );
        expect(answered).toEqual(range(1, 10));
      }
    }
  });

  test("a publication carries what it was published with and the broker's time", async () => {
    const publisher = await bench().connect("n1");
    const recorder = new Recorder();
    await (await bench().connect("n2")).subscribe("c", LATEST, recorder);
    const { position } = await publisher.publish("c", LATEST, {
      payload: json({ v: 1 }),
      key: "k",
      user: "ada",
      session: "s1",
    });
    await bench().eventually(() => expect(recorder.heard.length).toBe(1));
    const heard = recorder.heard[0];
    expect(heard?.epoch).toBe(position.epoch);
    expect(heard?.publication).toEqual({
      offset: 1,
      timeMs: expect.any(Number),
      key: "k",
      user: "ada",
      session: "s1",
      payload: json({ v: 1 }),
    });
    expect(Number.isSafeInteger(heard?.publication.timeMs)).toBe(true);
  });

  test("a publication carries its meta, byte for byte, live and from history", async () => {
    const broker = await bench().connect("n1");
    const recorder = new Recorder();
    await broker.subscribe("c", ORDERED, recorder);
    const meta = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
    const payload = { kind: "bytes", bytes: new Uint8Array([1, 2]) } as const;
    await broker.publish("c", ORDERED, { payload, user: "ada", meta });
    await bench().eventually(() => expect(recorder.heard.length).toBe(1));
    const kept = await broker.history("c", ORDERED, { limit: 1 });
    for (const publication of [recorder.heard[0]?.publication, kept.publications[0]])
      expect({ ...publication, meta: [...(publication?.meta ?? [])] }).toMatchObject({
        payload,
        user: "ada",
        meta: [...meta],
      });
  });

  test("what a publication was published without is absent, not undefined or null", async () => {
    const broker = await bench().connect("n1");
    const recorder = new Recorder();
    await broker.subscribe("c", ORDERED, recorder);
    await broker.publish("c", ORDERED, { payload: json(1) });
    await bench().eventually(() => expect(recorder.heard.length).toBe(1));
    const kept = await broker.history("c", ORDERED, { limit: 1 });
    for (const publication of [recorder.heard[0]?.publication, kept.publications[0]]) {
      expect(Object.keys(publication ?? {}).sort()).toEqual(["offset", "payload", "timeMs"]);
    }
  });
}

function describeListening(bench: () => Bench): void {
  test("a subscription starts behind the position that it is answered with", async () => {
    const broker = await bench().connect("n1");
    expect((await broker.subscribe("empty", ORDERED, new Recorder())).offset).toBe(0);
    const { position } = await broker.publish("c", ORDERED, { payload: json(1) });
    const recorder = new Recorder();
    expect(await broker.subscribe("c", ORDERED, recorder)).toEqual(position);
    await broker.publish("c", ORDERED, { payload: json(2) });
    await bench().eventually(() => expect(recorder.offsets).toEqual([2]));
  });

  test("subscriptions made while others publish have no hole and nothing twice", async () => {
    const publishers = await Promise.all(["n1", "n2"].map((nodeId) => bench().connect(nodeId)));
    const subscriber = await bench().connect("n3");
    for (const round of range(1, 12)) {
      const publish = (count: number) =>
        range(1, count).map((index) =>
          publishers[index % 2]?.publish("c", ORDERED, { payload: json(index) }),
        );
      const recorder = new Recorder();
      const before = publish(round);
      const subscribing = subscriber.subscribe("c", ORDERED, recorder);
      const after = publish(10);
      const position = await subscribing;
      const last = Math.max(
        ...(await Promise.all([...before, ...after, ...publish(1)])).map(
          (result) => result?.position.offset ?? 0,
        ),
      );
      await bench().eventually(() =>
        expect(recorder.offsets).toEqual(range(position.offset + 1, last)),
      );
      subscriber.unsubscribe("c");
    }
  });

  test("a listener is never called inside a call of the broker's own methods", async () => {
    const broker = await bench().connect("n1");
    let inside = false;
    let calls = 0;
    const check = (): void => {
      calls += 1;
      if (inside) calls = Number.NaN;
    };
    await broker.subscribe("c", ORDERED, { publication: check, removed: check, presence: check });
    for (const _ of range(1, 5)) {
      inside = true;
      const calling = [
        broker.publish("c", ORDERED, { payload: json(1) }),
        broker.presence.enter("c", { member: "m" }, "n1/1"),
        broker.presence.leave("c", "m", "n1/1", 0),
      ];
      inside = false;
      await Promise.all(calling);
    }
    await bench().eventually(() => expect(calls).toBe(15));
  });

  test("after unsubscribe the listener hears nothing, and a later one only what comes later", async () => {
    const broker = await bench().connect("n1");
    const other = await bench().connect("n2");
    const [first, second] = [new Recorder(), new Recorder()];
    await broker.subscribe("c", ORDERED, first);
    void other.publish("c", ORDERED, { payload: json(1) });
    broker.unsubscribe("c");
    const heardAtEnd = first.heard.length;
    await other.publish("c", ORDERED, { payload: json(2) });
    const position = await broker.subscribe("c", ORDERED, second);
    expect(position.offset).toBe(2);
    await other.publish("c", ORDERED, { payload: json(3) });
    await bench().eventually(() => expect(second.offsets).toEqual([3]));
    expect(first.heard.length).toBe(heardAtEnd);
  });

  test("a second subscription of a node to a channel replaces the first", async () => {
    const broker = await bench().connect("n1");
    const [first, second] = [new Recorder(), new Recorder()];
    await broker.subscribe("c", ORDERED, first);
    await broker.subscribe("c", ORDERED, second);
    await broker.publish("c", ORDERED, { payload: json(1) });
    await bench().eventually(() => expect(second.offsets).toEqual([1]));
    broker.unsubscribe("c");
    await broker.publish("c", ORDERED, { payload: json(2) });
    await broker.subscribe("c", ORDERED, new Recorder());
    expect([first.offsets, second.offsets]).toEqual([[], [1]]);
  });

  test("unsubscribing from what was not subscribed to does nothing", async () => {
    const broker = await bench().connect("n1");
    broker.unsubscribe("nothing");
    broker.unsubscribe("__proto__");
    await broker.probe();
  });

  test("listeners of volatile and latest channels hear every publication in order", async () => {
    const broker = await bench().connect("n1");
    for (const [channel, stream] of [["v", VOLATILE] as const, ["l", LATEST] as const]) {
      const recorder = new Recorder();
      await broker.subscribe(channel, stream, recorder);
      for (const value of range(1, 30))
        void broker.publish(channel, stream, { payload: json(value), key: "same" });
      await bench().eventually(() => expect(recorder.offsets).toEqual(range(1, 30)));
    }
  });
}

function describeIdempotency(bench: () => Bench): void {
  test("the same key again publishes nothing and answers the first offset", async () => {
    const broker = await bench().connect("n1");
    const other = await bench().connect("n2");
    const recorder = new Recorder();
    await broker.subscribe("c", ORDERED, recorder);
    const first = await broker.publish("c", ORDERED, { payload: json("a"), idempotencyKey: "k" });
    await broker.publish("c", ORDERED, { payload: json("b") });
    const again = await other.publish("c", ORDERED, { payload: json("c"), idempotencyKey: "k" });
    expect(again).toEqual({ position: first.position, duplicate: true });
    await broker.publish("c", ORDERED, { payload: json("d"), idempotencyKey: "l" });
    await bench().eventually(() => expect(recorder.texts).toEqual(['"a"', '"b"', '"d"']));
  });

  test("of concurrent publishes with one key exactly one is a publication", async () => {
    const brokers = await Promise.all(["n1", "n2", "n3"].map((nodeId) => bench().connect(nodeId)));
    const results = await Promise.all(
      range(0, 29).map((index) =>
        brokers[index % 3]?.publish("c", ORDERED, {
          payload: json(index),
          idempotencyKey: `k${index % 5}`,
        }),
      ),
    );
    expect(results.filter((result) => result?.duplicate === false).length).toBe(5);
    for (const key of range(0, 4)) {
      expect(
        new Set(
          results.filter((_, index) => index % 5 === key).map((result) => result?.position.offset),
        ).size,
      ).toBe(1);
    }
    expect((await brokers[0]?.history("c", ORDERED, { limit: 100 }))?.head).toBe(5);
  });

  test("keys of one channel mean nothing in another, whatever they are called", async () => {
    const broker = await bench().connect("n1");
    for (const idempotencyKey of ["k", "__proto__", "a:b", "*", " ", "ключ"]) {
      for (const channel of ["a", "a:b", "b"]) {
        const result = await broker.publish(channel, ORDERED, { payload: json(1), idempotencyKey });
        expect(result.duplicate).toBe(false);
      }
    }
  });

  test("volatile and latest publications have idempotency too, and removing history does not end it", async () => {
    const broker = await bench().connect("n1");
    for (const [channel, stream] of [["v", VOLATILE] as const, ["l", LATEST] as const]) {
      const first = await broker.publish(channel, stream, {
        payload: json(1),
        key: "x",
        idempotencyKey: "k",
      });
      await broker.removeHistory(channel, stream);
      const again = await broker.publish(channel, stream, {
        payload: json(1),
        key: "x",
        idempotencyKey: "k",
      });
      expect(again).toEqual({ position: first.position, duplicate: true });
    }
  });
}
