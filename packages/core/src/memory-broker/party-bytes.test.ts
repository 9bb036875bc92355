import { expect, test } from "bun:test";
import { PartyBytes } from "./party-bytes.ts";

const TTL_MS = 60_000;

test("a party that publishes at a steady rate is charged what its publications take", () => {
  const parties = new PartyBytes();
  for (let nowMs = 0; nowMs < 20 * TTL_MS; nowMs += 1000)
    parties.charge("a", 1000, { nowMs, ttlMs: TTL_MS });
  const kept = (TTL_MS / 1000) * 1000;
  expect(parties.of("a", 20 * TTL_MS) / kept).toBeCloseTo(1, 1);
});

test("what displaces its like is charged once, and what others publish not at all", () => {
  const parties = new PartyBytes();
  parties.charge("a", 5000, { nowMs: 0, ttlMs: TTL_MS });
  parties.charge("a", -5000, { nowMs: 0, ttlMs: TTL_MS });
  parties.charge("b", -10, { nowMs: 0, ttlMs: TTL_MS });
  expect([parties.of("a", 0), parties.of("b", 0), parties.of("c", 0)]).toEqual([0, 0, 0]);
});

test("a publication that is kept shortly does not make those that are kept for long fade sooner", () => {
  const parties = new PartyBytes();
  parties.charge("a", 100_000, { nowMs: 0, ttlMs: TTL_MS });
  parties.charge("a", 1, { nowMs: 1, ttlMs: 1 });
  expect(parties.of("a", TTL_MS / 10)).toBeGreaterThan(80_000);
});

test("parties whose publications have expired are forgotten while others come", () => {
  const parties = new PartyBytes();
  for (let i = 0; i < 10_000; i++) parties.charge(`p${i}`, 2000, { nowMs: i * 100, ttlMs: TTL_MS });
  expect(parties.size).toBeLessThan(4 * (TTL_MS / 100));
});
