import { expect, test } from "bun:test";
import type { Publication } from "@holdfast/protocol";
import { KEPT_BASE_BYTES, KeptLatest, KeptRing, pageBytes, publicationBytes } from "./kept.ts";

const publication = (offset: number, key?: string, text = "1"): Publication => ({
  offset,
  timeMs: 0,
  payload: { kind: "json", text },
  ...(key === undefined ? {} : { key }),
});
const offsets = (list: readonly Publication[]): number[] => list.map(({ offset }) => offset);
const ALL = { limit: 1000, bytesMax: 1_000_000 };
const BOUNDS = { ttlMs: 1000, countMax: 100, bytesMax: 1_000_000 };

for (const [name, make] of [
  ["ring", () => new KeptRing()],
  ["latest", () => new KeptLatest()],
] as const) {
  test(`${name}: it forgets the oldest over its count, its bytes and its time`, () => {
    const kept = make();
    for (let offset = 1; offset <= 5; offset++)
      kept.add(publication(offset, `k${offset}`), offset * 100);
    const each = publicationBytes(publication(1, "k1"));
    expect(kept.bytes).toBe(KEPT_BASE_BYTES + 5 * each);
    kept.trim(500, { ...BOUNDS, countMax: 4 });
    expect(offsets(kept.after(0, ALL))).toEqual([2, 3, 4, 5]);
    kept.trim(500, { ...BOUNDS, bytesMax: KEPT_BASE_BYTES + 4 * each });
    expect(kept.count).toBe(4);
    kept.trim(500, { ...BOUNDS, bytesMax: KEPT_BASE_BYTES + 4 * each - 1 });
    expect(offsets(kept.after(0, ALL))).toEqual([3, 4, 5]);
    kept.trim(1299, BOUNDS);
    expect(kept.count).toBe(3);
    kept.trim(1300, BOUNDS);
    expect([kept.oldest, kept.newest, kept.count]).toEqual([4, 5, 2]);
    expect(kept.bytes).toBe(KEPT_BASE_BYTES + 2 * each);
  });

  test(`${name}: the newest stays however large it is, and goes when its time is over`, () => {
    const kept = make();
    for (let offset = 1; offset <= 3; offset++)
      kept.add(publication(offset, `k${offset}`, "x".repeat(1000)), 0);
    kept.trim(0, { ...BOUNDS, bytesMax: 10 });
    expect(offsets(kept.after(0, ALL))).toEqual([3]);
    kept.trim(1000, { ...BOUNDS, bytesMax: 10 });
    expect([kept.count, kept.bytes]).toEqual([0, KEPT_BASE_BYTES]);
  });

  test(`${name}: a page has what fits its limit and its bytes, from either side`, () => {
    const kept = make();
    for (let offset = 1; offset <= 40; offset++)
      kept.add(publication(offset, `key ${String(offset).padStart(2, "0")}`), 0);
    kept.trim(0, { ...BOUNDS, countMax: 20 });
    const each = pageBytes(publication(1, "key 01"));
    expect(offsets(kept.after(30, { ...ALL, limit: 3 }))).toEqual([31, 32, 33]);
    expect(offsets(kept.before(30, { ...ALL, limit: 3 }))).toEqual([27, 28, 29]);
    expect(offsets(kept.after(0, { ...ALL, limit: 2 }))).toEqual([21, 22]);
    expect(offsets(kept.before(100, { ...ALL, limit: 2 }))).toEqual([39, 40]);
    expect(offsets(kept.after(37, ALL))).toEqual([38, 39, 40]);
    expect(offsets(kept.before(23, ALL))).toEqual([21, 22]);
    expect(offsets(kept.after(20, { ...ALL, bytesMax: 3 * each }))).toEqual([21, 22, 23]);
    expect(offsets(kept.after(20, { ...ALL, bytesMax: 3 * each - 1 }))).toEqual([21, 22]);
    expect(offsets(kept.before(41, { ...ALL, bytesMax: 1 }))).toEqual([40]);
    expect(kept.after(40, ALL)).toEqual([]);
    expect(kept.before(21, ALL)).toEqual([]);
    expect(kept.after(20, { ...ALL, limit: 0 })).toEqual([]);
  });

  test(`${name}: it tells the bytes that one more would free`, () => {
    const kept = make();
    expect(kept.displaced("a", 1)).toBeUndefined();
    kept.add(publication(1, "a", "x".repeat(50)), 0);
    kept.add(publication(2, "b"), 0);
    expect(kept.displaced("c", 3)).toEqual({ bytes: 0, takenMs: 0 });
    expect(kept.displaced("c", 2)?.bytes).toBe(
      publicationBytes(publication(1, "a", "x".repeat(50))),
    );
  });
}

test("latest: a key has its newest publication alone, at the newest place", () => {
  const kept = new KeptLatest();
  kept.add(publication(1, "a", "x".repeat(50)), 0);
  kept.add(publication(2, "b"), 0);
  expect(kept.displaced("a", 2)?.bytes).toBe(publicationBytes(publication(1, "a", "x".repeat(50))));
  kept.add(publication(3, "a"), 0);
  expect(offsets(kept.after(0, ALL))).toEqual([2, 3]);
  expect(kept.bytes).toBe(KEPT_BASE_BYTES + 2 * publicationBytes(publication(1, "a")));
});
