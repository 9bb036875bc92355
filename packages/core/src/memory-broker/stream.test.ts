import { expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { DeliveryClass } from "@holdfast/protocol";
import fc from "fast-check";
import type { HistoryQuery } from "../index.ts";
import { Stream } from "./stream.ts";

const IDEMPOTENCY = { windowMs: 50, keysMax: 4, keptBytesMax: 1_000_000 };

/**
 * The same behaviour, written to be obviously right: everything is remembered, every question looks
 * at all of it.
 */
class NaiveStream {
  readonly taken: {
    offset: number;
    atMs: number;
    key: string;
    text: string;
    idempotencyKey: string | undefined;
    keeps: boolean;
  }[] = [];
  #removedTo = 0;

  append(
    options: StreamOptions,
    request: { key: string; text: string; idempotencyKey: string | undefined },
    nowMs: number,
  ): void {
    this.taken.push({
      offset: this.taken.length + 1,
      atMs: nowMs,
      keeps: options.sizeMax > 0 && options.cls !== "volatile",
      ...request,
    });
  }

  duplicateOf(key: string, nowMs: number): number | undefined {
    const keyed = this.taken
      .filter((entry) => entry.idempotencyKey !== undefined)
      .slice(-IDEMPOTENCY.keysMax);
    return keyed.find(
      (entry) => entry.idempotencyKey === key && nowMs - entry.atMs < IDEMPOTENCY.windowMs,
    )?.offset;
  }

  remove(): void {
    this.#removedTo = this.taken.length;
  }

  kept(options: StreamOptions, nowMs: number): number[] {
    if (options.cls === "volatile") return [];
    const living = this.taken.filter(
      (entry) => entry.offset > this.#removedTo && nowMs - entry.atMs < options.ttlMs,
    );
    const distinct =
      options.cls === "latest"
        ? living.filter(
            (entry) =>
              !living.some((later) => later.key === entry.key && later.offset > entry.offset),
          )
        : living;
    return distinct.slice(-options.sizeMax).map((entry) => entry.offset);
  }

  page(options: StreamOptions, query: HistoryQuery, nowMs: number): number[] {
    const kept = this.kept(options, nowMs);
    if ("after" in query)
      return kept.filter((offset) => offset > query.after).slice(0, query.limit);
    const below = kept.filter((offset) => offset < (query.before ?? Number.POSITIVE_INFINITY));
    return query.limit === 0 ? [] : below.slice(-query.limit);
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      key: fc.constantFrom("a", "b", "c", "__proto__"),
      idem: fc.option(fc.constantFrom("1", "2", "3", "4", "5", "6"), { nil: undefined }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 40 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("after" as const),
      after: fc.integer({ min: 0, max: 60 }),
      limit: fc.integer({ min: 0, max: 8 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("before" as const),
      before: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
      limit: fc.integer({ min: 0, max: 8 }),
    }),
  },
);

const streamOptions = fc.record({
  cls: fc.constantFrom<DeliveryClass[]>("volatile", "latest", "ordered", "durable"),
  sizeMax: fc.integer({ min: 1, max: 6 }),
  ttlMs: fc.integer({ min: 1, max: 100 }),
});

test("a stream behaves like one that remembers everything and looks at all of it", () => {
  fc.assert(
    fc.property(streamOptions, fc.array(step, { maxLength: 80, size: "max" }), (options, steps) => {
      const stream = new Stream("e", options, IDEMPOTENCY);
      const naive = new NaiveStream();
      let nowMs = 0;
      for (const action of steps) {
        if (action.do === "wait") nowMs += action.ms;
        else if (action.do === "remove") {
          stream.removeKept();
          naive.remove();
        } else if (action.do === "publish") {
          const { key, idem } = action;
          const duplicateOf = idem === undefined ? undefined : naive.duplicateOf(idem, nowMs);
          if (idem !== undefined) expect(stream.duplicateOf(idem, nowMs)).toBe(duplicateOf);
          if (duplicateOf !== undefined) continue;
          const text = String(naive.taken.length + 1);
          const request = {
            payload: { kind: "json", text } as const,
            key,
            ...(idem === undefined ? {} : { idempotencyKey: idem }),
          };
          expect(stream.append(options, request, { nowMs, wallMs: 5 }).offset).toBe(
            naive.taken.length + 1,
          );
          naive.append(options, { key, text, idempotencyKey: idem }, nowMs);
        } else {
          const query: HistoryQuery =
            action.do === "after"
              ? { after: action.after, limit: action.limit }
              : action.before === undefined
                ? { limit: action.limit }
                : { before: action.before, limit: action.limit };
          const page = stream.page(options, query, nowMs);
          const kept = naive.kept(options, nowMs);
          expect(page.head).toBe(naive.taken.length);
          expect(page.oldest).toBe(kept[0] ?? naive.taken.length + 1);
          expect(page.publications.map(({ offset }) => offset)).toEqual(
            naive.page(options, query, nowMs),
          );
          for (const { offset, payload } of page.publications)
            expect(payload).toEqual({ kind: "json", text: String(offset) });
          expect(stream.keptCount).toBe(kept.length);
        }
      }
      stream.removeKept();
      stream.trim(nowMs + 1000);
      expect(stream.bytes).toBe(0);
    }),
    { numRuns: 600 },
  );
});

test("growthBytes is never less than what append grows the stream by", () => {
  fc.assert(
    fc.property(
      streamOptions,
      fc.array(
        fc.record({ key: fc.constantFrom("a", "b", "c"), size: fc.nat(200), idem: fc.boolean() }),
        { maxLength: 40, size: "max" },
      ),
      (options, publishes) => {
        const stream = new Stream("e", options, IDEMPOTENCY);
        for (const [index, { key, size, idem }] of publishes.entries()) {
          const request = {
            payload: { kind: "json", text: "x".repeat(size) } as const,
            key,
            ...(idem ? { idempotencyKey: `${index}` } : {}),
          };
          const growthMax = stream.growthBytes(options, request);
          const before = stream.bytes;
          stream.append(options, request, { nowMs: index, wallMs: 0 });
          expect(stream.bytes - before).toBeLessThanOrEqual(growthMax);
        }
      },
    ),
  );
});

test("a ring that was trimmed thousands of times still pages by offset", () => {
  const options: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 1000 };
  const stream = new Stream("e", options, IDEMPOTENCY);
  for (let offset = 1; offset <= 10_000; offset++)
    stream.append(options, { payload: { kind: "json", text: "1" } }, { nowMs: 0, wallMs: 0 });
  const offsets = stream
    .page(options, { after: 9_949, limit: 3 }, 0)
    .publications.map(({ offset }) => offset);
  expect(offsets).toEqual([9_950, 9_951, 9_952]);
  expect(
    stream.page(options, { before: 9_904, limit: 10 }, 0).publications.map(({ offset }) => offset),
  ).toEqual([9_901, 9_902, 9_903]);
});

test("a stream is spent when its retention has passed since the last publication, kept or not", () => {
  const options: StreamOptions = { cls: "ordered", sizeMax: 10, ttlMs: 1000 };
  const stream = new Stream("e", options, IDEMPOTENCY);
  expect(stream.isSpent(0)).toBe(true);
  stream.append(options, { payload: { kind: "json", text: "1" } }, { nowMs: 0, wallMs: 0 });
  stream.removeKept();
  expect(stream.isSpent(999)).toBe(false);
  expect(stream.isSpent(1000)).toBe(true);
});

test("publications that were not kept leave no hole in what is kept afterwards", () => {
  const keeping: StreamOptions = { cls: "ordered", sizeMax: 10, ttlMs: 1000 };
  const stream = new Stream("e", keeping, IDEMPOTENCY);
  for (const options of [keeping, { ...keeping, sizeMax: 0 }, keeping]) {
    stream.append(options, { payload: { kind: "json", text: "1" } }, { nowMs: 0, wallMs: 0 });
  }
  expect(
    stream.page(keeping, { after: 0, limit: 10 }, 0).publications.map(({ offset }) => offset),
  ).toEqual([3]);
});
