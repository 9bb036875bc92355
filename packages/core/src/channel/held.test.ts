import { expect, test } from "bun:test";
import type { Publication } from "@holdfast/protocol";
import { HELD_MAX, HeldBack } from "./held.ts";
import { type OutgoingPage, outgoing } from "./ring.ts";

const publication = (offset: number): Publication => ({
  offset,
  timeMs: 0,
  payload: { kind: "json", text: String(offset) },
});
const page = (offsets: readonly number[], complete: boolean): OutgoingPage => ({
  epoch: "e2",
  head: 9,
  oldest: 1,
  more: !complete,
  complete,
  entries: offsets.map((offset) => outgoing(publication(offset))),
});
const holding = (...held: readonly (readonly [number, string])[]): HeldBack => {
  const back = new HeldBack();
  for (const [offset, epoch] of held) back.add(publication(offset), epoch);
  return back;
};
const offsets = (back: HeldBack): readonly number[] =>
  back.take().map(({ publication: { offset } }) => offset);

test("what came with an epoch that is over is dropped, and what came since the question is kept", () => {
  const back = holding([7, "e1"], [1, "e2"]);
  const before = back.now();
  back.add(publication(2), "e3");
  back.keepOnly("e2", before);
  expect(offsets(back)).toEqual([1, 2]);
  expect(offsets(back)).toEqual([]);
});

test("what was removed is dropped in its own epoch alone", () => {
  const back = holding([3, "e1"], [3, "e2"], [4, "e2"]);
  back.removed(3, "e2");
  expect(offsets(back)).toEqual([3, 4]);
});

test("the oldest goes when more is held than may be", () => {
  const back = new HeldBack();
  for (let offset = 1; offset <= HELD_MAX + 1; offset++) back.add(publication(offset), "e2");
  expect(back.goesOn("e2", HELD_MAX)).toBe(true);
  expect(back.goesOn("e2", HELD_MAX + 1)).toBe(false);
  expect(back.goesOn("e1", 0)).toBe(false);
  const held = offsets(back);
  expect([held.length, held[0], held.at(-1)]).toEqual([HELD_MAX, 2, HELD_MAX + 1]);
});

test("a page is joined with what is held, in order, and an incomplete one only up to its end", () => {
  const joined = (whole: OutgoingPage): readonly number[] =>
    holding([6, "e2"], [4, "e2"], [5, "e1"])
      .joined(whole)
      .map((entry) => entry.publication.offset);
  expect(joined(page([3, 4, 5], true))).toEqual([3, 4, 5, 6]);
  expect(joined(page([3, 5], false))).toEqual([3, 4, 5]);
  expect(joined(page([], false))).toEqual([]);
});
