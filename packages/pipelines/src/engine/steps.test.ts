import { describe, expect, test } from "bun:test";
import { z } from "zod";
import {
  absence,
  channel,
  count,
  counting,
  from,
  last,
  pipeline,
  pipelineProblems,
  rateOfChange,
  sequence,
  session,
  sliding,
  sum,
  threshold,
  tumbling,
} from "../index.ts";
import { type Fed, feed } from "../testing/feed.ts";

const Event = z.object({ t: z.number(), k: z.string(), v: z.number() });
type Event = z.infer<typeof Event>;
const start = () => pipeline(from("in:{site}", Event));
const out = channel("out");
const at = (t: number, v = 1, k = "a", more: Partial<Fed> = {}): Fed => ({
  value: { t, k, v },
  ...more,
});
const options = { time: (e: Event) => e.t, key: (e: Event) => e.k };

describe("steps", () => {
  test("filter, map, flatMap and validate; what throws or does not fit is a dead letter", () => {
    const stream = start()
      .validate(Event)
      .filter((e) => {
        if (e.v === 13) throw new RangeError("unlucky");
        return e.v > 0;
      })
      .flatMap((e) => Array.from({ length: e.v }, (_, i) => `${e.k}${i}`))
      .map((text) => text.toUpperCase())
      .to(out)
      .on("dead", channel("dead"));
    const events = [
      at(1, 2),
      at(1, 0),
      at(1, 13),
      { value: { t: "x" } },
      { value: null },
      at(1, 1),
    ];
    const { emitted, account } = feed(stream, events);
    const values = (output: number) => emitted.filter((e) => e.output === output);
    expect(values(0).map(({ value }) => value)).toEqual(["A0", "A1", "A0"]);
    expect(values(1).map(({ value }) => value)).toMatchObject([
      { reason: "threw", step: "filter 1", error: "unlucky", channel: "c", value: { v: 13 } },
      { reason: "invalid", step: "validate 1" },
      { reason: "invalid", step: "validate 1", value: null },
    ]);
    expect(account.events).toMatchObject({
      received: 6,
      added: 1,
      filtered: 1,
      dead: 3,
      passed: 3,
    });
    expect(account.deadBy).toEqual({ threw: 1, invalid: 2 });
  });

  test("an endless or huge flatMap, and an asynchronous schema, make dead letters", () => {
    const endless = start().flatMap(function* () {
      for (;;) yield 1;
    });
    expect(feed(endless, [at(1)]).account.deadBy).toEqual({ full: 1 });
    const late = z.object({}).refine(async () => true);
    expect(feed(start().validate(late), [at(1)]).account.deadBy).toEqual({ threw: 1 });
    const huge = start()
      .map(() => ({ toString: () => "x", big: "x".repeat(20_000), fault: {}.toString() }))
      .map((value): number => {
        throw Object.assign(new RangeError("y".repeat(5000)), { value });
      })
      .on("dead", channel("dead"));
    const [letter] = feed(huge, [at(1)]).values as [{ error: string; value?: unknown }];
    expect([letter.error.length, "value" in letter]).toEqual([500, false]);
  });

  test("dedupe lets the first of a key pass, in time and in number", () => {
    const stream = start()
      .dedupe({ by: (e) => e.k, within: "1s", keysMax: 2 })
      .map((e) => e.k)
      .to(out);
    const ids = ["a", "b", "a", "a", "c", "b", "a"];
    const times = [0, 10, 20, 1100, 1200, 1210, 1220];
    const events = ids.map((k, i) => at(0, 0, k, { timeMs: times[i] ?? 0 }));
    const { values, account } = feed(stream, events);
    // "a" comes again behind 1 s; and again behind two others: it was forgotten.
    expect(values).toEqual(["a", "b", "a", "c", "b", "a"]);
    expect(account.events.duplicate).toBe(1);
    expect(account.told.forgotten).toBe(2);
    expect(feed(stream, events, { restartAt: [2, 5] }).values).toEqual(values);
  });

  test("throttle and sample let the same events pass on every replay", () => {
    const stream = start()
      .throttle({ events: 2, per: "1s", by: (e) => e.k })
      .map((e) => e.v)
      .to(out);
    const events = [0, 100, 200, 999, 1000, 1001].map((timeMs, v) => at(0, v, "a", { timeMs }));
    expect(feed(stream, events).values).toEqual([0, 1, 4, 5]);
    expect(feed(stream, events, { restartAt: [1, 3] }).values).toEqual([0, 1, 4, 5]);
    const sampled = start()
      .sample(0.3)
      .map((e) => e.v)
      .to(out);
    const many = Array.from({ length: 2000 }, (_, v) => at(0, v));
    const passed = feed(sampled, many).values.length;
    expect(passed).toBeGreaterThan(500);
    expect(passed).toBeLessThan(700);
    expect(feed(sampled, many).values).toHaveLength(passed);
  });

  test("each branch gets every event, and has an account of its own", () => {
    const stream = start().branch({
      all: (s) => s.to(channel("all:{site}")),
      big: (s) =>
        s
          .filter((e) => e.v > 5)
          .window(tumbling(10, options))
          .aggregate({ n: count() })
          .to(out),
    });
    const { emitted, account } = feed(stream, [at(1, 3), at(2, 9)]);
    expect(emitted.map(({ output }) => output)).toEqual([0, 0, 1]);
    expect(account.events).toMatchObject({
      received: 2,
      added: 2,
      passed: 2,
      filtered: 1,
      taken: 1,
    });
    expect(account.results).toMatchObject({ received: 1, passed: 1 });
  });

  test("a window behind a window counts each result where it belongs", () => {
    const stream = start()
      .window(tumbling(10, options))
      .aggregate({ n: count() })
      .window(tumbling(60, { key: (r) => r.key }))
      .aggregate({ n: sum((r) => r.n), windows: count() })
      .to(out);
    const events = [1, 9, 10, 59, 60, 61, 130].map((t) => at(t));
    expect(feed(stream, events, { endsIdle: false }).values).toEqual([
      { key: "a", fromMs: 0, toMs: 60, n: 4, windows: 3 },
      { key: "a", fromMs: 60, toMs: 120, n: 2, windows: 1 },
    ]);
  });
});

