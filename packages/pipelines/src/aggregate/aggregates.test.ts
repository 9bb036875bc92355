import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/core";
import fc from "fast-check";
import type { AggregateKind } from "../define/types.ts";
import type { Accumulator } from "./accumulator.ts";
import { AGGREGATES, aggregateOf, NOTHING, WRONG } from "./aggregates.ts";
import { hash32 } from "./hash.ts";

const start = (aggregate: AggregateKind, parameter?: number) =>
  aggregateOf({ aggregate, ...(parameter === undefined ? {} : { parameter }) });

function filled(kind: AggregateKind, values: readonly unknown[], parameter?: number): Accumulator {
  const aggregate = start(kind, parameter);
  const accumulator = aggregate.start();
  values.forEach((value, i) => {
    const input = aggregate.check(value);
    if (input === WRONG) throw new RangeError(String(value));
    if (input !== NOTHING) accumulator.add(input as never, i);
  });
  return accumulator;
}

const numbers = fc.array(fc.double({ noNaN: true, min: -1e12, max: 1e12 }), { minLength: 1 });
const near = (found: unknown, expected: number, scale: number): void =>
  expect(Math.abs((found as number) - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, scale));

test("aggregates of numbers are those of a naive recomputation", () => {
  fc.assert(
    fc.property(numbers, (values) => {
      const size = values.reduce((sum, value) => sum + Math.abs(value), 0);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      expect(filled("min", values).value()).toBe(Math.min(...values));
      expect(filled("max", values).value()).toBe(Math.max(...values));
      near(filled("sum", values).value(), mean * values.length, size);
      near(filled("mean", values).value(), mean, size);
      const variance = filled("variance", values).value();
      if (values.length < 2) expect(variance).toBeNull();
      else near(variance, squares / (values.length - 1), size * size);
    }),
  );
});

test("sums are compensated: small terms are not lost beside large ones", () => {
  expect(filled("sum", [1, 1e100, 1, -1e100]).value()).toBe(2);
  expect(filled("mean", [1, 1e100, 1, -1e100]).value()).toBe(0.5);
  const tenth = new Array(1_000_000).fill(0.1);
  expect(filled("sum", tenth).value()).toBe(100_000);
  // Welford: the naive formula loses everything here.
  expect(filled("variance", [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]).value()).toBe(30);
});

