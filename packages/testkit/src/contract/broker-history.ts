// Owns: contract tests of what is kept, for how long, and how it is read.
import { describe, expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Broker } from "@holdfast/core";
import {
  type Bench,
  DURABLE,
  json,
  LATEST,
  ORDERED,
  offsetsOf,
  Recorder,
  range,
  textOf,
  VOLATILE,
} from "./broker-harness.ts";

export function describeHistory(bench: () => Bench): void {
  describe("history", () => describePages(bench));
  describe("bounds", () => describeBounds(bench));
  describe("latest by key", () => describeLatest(bench));
  describe("channels", () => describeChannels(bench));
}

const fill = async (broker: Broker, stream: StreamOptions, count: number): Promise<void> => {
  for (const value of range(1, count)) await broker.publish("c", stream, { payload: json(value) });
};

function describePages(bench: () => Bench): void {
  test("a channel without publications has an epoch, head 0 and nothing kept", async () => {
    const broker = await bench().connect("n1");
    const page = await broker.history("c", ORDERED, { limit: 10 });
    expect(page).toEqual({ epoch: page.epoch, head: 0, oldest: 1, publications: [], more: false });
    expect((await broker.subscribe("c", ORDERED, new Recorder())).epoch).toBe(page.epoch);
    expect((await broker.publish("c", ORDERED, { payload: json(1) })).position).toEqual({
      epoch: page.epoch,
      offset: 1,
    });
  });

  for (const stream of [ORDERED, DURABLE]) {
    test(`${stream.cls}: pages forward begin behind "after" and end at the head`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 25);
      const other = await bench().connect("n2");
      const pages: number[][] = [];
      for (let after = 0; after < 25; after = pages.at(-1)?.at(-1) ?? 25) {
        const page = await other.history("c", stream, { after, limit: 10 });
        expect([page.head, page.oldest]).toEqual([25, 1]);
        pages.push(offsetsOf(page.publications));
      }
      expect(pages).toEqual([range(1, 10), range(11, 20), range(21, 25)]);
      for (const after of [25, 26, 1000])
        expect((await other.history("c", stream, { after, limit: 10 })).publications).toEqual([]);
    });

    test(`${stream.cls}: pages backward end below "before" and are oldest first`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 25);
      const read = async (query: { before?: number; limit: number }) =>
        offsetsOf((await broker.history("c", stream, query)).publications);
      expect(await read({ limit: 10 })).toEqual(range(16, 25));
      expect(await read({ before: 16, limit: 10 })).toEqual(range(6, 15));
      expect(await read({ before: 6, limit: 10 })).toEqual(range(1, 5));
      expect(await read({ before: 1, limit: 10 })).toEqual([]);
      expect(await read({ before: 1000, limit: 2 })).toEqual([24, 25]);
    });
  }

  test("a page holds publications as they were heard", async () => {
    const broker = await bench().connect("n1");
    const recorder = new Recorder();
    await broker.subscribe("c", ORDERED, recorder);
    await broker.publish("c", ORDERED, { payload: json("x"), user: "ada", session: "s1" });
    await bench().eventually(() => expect(recorder.heard.length).toBe(1));
    const page = await broker.history("c", ORDERED, { after: 0, limit: 1 });
    expect(page.publications[0]).toEqual(recorder.heard[0]?.publication);
    expect(page.epoch).toBe(recorder.heard[0]?.epoch ?? "");
  });
}

function describeBounds(bench: () => Bench): void {
  test("no more than sizeMax are kept, the newest", async () => {
    const broker = await bench().connect("n1");
    const three: StreamOptions = { ...ORDERED, sizeMax: 3 };
    await fill(broker, three, 10);
    const page = await broker.history("c", three, { after: 0, limit: 100 });
    expect([page.oldest, page.head, offsetsOf(page.publications)]).toEqual([8, 10, [8, 9, 10]]);
    expect(
      offsetsOf((await broker.history("c", three, { after: 8, limit: 1 })).publications),
    ).toEqual([9]);
    expect(
      offsetsOf((await broker.history("c", three, { before: 9, limit: 5 })).publications),
    ).toEqual([8]);
  });

  test("expired publications are not returned; offsets and epoch go on", async () => {
    const broker = await bench().connect("n1");
    const short: StreamOptions = { ...ORDERED, ttlMs: 2_000 };
    const first = await broker.publish("c", short, { payload: json(1) });
    expect((await broker.history("c", short, { limit: 10 })).publications.length).toBe(1);
    await bench().harness.advance(3_100);
    const page = await broker.history("c", short, { after: 0, limit: 10 });
    expect(page).toEqual({
      epoch: first.position.epoch,
      head: 1,
      oldest: 2,
      publications: [],
      more: false,
    });
    const second = await broker.publish("c", short, { payload: json(2) });
    expect(second.position).toEqual({ epoch: first.position.epoch, offset: 2 });
    expect(
      offsetsOf((await broker.history("c", short, { after: 0, limit: 10 })).publications),
    ).toEqual([2]);
  });

  test("volatile channels count offsets and keep nothing", async () => {
    const broker = await bench().connect("n1");
    await fill(broker, VOLATILE, 5);
    const page = await broker.history("c", VOLATILE, { after: 0, limit: 10 });
    expect(page).toEqual({ epoch: page.epoch, head: 5, oldest: 6, publications: [], more: false });
    expect((await broker.subscribe("c", VOLATILE, new Recorder())).offset).toBe(5);
  });

  test("removing history leaves nothing kept and offsets go on", async () => {
    const broker = await bench().connect("n1");
    const recorder = new Recorder();
    const { epoch } = await broker.subscribe("c", ORDERED, recorder);
    await fill(broker, ORDERED, 5);
    expect(await (await bench().connect("n2")).removeHistory("c", ORDERED)).toEqual({
      epoch,
      offset: 5,
    });
    expect(await broker.history("c", ORDERED, { after: 0, limit: 10 })).toEqual({
      epoch,
      head: 5,
      oldest: 6,
      publications: [],
      more: false,
    });
    expect((await broker.publish("c", ORDERED, { payload: json(6) })).position).toEqual({
      epoch,
      offset: 6,
    });
    const page = await broker.history("c", ORDERED, { after: 0, limit: 10 });
    expect([page.oldest, offsetsOf(page.publications)]).toEqual([6, [6]]);
    await bench().eventually(() => expect(recorder.offsets).toEqual(range(1, 6)));
  });

  test("removing the history of a channel that never was tells the head 0", async () => {
    const broker = await bench().connect("n1");
    expect((await broker.removeHistory("c", ORDERED)).offset).toBe(0);
  });
}