describe("event time", () => {
  const windows = start()
    .window(tumbling(100, { ...options, idle: "1s", ahead: "10s" }))
    .aggregate({ n: count() })
    .to(out);

  test("times may be ISO texts; what is no time, or is ahead of the broker, is dead", () => {
    const stream = start()
      .window(tumbling("1s", { time: (e) => e.k, ahead: "10s" }))
      .aggregate({ n: count() })
      .to(out);
    const timeMs = Date.parse("2026-11-30T12:00:00Z");
    const texts = [
      "2026-11-30T12:00:00.5Z",
      "2026-11-30T14:00:00.75+02:00",
      "yesterday",
      "2026-13-01",
      "2026-11-30T12:00:11Z",
    ];
    const { values, account } = feed(
      stream,
      texts.map((k) => at(0, 0, k, { timeMs })),
    );
    expect(values).toEqual([{ key: "", fromMs: timeMs, toMs: timeMs + 1000, n: 2 }]);
    expect(account.deadBy).toEqual({ time: 3 });
    const numbers = [Number.NaN, 1e300, Number.NEGATIVE_INFINITY].map((t) => at(t));
    expect(feed(windows, numbers).account.deadBy).toEqual({ time: 3 });
  });

  test("the slowest channel holds the watermark, until it is idle", () => {
    const one = { channel: "in:1" };
    const two = { channel: "in:2" };
    const closed = (events: readonly Fed[]) =>
      feed(windows, events, { endsIdle: false }).values.length;
    expect(closed([at(1, 1, "a", one), at(500, 1, "a", one)])).toBe(1);
    expect(closed([at(1, 1, "a", two), at(1, 1, "a", one), at(500, 1, "a", one)])).toBe(0);
    expect(closed([at(1, 1, "a", two), at(500, 1, "a", one), at(250, 1, "b", two)])).toBe(1);
    const later = { ...one, afterMs: 900 };
    const events = [at(1, 1, "a", two), at(500, 1, "a", one), at(505, 1, "a", later)];
    expect(closed(events)).toBe(0);
    expect(closed([...events, at(510, 1, "a", later)])).toBe(1);
  });

  test("if every channel is idle, event time runs on with the clock", () => {
    const stream = feed(windows, [at(10), at(20)], { endsIdle: false });
    stream.engine.tick(999);
    expect(stream.engine.take()).toEqual([]);
    stream.engine.tick(1000);
    expect(stream.engine.take()).toHaveLength(1);
    stream.engine.tick(5000);
    stream.engine.push(0, { offset: 3, timeMs: 1e12, value: { t: 4000, k: "a", v: 1 } }, 5000);
    expect(stream.engine.account().events.late).toBe(1);
  });

  test("a channel that has events to come is not idle", () => {
    const { engine } = feed(windows, [at(10)], { endsIdle: false });
    engine.tick(60_000, new Set([0]));
    expect(engine.take()).toEqual([]);
    engine.tick(61_000);
    expect(engine.take()).toHaveLength(1);
  });
});

