import { expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { CLOCK_SKEW_MS, Revocations } from "./revocations.ts";

const TTL_MS = 600_000;
const BEFORE_MS = 1_000_000;
const LAST_MS = BEFORE_MS + CLOCK_SKEW_MS;

test("tokens of a user or a session are refused up to the time of the revocation and the clocks' skew", () => {
  const revocations = new Revocations(createManualClock());
  expect(revocations.revoked("s1", "ada", 0)).toBe(false);
  revocations.add({ user: "ada" }, BEFORE_MS);
  revocations.add({ session: "s2" }, BEFORE_MS);
  const revoked = (session: string, user: string | undefined) =>
    [LAST_MS, LAST_MS + 1].map((issuedMs) => revocations.revoked(session, user, issuedMs));
  expect(revoked("s1", "ada")).toEqual([true, false]);
  expect(revoked("s2", undefined)).toEqual([true, false]);
  expect(revoked("s2", "bob")).toEqual([true, false]);
  // A session is not a user, whatever their names are.
  expect(revoked("ada", "s2")).toEqual([false, false]);
  expect(revoked("s1", undefined)).toEqual([false, false]);
});

test("of a user's and a session's revocation the later counts", () => {
  const revocations = new Revocations(createManualClock());
  revocations.add({ user: "ada" }, BEFORE_MS);
  revocations.add({ session: "s1" }, BEFORE_MS + 10);
  revocations.add({ session: "s2" }, BEFORE_MS - 10);
  expect(revocations.revoked("s1", "ada", LAST_MS + 10)).toBe(true);
  expect(revocations.revoked("s2", "ada", LAST_MS)).toBe(true);
});

test("a revocation is kept as long as a token can live, from its newest repetition on", () => {
  const clock = createManualClock({ startMs: 5000 });
  const revocations = new Revocations(clock);
  revocations.add({ user: "ada" }, BEFORE_MS);
  clock.advance(1000);
  revocations.add({ user: "bob" }, BEFORE_MS);
  clock.advance(1000);
  revocations.add({ user: "ada" }, BEFORE_MS);
  expect(revocations.size).toBe(2);
  clock.advance(TTL_MS + CLOCK_SKEW_MS - 1000);
  revocations.sweep(TTL_MS);
  expect(revocations.size).toBe(2);
  clock.advance(1);
  revocations.sweep(TTL_MS);
  expect([revocations.size, revocations.revoked("s", "ada", LAST_MS)]).toEqual([1, true]);
  clock.advance(1000);
  revocations.sweep(TTL_MS);
  expect(revocations.size).toBe(0);
});

test("ten thousand revocations are kept; the oldest gives way", () => {
  const revocations = new Revocations(createManualClock());
  for (let i = 0; i < 10_000; i++) revocations.add({ session: `s${i}` }, BEFORE_MS);
  expect([revocations.size, revocations.revoked("s0", undefined, 0)]).toEqual([10_000, true]);
  revocations.add({ session: "one more" }, BEFORE_MS);
  expect(revocations.size).toBe(10_000);
  const revoked = (session: string) => revocations.revoked(session, undefined, 0);
  expect(["s0", "s1", "one more"].map(revoked)).toEqual([false, true, true]);
});
