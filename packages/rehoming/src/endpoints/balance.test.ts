import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { type Loaded, tooMany } from "./balance.ts";

type Count = number | readonly [clients: number, weight: number];
const of = (...counts: readonly Count[]): readonly Loaded[] =>
  counts.map((one, index) => {
    const [clients, weight] = typeof one === "number" ? [one, 1] : one;
    return { address: "abcdef"[index] ?? "", clients, weight };
  });
const moved = (...counts: readonly Count[]) => Object.fromEntries(tooMany(of(...counts)));

test("an endpoint that was added gets its share, evenly from the others", () => {
  expect(moved(300, 300, 300, 0)).toEqual({ a: 64, b: 64, c: 64 });
  expect(moved(10, 0)).toEqual({ a: 5 });
});

test("an endpoint that was added gets its share of few clients, too", () => {
  expect(moved(7, 7, 6, 0)).toEqual({ a: 2, b: 2, c: 1 });
  // Here nobody had more than 1.05 of its share and a whole client beyond, and the last had 0.4.
  expect(moved(6, 6, 6, 2)).toEqual({ a: 1, b: 1, c: 1 });
});

test("endpoints that are about even give nothing", () => {
  for (const counts of [[], [5], [0, 0], [1, 0], [2, 0], [100, 90, 85], [1000, 820]])
    expect([counts, moved(...counts)]).toEqual([counts, {}]);
});

test("weights count: twice the weight keeps twice the clients", () => {
  expect(moved([200, 2], [100, 1])).toEqual({});
  expect(moved([300, 2], [0, 1])).toEqual({ a: 90 });
  // Almost nothing is wanted there.
  expect(moved([300, 100], [0, 1])).toEqual({});
});

test("1,000 seeds: repeated, it comes to rest, and never moves a client twice for nothing", () => {
  const random = createSeededRandom(3);
  for (let seed = 0; seed < 1000; seed++) {
    const counts = Array.from({ length: 1 + Math.floor(random.next() * 6) }, () => ({
      clients: Math.floor(random.next() * 500),
      weight: 1 + Math.floor(random.next() * 4),
    }));
    let rounds = 0;
    let total = 0;
    for (; rounds < 50; rounds++) {
      const endpoints = counts.map((one, i) => ({ address: `${i}`, ...one }));
      const orders = tooMany(endpoints);
      if (orders.size === 0) break;
      for (const [address, count] of orders) {
        for (let i = 0; i < count; i++) {
          const from = counts[Number(address)];
          // Whoever takes clients: the one with the least load, as the table chooses.
          const to = counts
            .filter((one) => one !== from)
            .sort((a, b) => (a.clients + 1) / a.weight - (b.clients + 1) / b.weight)[0];
          if (from === undefined || to === undefined) throw new TypeError("nobody to move to");
          from.clients -= 1;
          to.clients += 1;
          total += 1;
        }
      }
    }
    expect([seed, rounds < 10]).toEqual([seed, true]);
    expect(total).toBeLessThan(2000);
  }
});
