// Checks the pauses around moves: whose they are, and beside whom.
import { expect, test } from "bun:test";
import { ClientTimes, pausesOf } from "./pauses.ts";

/** Receives something each 100 ms for 20 s; `slow` says which transits take longer. */
function client(slow: (atMs: number) => number = () => 5): ClientTimes {
  const times = new ClientTimes();
  for (let atMs = 0; atMs < 20_000; atMs += 100) times.arrived(atMs, slow(atMs));
  return times;
}
const isBetween = (atMs: number, from: number, to: number) => atMs >= from && atMs < to;

test("the pause of a client that moves stands beside that of one that stays then", () => {
  const mover = client((atMs) => (isBetween(atMs, 10_000, 10_200) ? 80 : 5));
  mover.opened(10_000);
  const { moved, stayed } = pausesOf([mover, client()]);
  expect([moved.totalCount, moved.maxValue, stayed.totalCount, stayed.maxValue]).toEqual([
    1, 80, 1, 5,
  ]);
});

test("a machine that stands still delays both", () => {
  const still = (atMs: number) => (isBetween(atMs, 10_000, 10_300) ? 300 : 5);
  const mover = client(still);
  mover.opened(10_000);
  const { moved, stayed } = pausesOf([mover, client(still)]);
  expect(moved.maxValue - stayed.maxValue).toBe(0);
});

test("what happens long before and after a move is not its pause", () => {
  const mover = client((atMs) => (isBetween(atMs, 9700, 13_000) ? 5 : 500));
  mover.opened(10_000);
  expect(pausesOf([mover, client()]).moved.maxValue).toBe(5);
});

test("who moves at nearly the same time is nobody's measure", () => {
  const [one, two] = [client(), client()];
  one.opened(10_000);
  two.opened(11_000);
  expect(pausesOf([one, two]).moved.totalCount).toBe(0);
  const three = client(() => 7);
  const { moved, stayed } = pausesOf([one, two, three]);
  expect([moved.totalCount, stayed.minNonZeroValue]).toEqual([2, 7]);
});

test("attempts that follow each other closely are one move", () => {
  const mover = client();
  for (const atMs of [10_000, 10_400, 15_000]) mover.opened(atMs);
  expect(mover.movesMs()).toEqual([10_000, 15_000]);
});

test("a client that received nothing then counts on neither side", () => {
  const idle = new ClientTimes();
  idle.opened(10_000);
  const mover = client();
  mover.opened(10_000);
  expect(pausesOf([idle, client()]).moved.totalCount).toBe(0);
  expect(pausesOf([mover, new ClientTimes()]).moved.totalCount).toBe(0);
});

test("a step begins with nothing", () => {
  const mover = client();
  mover.opened(10_000);
  mover.begin();
  expect([mover.movesMs(), mover.longestAround(10_000)]).toEqual([[], undefined]);
});
