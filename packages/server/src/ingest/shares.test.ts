// Checks that one sender cannot take what others need: in memory, and in each second.
import { expect, test } from "bun:test";
import { IngestShares } from "./shares.ts";

const LIMITS = { bytesInFlightMax: 1_000, bytesPerSecondMax: 1_000, eventsPerSecondMax: 100 };
const A = { party: "key a", address: "10.0.0.1" };
const B = { party: "key b", address: "10.0.0.2" };

test("in memory a sender may have as much as is still free, and gives it back", () => {
  const shares = new IngestShares(LIMITS, () => 0);
  const first = shares.reserve(A);
  expect(first.grow(500)).toBe(true);
  expect(shares.reserve(A).grow(300)).toBe(false);
  const other = shares.reserve(B);
  expect(other.grow(250)).toBe(true);
  expect(other.grow(400)).toBe(false);
  expect(first.grow(100)).toBe(true);
  expect(shares.heldBytes).toBe(350);
  first.release();
  first.release();
  other.release();
  expect(shares.heldBytes).toBe(0);
});

test("who sends more than there is waits, and who sends little does not", () => {
  let nowMs = 0;
  const shares = new IngestShares(LIMITS, () => nowMs);
  expect([shares.waitMs(A), shares.waitMs(B)]).toEqual([0, 0]);
  shares.charge(A, "bytes", 5_000);
  shares.charge(B, "bytes", 10);
  nowMs = 500;
  shares.charge(A, "bytes", 1);
  expect(shares.waitMs(A)).toBeGreaterThan(0);
  expect(shares.waitMs(B)).toBe(0);
  nowMs = 60_000;
  expect(shares.waitMs(A)).toBe(0);
});

test("events count beside bytes, and many keys behind one address share that", () => {
  let nowMs = 0;
  const shares = new IngestShares(LIMITS, () => nowMs);
  const keys = ["x", "y"].map((name) => ({ party: name, address: "10.0.0.9" }));
  for (const key of keys) shares.charge(key, "events", 500);
  shares.charge(B, "events", 1);
  nowMs = 500;
  for (const key of keys) {
    shares.charge(key, "events", 1);
    expect(shares.waitMs(key)).toBeGreaterThan(0);
  }
  expect(shares.waitMs(B)).toBe(0);
});