test("what was merged is what was added in one go, and saving changes nothing", () => {
  const parameters: Partial<Record<AggregateKind, number>> = { quantile: 0.9, topK: 3 };
  const texts = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 60 });
  const integers = fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 60 });
  for (const kind of AGGREGATES) {
    const inputs = kind === "topK" || kind === "distinct" ? texts : integers;
    const values: fc.Arbitrary<unknown[]> =
      kind === "count" ? fc.array(fc.boolean()) : (inputs as fc.Arbitrary<unknown[]>);
    fc.assert(
      fc.property(values, values, (one, two) => {
        const aggregate = start(kind, parameters[kind]);
        const whole = filled(kind, [...one, ...two], parameters[kind]);
        const parts = [filled(kind, one, parameters[kind]), aggregate.start()] as const;
        for (const [i, value] of two.entries())
          parts[1].add(aggregate.check(value) as never, one.length + i);
        const saved = JSON.parse(JSON.stringify(parts[0].save()));
        const loaded = aggregate.start(saved);
        expect(JSON.stringify(loaded.save())).toBe(JSON.stringify(saved));
        loaded.merge(parts[1] as never);
        const [found, expected] = [loaded.value(), whole.value()];
        if (typeof expected === "number") near(found, expected, 1e6);
        else expect(found).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  }
});

test("quantiles are within 1 % of the exact ones, over many magnitudes and both signs", () => {
  const random = createSeededRandom("quantiles");
  const draws: readonly (() => number)[] = [
    () => random.next() * 100,
    () => Math.exp(random.next() * 40 - 20),
    () => (random.next() - 0.5) * 1e6,
    () => Math.round(random.next() * 3),
  ];
  for (const draw of draws) {
    const values = Array.from({ length: 20_000 }, draw);
    const sorted = [...values].sort((a, b) => a - b);
    for (const q of [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = sorted[Math.floor(q * (sorted.length - 1))] ?? 0;
      const found = filled("quantile", values, q).value() as number;
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(Math.abs(exact) * 0.01 + 1e-12);
    }
  }
});

test("a sketch of quantiles has a bounded number of bins, and loses the smallest values first", () => {
  const values = Array.from({ length: 5000 }, (_, i) => 1.1 ** (i - 2500));
  const sketch = filled("quantile", values, 0.99);
  expect(sketch.bytes).toBeLessThanOrEqual(64 + 32 * 2049);
  const exact = 1.1 ** (Math.floor(0.99 * 4999) - 2500);
  expect(Math.abs((sketch.value() as number) / exact - 1)).toBeLessThanOrEqual(0.01);
});

test("different values are counted within 5 %, which is three standard errors", () => {
  for (const count of [0, 1, 10, 100, 500, 1000, 10_000, 300_000]) {
    const values = Array.from({ length: count }, (_, i) => `device ${i}`);
    const found = filled("distinct", values).value() as number;
    expect(Math.abs(found - count)).toBeLessThanOrEqual(count <= 100 ? 1 : count * 0.05);
  }
  const twice = Array.from({ length: 20_000 }, (_, i) => i % 5000);
  expect(filled("distinct", twice).value()).toBe(filled("distinct", twice.slice(0, 5000)).value());
  const errors = Array.from({ length: 100 }, (_, run) => {
    const values = Array.from({ length: 5000 }, (_, i) => `${run}/${i}`);
    return ((filled("distinct", values).value() as number) - 5000) / 5000;
  });
  const bias = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  const deviation = Math.sqrt(errors.reduce((sum, e) => sum + e * e, 0) / errors.length);
  expect(Math.abs(bias)).toBeLessThan(0.005);
  expect(deviation).toBeLessThan(0.022);
});

test("the most frequent values are found, and the true count is within what is said", () => {
  const random = createSeededRandom("top");
  const truth = new Map<string, number>();
  const values = Array.from({ length: 50_000 }, () => {
    // Zipf-like over 5,000 values.
    const value = `v${Math.floor(5000 ** random.next())}`;
    truth.set(value, (truth.get(value) ?? 0) + 1);
    return value;
  });
  const exact = [...truth].sort(([, a], [, b]) => b - a).slice(0, 10);
  const accumulator = filled("topK", values, 10);
  const top = accumulator.value() as readonly { value: string; count: number; error: number }[];
  expect(top.map(({ value }) => value).sort()).toEqual(exact.map(([value]) => value).sort());
  for (const { value, count, error } of top) {
    expect(truth.get(value) ?? 0).toBeLessThanOrEqual(count);
    expect(truth.get(value) ?? 0).toBeGreaterThanOrEqual(count - error);
  }
  expect(accumulator.bytes).toBeLessThan(20_000);
});

test("inputs that are none are refused or left out", () => {
  const table: readonly [AggregateKind, unknown, unknown][] = [
    ["sum", "1", WRONG],
    ["sum", Number.NaN, WRONG],
    ["mean", Number.POSITIVE_INFINITY, WRONG],
    ["max", null, NOTHING],
    ["min", undefined, NOTHING],
    ["variance", 1n, WRONG],
    ["count", 1, WRONG],
    ["distinct", {}, WRONG],
    ["distinct", "x".repeat(5000), WRONG],
    ["distinct", 1, "1"],
    ["topK", null, NOTHING],
    ["first", () => 1, WRONG],
    ["last", { a: "x".repeat(5000) }, WRONG],
    ["last", undefined, null],
    ["last", { a: [1] }, { a: [1] }],
  ];
  for (const [kind, input, expected] of table) expect(start(kind).check(input)).toEqual(expected);
});

test("the hash never changes: partitions and kept sketches depend on it", () => {
  const texts = ["", "a", "ab", "device 7", "é\u{1f600}"];
  expect(texts.map((text) => hash32(text))).toEqual([
    0, 453868544, 374890698, 1703691209, 2019753799,
  ]);
  expect(hash32("device 7", 1)).not.toBe(hash32("device 7"));
});
