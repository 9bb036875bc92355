import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Outgoing, outgoing, Ring } from "./ring.ts";

const entry = (offset: number, length = 0): Outgoing =>
  outgoing({
    offset,
    timeMs: 0,
    payload: { kind: "json", text: "x".repeat(length) },
  });
const offsets = (entries: readonly Outgoing[]): number[] =>
  entries.map(({ publication }) => publication.offset);
const SIZE = entry(1).size;

test("it keeps the newest up to its count and bytes, both reached, not passed", () => {
  const ring = new Ring(0);
  for (let offset = 1; offset <= 5; offset++) ring.push(entry(offset), 3, 1_000_000);
  expect(offsets(ring.after(0, 1_000_000))).toEqual([3, 4, 5]);
  ring.push(entry(6), 10, 4 * SIZE);
  expect(offsets(ring.after(0, 1_000_000))).toEqual([3, 4, 5, 6]);
  ring.push(entry(7), 10, 4 * SIZE - 1);
  expect(offsets(ring.after(0, 1_000_000))).toEqual([5, 6, 7]);
  ring.push(entry(8, 10 * SIZE), 10, 4 * SIZE);
  expect(ring.size).toBe(0);
  expect([ring.covers(7), ring.covers(8)]).toEqual([false, true]);
});

test("a read ends when its bytes are reached, with one entry at least", () => {
  const ring = new Ring(0);
  for (let offset = 1; offset <= 5; offset++) ring.push(entry(offset), 10, 1_000_000);
  expect(offsets(ring.after(1, 2 * SIZE))).toEqual([2, 3]);
  expect(offsets(ring.after(1, 2 * SIZE + 1))).toEqual([2, 3, 4]);
  expect(offsets(ring.after(1, 1))).toEqual([2]);
  expect(offsets(ring.after(5, 1))).toEqual([]);
});

test("it covers an offset exactly when everything after it is there, whatever was pushed and forgotten", () => {
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ does: fc.constant("push" as const), by: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("forget" as const), by: fc.nat(6) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant("reset" as const), by: fc.nat(3) }) },
  );
  const limits = fc.record({
    count: fc.integer({ min: 1, max: 50 }),
    sizes: fc.integer({ min: 1, max: 60 }),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 200, size: "max" }),
      limits,
      (steps, { count, sizes }) => {
        const ring = new Ring(0);
        let model: Outgoing[] = [];
        let floor = 0;
        let newest = 0;
        for (const { does, by } of steps) {
          if (does === "push") {
            newest += 1 + by;
            const pushed = entry(newest, by);
            ring.push(pushed, count, sizes * SIZE);
            model.push(pushed);
            const bytes = () => model.reduce((sum, { size }) => sum + size, 0);
            while (model.length > count || bytes() > sizes * SIZE)
              floor = model.shift()?.publication.offset ?? floor;
          } else if (does === "forget") {
            const to = newest - by;
            ring.forget(to);
            model = model.filter(({ publication }) => publication.offset > to);
            floor = Math.max(floor, to);
          } else {
            newest += by;
            ring.reset(newest);
            model = [];
            floor = newest;
          }
          expect(ring.size).toBe(model.length);
          expect([ring.covers(floor - 1), ring.covers(floor)]).toEqual([false, true]);
          for (const from of [0, floor, newest - 2, newest])
            expect(ring.after(from, 1_000_000)).toEqual(
              model.filter(({ publication }) => publication.offset > from),
            );
        }
      },
    ),
  );
});
