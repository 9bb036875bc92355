import { expect, test } from "bun:test";
import { createSeededRandom } from "./random.ts";

test("the same seed draws the same numbers and another seed draws others", () => {
  const drawn = (seed: number | string) => {
    const random = createSeededRandom(seed);
    return [random.next(), random.id(), random.int(1000), random.fork("net").next()];
  };
  expect(drawn(7)).toEqual(drawn(7));
  expect(drawn(7)).not.toEqual(drawn(8));
});

test("what a seed draws never changes, so that a failing seed can be replayed for ever", () => {
  const random = createSeededRandom(7);
  expect([
    random.next(),
    random.next(),
    random.id(),
    random.int(1000),
    random.chance(0.5),
    random.pick(["a", "b", "c"]),
    random.fork("net").next(),
    createSeededRandom("text").next(),
  ]).toEqual([
    0.8884996736131653,
    0.2408021488180483,
    "bg32uk4alsuwjkr62tua6uolqe",
    331,
    false,
    "b",
    0.2877380996204978,
    0.8573111830517813,
  ]);
  expect(() => random.pick([])).toThrow("nothing to pick from");
});

test("numbers are spread evenly over [0, 1)", () => {
  const random = createSeededRandom("even");
  const buckets = new Array<number>(16).fill(0);
  for (let draw = 0; draw < 160_000; draw++) {
    const value = random.next();
    expect(value >= 0 && value < 1).toBe(true);
    const bucket = Math.floor(value * 16);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  // Chi squared with 15 degrees of freedom: above 37.7 with probability 0.001 for a good source;
  // the seed is fixed.
  const chiSquared = buckets.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  expect(chiSquared).toBeLessThan(37.7);
});

test("neighbouring seeds start far apart", () => {
  const firsts = Array.from({ length: 1000 }, (_, seed) => createSeededRandom(seed).next());
  expect(new Set(firsts).size).toBe(1000);
  const mean = firsts.reduce((sum, value) => sum + value, 0) / firsts.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.04);
});

test("ids are 26 characters of lower-case base 32 and do not repeat", () => {
  const random = createSeededRandom(1);
  const ids = Array.from({ length: 10_000 }, () => random.id());
  expect(new Set(ids).size).toBe(10_000);
  for (const id of ids) expect(id).toMatch(/^[a-z2-7]{26}$/);
});

test("a fork does not depend on what its parent drew", () => {
  const busy = createSeededRandom(3);
  for (let draw = 0; draw < 10; draw++) busy.next();
  expect(busy.fork("a").id()).toBe(createSeededRandom(3).fork("a").id());
  expect(busy.fork("a").id()).not.toBe(busy.fork("b").id());
});