function describeLatest(bench: () => Bench): void {
  const set = (broker: Broker, key: string, value: unknown, stream = LATEST) =>
    broker.publish("c", stream, { payload: json(value), key });

  test("the newest for each key is kept, by rising offsets", async () => {
    const broker = await bench().connect("n1");
    for (const [key, value] of [
      ["a", 1] as const,
      ["b", 2] as const,
      ["a", 3] as const,
      ["__proto__", 4] as const,
      ["b", 5] as const,
    ]) {
      await set(broker, key, value);
    }
    const page = await broker.history("c", LATEST, { after: 0, limit: 10 });
    expect([page.oldest, page.head]).toEqual([3, 5]);
    expect(
      page.publications.map(({ offset, key, payload }) => [offset, key ?? "", textOf(payload)]),
    ).toEqual([
      [3, "a", "3"],
      [4, "__proto__", "4"],
      [5, "b", "5"],
    ]);
  });

  test("pages work both ways over the newest for each key", async () => {
    const broker = await bench().connect("n1");
    for (const value of range(1, 12)) await set(broker, `k${value % 4}`, value);
    const read = async (query: Parameters<Broker["history"]>[2]) =>
      offsetsOf((await broker.history("c", LATEST, query)).publications);
    expect(await read({ after: 0, limit: 2 })).toEqual([9, 10]);
    expect(await read({ after: 10, limit: 2 })).toEqual([11, 12]);
    expect(await read({ after: 12, limit: 2 })).toEqual([]);
    expect(await read({ limit: 3 })).toEqual([10, 11, 12]);
    expect(await read({ before: 11, limit: 3 })).toEqual([9, 10]);
  });

  test("no more than sizeMax keys are kept, those that were set last", async () => {
    const broker = await bench().connect("n1");
    const two: StreamOptions = { ...LATEST, sizeMax: 2 };
    for (const key of ["a", "b", "a", "c"]) await set(broker, key, key, two);
    const page = await broker.history("c", two, { after: 0, limit: 10 });
    expect(page.publications.map(({ key }) => key ?? "")).toEqual(["a", "c"]);
  });

  test("a key expires by its own age", async () => {
    const broker = await bench().connect("n1");
    const short: StreamOptions = { ...LATEST, ttlMs: 4_000 };
    await set(broker, "old", 1, short);
    await set(broker, "renewed", 2, short);
    await bench().harness.advance(3_000);
    await set(broker, "renewed", 3, short);
    await bench().harness.advance(2_100);
    const page = await broker.history("c", short, { after: 0, limit: 10 });
    expect(page.publications.map(({ key, offset }) => [key ?? "", offset])).toEqual([
      ["renewed", 3],
    ]);
  });

  test("removing history removes every key", async () => {
    const broker = await bench().connect("n1");
    await set(broker, "a", 1);
    await broker.removeHistory("c", LATEST);
    await set(broker, "b", 2);
    const page = await broker.history("c", LATEST, { after: 0, limit: 10 });
    expect(page.publications.map(({ key }) => key ?? "")).toEqual(["b"]);
  });
}

function describeChannels(bench: () => Bench): void {
  test("channels with a subscriber or with something kept are listed, sorted and in pages", async () => {
    const broker = await bench().connect("n1");
    const other = await bench().connect("n2");
    for (const name of ["room:c", "room:a", "other", "room:b"])
      await broker.publish(name, ORDERED, { payload: json(1) });
    await other.subscribe("room:d", VOLATILE, new Recorder());
    await broker.publish("room:e", VOLATILE, {
      payload: json("nobody listens and nothing is kept"),
    });
    const list = (query: Parameters<Broker["channels"]>[0]) => broker.channels(query);
    const all = ["other", "room:a", "room:b", "room:c", "room:d"];
    await bench().eventually(async () =>
      expect(await list({ prefix: "", limit: 100 })).toEqual(all),
    );
    expect(await list({ prefix: "room:", limit: 2 })).toEqual(["room:a", "room:b"]);
    expect(await list({ prefix: "room:", after: "room:b", limit: 2 })).toEqual([
      "room:c",
      "room:d",
    ]);
    expect(await list({ prefix: "room:", after: "room:d", limit: 2 })).toEqual([]);
    expect(await list({ prefix: "room:*", limit: 2 })).toEqual([]);
  });

  test("a channel whose last subscriber left and that keeps nothing is not listed", async () => {
    const broker = await bench().connect("n1");
    await broker.subscribe("c", VOLATILE, new Recorder());
    broker.unsubscribe("c");
    await bench().eventually(async () =>
      expect(await broker.channels({ prefix: "", limit: 10 })).toEqual([]),
    );
  });
}