describe("detectors", () => {
  const find =
    (stream: { readonly definition: Parameters<typeof pipelineProblems>[1] }) =>
    (events: readonly Fed[], restartAt: number[] = []) =>
      feed(stream, events, { restartAt }).values;

  test("a threshold is raised once, for long enough, and clears behind the other one", () => {
    const value = (e: Event): number => e.v;
    const run = find(
      start()
        .detect(threshold({ ...options, value, above: 90, clearBelow: 80, for: 20 }))
        .to(out),
    );
    const levels = [95, 50, 95, 95, 99, 85, 79, 95];
    const events = levels.map((v, i) => at(i * 10, v));
    const expected = [
      { key: "a", atMs: 40, state: "raised", value: 99, sinceMs: 20 },
      { key: "a", atMs: 60, state: "cleared", value: 79, sinceMs: 20 },
    ];
    expect(run(events)).toEqual(expected);
    for (let i = 1; i < 8; i++) expect(run(events, [i])).toEqual(expected);
    const low = find(
      start()
        .detect(threshold({ ...options, value, below: 10, clearAbove: 12 }))
        .to(out),
    );
    expect(low([at(1, 9), at(2, 11), at(3, 12)])).toMatchObject([
      { state: "raised" },
      { state: "cleared" },
    ]);
    const { account } = feed(start().detect(threshold({ ...options, value, above: 1 })), [
      at(10, 5),
      at(5, 5),
      at(10, 5),
      at(11, Number.NaN),
    ]);
    expect(account.events).toMatchObject({ taken: 2, late: 1, dead: 1 });
  });

  test("a rate of change is between neighbours of a key", () => {
    const run = find(
      start()
        .detect(rateOfChange({ ...options, value: (e) => e.v, per: "1s", above: 100 }))
        .to(out),
    );
    const events = [at(0, 0), at(1000, 50), at(1500, 150), at(1500, 9999), at(2500, 9999)];
    expect(run(events)).toMatchObject([
      { state: "raised", value: 200, atMs: 1500 },
      { state: "cleared", value: 0, atMs: 2500 },
    ]);
    expect(run(events, [2])).toHaveLength(2);
  });

  test("an absence is found by the watermark, once, and its end by the next event", () => {
    const run = find(
      start()
        .detect(absence(100, { ...options, lateness: 10 }))
        .to(out),
    );
    const events = [
      at(0, 1, "a"),
      at(50, 1, "b"),
      at(111, 1, "b"),
      at(300, 1, "a"),
      at(320, 1, "b"),
    ];
    const expected = [
      { key: "a", atMs: 100, state: "absent", sinceMs: 0 },
      { key: "a", atMs: 300, state: "present" },
      { key: "b", atMs: 211, state: "absent", sinceMs: 111 },
      { key: "b", atMs: 320, state: "present" },
      { key: "a", atMs: 400, state: "absent", sinceMs: 300 },
      { key: "b", atMs: 420, state: "absent", sinceMs: 320 },
    ];
    expect(run(events)).toEqual(expected);
    for (let i = 1; i < 5; i++) expect(run(events, [i])).toEqual(expected);
  });

  test("a sequence may have other events between its steps, and ends in time", () => {
    const is = (v: number) => (e: Event) => e.v === v;
    const run = find(
      start()
        .detect(sequence({ ...options, steps: [is(1), is(2), is(3)], within: 100 }))
        .to(out),
    );
    const levels: [number, number][] = [
      [0, 1],
      [10, 9],
      [20, 2],
      [90, 1],
      [95, 2],
      [101, 3],
      [102, 3],
    ];
    const events = levels.map(([t, v]) => at(t, v));
    const expected = [{ key: "a", atMs: 101, fromMs: 90, toMs: 101, timesMs: [90, 95, 101] }];
    expect(run(events)).toEqual(expected);
    for (let i = 1; i < 7; i++) expect(run(events, [i])).toEqual(expected);
  });
});

