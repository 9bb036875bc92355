import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { pipelineProblems } from "../define/check.ts";
import { runOffline } from "../offline.ts";
import { sourceProblems } from "../source.ts";
import { compileExpression } from "./expression.ts";
import { parsePipelines } from "./parse.ts";

const evaluate = (text: string, value: unknown = {}): unknown =>
  compileExpression(text, ["value", "params"])({ value, params: { site: "north" } });

describe("expressions", () => {
  test("are CEL's syntax over JSON's values", () => {
    const value = { n: 3, s: "Ab", list: [1, 2, 3], o: { x: null }, t: true };
    const table: readonly [string, unknown][] = [
      ["value.n + 1", 4],
      ["value.n * 2 - 1.5", 4.5],
      ["value.n / 2", 1.5],
      ["-value.n % 2", -1],
      ['value.s + "c"', "Abc"],
      ["value.n > 2 && value.t", true],
      ["value.n == 3.0", true],
      ["value.missing == 1 || value.t", true],
      ["!value.t || value.n >= 4", false],
      ['value.t ? "yes" : "no"', "yes"],
      ["value.list[1]", 2],
      ['value["n"]', 3],
      ["2 in value.list", true],
      ['"x" in value.o', true],
      ["has(value.o.x) && !has(value.y)", true],
      ["value.o.x == null", true],
      ["value.list.all(i, i > 0)", true],
      ["value.list.exists(i, i == 2)", true],
      ["value.list.map(i, i * 2)", [2, 4, 6]],
      ["value.list.filter(i, i != 2)", [1, 3]],
      ["size(value.list) + value.s.size()", 5],
      ['{"a": value.n, "b": [value.s]}', { a: 3, b: ["Ab"] }],
      ['value.s.matches("^A.$")', true],
      ['value.s.startsWith("A") && value.s.contains("b")', true],
      ["value.s.lowerAscii()", "ab"],
      ['ms("2026-11-30T12:00:00Z")', Date.parse("2026-11-30T12:00:00Z")],
      ['double("1.5") + int(2.7)', 3.5],
      ["max(value.n, 7)", 7],
      ["params.site", "north"],
      ["[1, 2] == [1, 2]", true],
    ];
    for (const [text, expected] of table)
      expect([text, evaluate(text, value)]).toEqual([text, expected]);
  });

  test("reach nothing but their variables and their own members", () => {
    for (const text of [
      "value.constructor",
      "value.__proto__",
      'value["constructor"]',
      "value.list.length",
      "value.s.constructor",
      "value.n.toFixed",
    ])
      expect(() => evaluate(text, { list: [], s: "", n: 1 })).toThrow(/there is no/);
    for (const text of [
      "globalThis",
      "process.exit(1)",
      "value.eval(1)",
      "constructor(1)",
      "toString(value)",
      "value.s.matches(value.s)",
      'value.s.matches("(")',
      "1 +",
      "value.n.size(1, 2, 3)",
      `${"(".repeat(200)}1${")".repeat(200)} +`,
      "x".repeat(5000),
    ])
      expect(() => compileExpression(text, ["value"])).toThrow(/Cannot use expression/);
  });

  test("say what does not fit, and never loop for long", () => {
    for (const [text, value] of [
      ["value.a > 1", { a: "x" }],
      ["value.a + 1", { a: null }],
      ["value.a / 0", { a: 1 }],
      ["value.a && true", { a: 1 }],
      ["value.a.map(i, i)", { a: 3 }],
      ["value.a[5]", { a: [] }],
      ["value.a.map(i, i)", { a: new Array(20_000).fill(0) }],
    ] as const)
      expect(() => evaluate(text, value)).toThrow();
  });

  test("no text makes the compiler fail in another way", () => {
    const part = fc.constantFrom(
      "value",
      ".",
      "n",
      "(",
      ")",
      "1",
      "+",
      "&&",
      "[",
      "]",
      '"',
      "has",
      "map",
      ",",
      "i",
      "?",
      ":",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => parts.join(" ")),
        ),
        (text) => {
          try {
            compileExpression(text, ["value"]);
          } catch (error) {
            expect((error as { code?: string }).code).toBe("definition");
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

const YAML = {
  pipelines: {
    heat: {
      from: "telemetry:{site}",
      steps: [
        { filter: 'value.unit == "C"' },
        {
          window: {
            tumbling: "10s",
            time: "value.at",
            lateness: "5s",
            key: { site: "params.site", device: "value.device" },
          },
          aggregate: {
            n: "count",
            mean: { mean: "value.v" },
            p99: { quantile: "value.v", q: 0.99 },
            top: { topK: "value.device", k: 2 },
          },
        },
        { to: { channel: "heat:{site}" } },
      ],
      late: { channel: "late" },
      dead: { channel: "dead" },
    },
  },
};

describe("pipelines in text", () => {
  test("do what the same steps of the builder do", () => {
    const parsed = parsePipelines(YAML);
    if (!parsed.ok) throw new Error(parsed.problems.join("\n"));
    const heat = parsed.pipelines.get("heat");
    if (heat === undefined) throw new Error("none");
    expect(pipelineProblems("heat", heat)).toEqual([]);
    const event = (at: number, v: number, unit = "C") => ({
      params: { site: "north" },
      value: { at, v, unit, device: "d1" },
    });
    const events = [
      event(1000, 1),
      event(9000, 3),
      event(5, 5, "F"),
      event(30_000, 1),
      event(1, 1),
    ];
    const { records, account } = runOffline(heat, [...events, { value: {} }]);
    expect(records).toMatchObject([
      {
        output: "results",
        sink: "channel heat:{site}",
        key: "north/d1",
        value: {
          key: { site: "north", device: "d1" },
          fromMs: 0,
          toMs: 10_000,
          n: 2,
          mean: 2,
          top: [{ value: "d1", count: 2 }],
        },
      },
      { output: "late", value: { at: 1 } },
      { output: "dead", value: { reason: "threw", error: 'there is no "unit" in object' } },
      { output: "results", value: { fromMs: 30_000, n: 1 } },
    ]);
    expect(account.events).toMatchObject({ received: 6, filtered: 1, taken: 3, late: 1, dead: 1 });
  });

  test("know every step, window and detector", () => {
    const steps = [
      { flatMap: "value.list" },
      { map: '{"a": value, "k": "x"}' },
      { dedupe: { by: "value.a", within: "10m" } },
      { throttle: { events: 3, per: "1s", by: "value.k" } },
      { sample: 0.5 },
      { join: { latest: "devices", by: "value.k", as: "device" } },
    ];
    const windows = [
      { hopping: "1m", every: "10s" },
      { sliding: "1m", eventsMax: 10 },
      { session: "1m", longest: "1h" },
      { counting: 10, forget: "1h" },
    ];
    const detectors = [
      { threshold: "value.v", above: 3, clearBelow: 2, for: "1s", key: "value.k" },
      { rate: "value.v", below: 3, per: "1m" },
      { absence: "30s", key: "value.k" },
      { sequence: ["value.v == 1", "value.v == 2"], within: "1m" },
    ];
    const branch: Record<string, unknown> = {};
    for (const [i, window] of windows.entries())
      branch[`w${i}`] = [{ window, aggregate: { n: "count" } }, { to: { channel: "x" } }];
    for (const [i, detect] of detectors.entries()) branch[`d${i}`] = [{ detect }];
    const parsed = parsePipelines({
      pipelines: { all: { from: "in", steps: [...steps, { branch }] } },
    });
    if (!parsed.ok) throw new Error(parsed.problems.join("\n"));
    const all = parsed.pipelines.get("all");
    if (all === undefined) throw new Error("none");
    expect(pipelineProblems("all", all)).toEqual([]);
    const { account } = runOffline(all, [{ value: { list: [1, 2, 3] } }]);
    expect(account.events.received).toBe(1);
  });

  test("say every problem with its place", () => {
    const parsed = parsePipelines({
      pipelines: {
        bad: {
          from: 1,
          steps: [
            { filtre: "x" },
            { filter: "value.", more: 1 },
            { filter: "unknown" },
            { window: { tumbling: "soon" }, aggregate: { n: "count" } },
            { window: { tumbling: "1s" }, aggregate: { n: { average: "value" } } },
            { to: { channel: "x", postgres: {} } },
            { throttle: 1 },
          ],
          start: "new",
          other: true,
        },
      },
      extra: 1,
    });
    const text = parsed.ok ? "" : parsed.problems.join("\n");
    for (const part of [
      "the file.extra",
      "pipelines.bad.from: found 1",
      'steps[0]: found "filtre"',
      "steps[1].filter: Cannot use expression",
      "steps[1].more",
      '"unknown" is none of value',
      "steps[3]: Cannot use a window's size",
      'steps[4].aggregate.n: found "average"',
      'steps[5].to: found ["channel","postgres"]',
      "steps[6].throttle: found 1",
      "pipelines.bad.other",
    ])
      expect(text).toContain(part);
    for (const odd of [undefined, null, 1, [], "x", { pipelines: null }, { pipelines: { a: 1 } }])
      expect(parsePipelines(odd).ok).toBe(false);
  });
});

test("sources stand beside pipelines, or alone; what is wrong is told with its place", () => {
  const kafka = { brokers: ["k:9092"], topics: ["plant.{site}"] };
  const parsed = parsePipelines({
    sources: { plant: { kafka, channel: "in:{site}", dead: "dead", start: "new" } },
  });
  expect(parsed.ok && [...parsed.sources]).toEqual([
    [
      "plant",
      { source: "kafka", options: kafka, channel: "in:{site}", dead: "dead", start: "new" },
    ],
  ]);
  const problems = (source: unknown): readonly string[] => {
    const found = parsePipelines({ sources: { plant: source } });
    if (!found.ok) return found.problems;
    return sourceProblems(found.sources);
  };
  expect(problems({ kafka, channel: "in" })).toEqual([]);
  for (const [wrong, place] of [
    [{ kafka }, "sources.plant.channel"],
    [{ channel: "in" }, "kafka or nats"],
    [{ kafka: 4, channel: "in" }, "sources.plant.kafka"],
    [{ kafka, nats: {}, channel: "in" }, "kafka or nats"],
    [{ kafka, channel: "in:{" }, "channel: found in:{"],
    [{ kafka, channel: "in", dead: "dead:{site}" }, "dead: found"],
    [{ kafka, channel: "in", encoding: "xml" }, "encoding: found xml"],
    [{ kafka, channel: "in", start: "now" }, "start: found now"],
    [{ kafka, channel: 4 }, "sources.plant.channel"],
  ] as const)
    expect(problems(wrong).join()).toContain(place);
});
