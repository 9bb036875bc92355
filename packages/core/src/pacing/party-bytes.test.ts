import { expect, test } from "bun:test";
import { PartyBytes } from "./party-bytes.ts";

const TTL_MS = 60_000;

test("a party that publishes at a steady rate is charged what its publications take", () => {
  const parties = new PartyBytes();
  for (let nowMs = 0; nowMs < 20 * TTL_MS; nowMs += 1000)
    parties.charge("a", { bytes: 1000, nowMs, ttlMs: TTL_MS });
  const kept = (TTL_MS / 1000) * 1000;
  expect(parties.of("a", 20 * TTL_MS) / kept).toBeCloseTo(1, 1);
});

test("what displaces its like at once is charged once, and what others publish not at all", () => {
  const parties = new PartyBytes();
  const [nowMs, ttlMs] = [0, TTL_MS];
  parties.charge("a", { bytes: 5000, nowMs, ttlMs });
  parties.charge("a", { bytes: 5000, displaced: { bytes: 5000, ageMs: 0 }, nowMs, ttlMs });
  parties.charge("b", { bytes: 10, displaced: { bytes: 20, ageMs: 0 }, nowMs, ttlMs });
  expect([parties.of("a", 0), parties.of("b", 0), parties.of("c", 0)]).toEqual([5000, 0, 0]);
});

test.each([1.1, 2, 10, 100])(
  "who replaces what is kept %p times a retention stays charged for it, about",
  (times) => {
    const parties = new PartyBytes();
    const ageMs = TTL_MS / times;
    const bytes = 100_000;
    parties.charge("a", { bytes, nowMs: 0, ttlMs: TTL_MS });
    for (let round = 1; round < 1000; round++) {
      const nowMs = round * ageMs;
      parties.charge("a", { bytes, displaced: { bytes, ageMs }, nowMs, ttlMs: TTL_MS });
      expect(parties.of("a", nowMs)).toBeGreaterThan(bytes * 0.99);
      expect(parties.of("a", nowMs)).toBeLessThan(bytes * 1.01);
      expect(parties.of("a", nowMs + ageMs)).toBeGreaterThan(bytes / 3);
    }
  },
);

test("what is kept shortly neither fades later nor makes those that are kept for long fade sooner", () => {
  const parties = new PartyBytes();
  parties.charge("a", { bytes: 100_000, nowMs: 0, ttlMs: TTL_MS });
  parties.charge("a", { bytes: 50_000, nowMs: 1, ttlMs: 10 });
  expect(parties.of("a", TTL_MS / 10)).toBeGreaterThan(80_000);
  expect(parties.of("a", TTL_MS / 10)).toBeLessThan(100_000);
});

test("parties whose publications have expired are forgotten while others come", () => {
  const parties = new PartyBytes();
  for (let i = 0; i < 10_000; i++)
    parties.charge(`p${i}`, { bytes: 2000, nowMs: i * 100, ttlMs: TTL_MS });
  expect(parties.size).toBeLessThan(4 * (TTL_MS / 100));
});

test("parties beyond the limit share one account, until one of the others is forgotten", () => {
  const parties = new PartyBytes(3);
  const charge = (party: string, nowMs: number): void =>
    parties.charge(party, { bytes: 1000, nowMs, ttlMs: TTL_MS });
  for (const party of ["a", "b", "c", "d", "e"]) charge(party, 0);
  expect([parties.of("a", 0), parties.of("d", 0), parties.of("new", 0)]).toEqual([
    1000, 2000, 2000,
  ]);
  expect(parties.size).toBe(4);
  charge("new", 10 * TTL_MS);
  charge("newer", 10 * TTL_MS);
  expect(parties.size).toBeLessThanOrEqual(4);
  expect(parties.of("newer", 10 * TTL_MS)).toBeLessThan(3000);
});

test("nothing is an account of nobody, and after clearing there is none", () => {
  const parties = new PartyBytes();
  parties.charge("a", { bytes: 0, nowMs: 0, ttlMs: TTL_MS });
  expect(parties.size).toBe(0);
  parties.charge("a", { bytes: 1, nowMs: 0, ttlMs: TTL_MS });
  expect(parties.size).toBe(1);
  parties.clear();
  expect([parties.size, parties.of("a", 0)]).toEqual([0, 0]);
});