describe("bounds", () => {
  const keys = (n: number) => Array.from({ length: n }, (_, i) => at(i, 1, `key ${i}`));
  const shapes = {
    tumbling: tumbling("1d", { ...options, keysMax: 5 }),
    sliding: sliding("1d", { ...options, keysMax: 5 }),
    session: session("1d", { ...options, keysMax: 5 }),
    counting: counting(100, { ...options, keysMax: 5 }),
  };

  test("a window with as many keys as it may have makes dead letters, and goes on", () => {
    for (const window of Object.values(shapes)) {
      const { account } = feed(start().window(window).aggregate({ n: count() }), keys(100));
      expect(account.deadBy.full).toBeGreaterThan(80);
      expect(account.events.taken).toBeGreaterThanOrEqual(5);
    }
  });

  test("so does one with as many bytes", () => {
    const big = start()
      .window(tumbling("1d", { ...options, bytesMax: 100_000 }))
      .aggregate({ last: last((e) => "x".repeat(4000 + e.v)) });
    const { engine, account } = feed(big, keys(100), { endsIdle: false });
    expect(engine.kept().bytes).toBeLessThan(105_000);
    expect(account.events.taken).toBeGreaterThan(20);
    const sliding1 = start()
      .window(sliding("1d", { ...options, eventsMax: 10 }))
      .aggregate({ n: count() });
    expect(
      feed(
        sliding1,
        Array.from({ length: 50 }, (_, i) => at(i)),
      ).account.deadBy.full,
    ).toBe(40);
  });

  test("keys that are none, and whatever a user's function does, make dead letters", () => {
    const odd: unknown[] = [undefined, {}, [], "x".repeat(300), Number.NaN, { a: {} }, null];
    const stream = start()
      .window(tumbling(10, { key: (e) => odd[e.v] as string }))
      .aggregate({ n: count() })
      .to(out);
    const { account, values } = feed(
      stream,
      odd.map((_, v) => at(0, v)),
    );
    expect(account.deadBy).toEqual({ key: 6 });
    expect(values).toMatchObject([{ key: {} }]);
    const distinctKeys = ["1", 1, "\u00001", "", { a: 1 }, { a: "1" }, '\u0001{"a":1}'];
    const same = start()
      .window(tumbling(10, { key: (e) => distinctKeys[e.v] as string }))
      .aggregate({ n: count() })
      .to(out);
    const results = feed(
      same,
      distinctKeys.map((_, v) => at(0, v)),
    ).values as { key: unknown }[];
    expect(results.map(({ key }) => key)).toEqual(distinctKeys);
  });
});

test("state of another layout, or of a step that is gone or another, is refused", () => {
  const window = (size: number) =>
    start().window(tumbling(size, options)).aggregate({ n: count() });
  const { engine } = feed(
    start()
      .dedupe({ by: (e) => e.k })
      .window(tumbling(10, options))
      .aggregate({ n: count() }),
    [at(1)],
    { endsIdle: false },
  );
  const saved = engine.save();
  const load =
    (stream: ReturnType<typeof window>, state = saved) =>
    () =>
      feed(stream, []).engine.load(state);
  expect(load(window(10))).not.toThrow();
  expect(load(window(20))).toThrow(/step "window 1".*expected.*20/);
  expect(load(start() as never)).toThrow(/no such step/);
  expect(load(window(10), { v: 9, steps: [], account: [] })).toThrow(/layout 9/);
});

test("definitions that cannot run are told in words", () => {
  const bad = start()
    .window({
      rules: { ...tumbling(10).rules, shape: { kind: "hopping", sizeMs: 10, everyMs: 20 } },
    })
    .aggregate({ key: count() })
    .sample(2);
  expect(pipelineProblems("x y", { ...bad.definition, partitions: 0 })).toEqual([
    expect.stringContaining("its name"),
    expect.stringContaining("partitions: found 0"),
    expect.stringContaining("every: found 20 ms, expected at most the size, 10 ms"),
    expect.stringContaining("key: found the name"),
    expect.stringContaining("a share from 0 to 1"),
  ]);
  expect(pipelineProblems("ok", start().sample(0.5).definition)).toEqual([]);
});
