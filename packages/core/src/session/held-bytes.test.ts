import { expect, test } from "bun:test";
import { HeldBytes, type Holder } from "./held-bytes.ts";

const holder = (party: string): Holder => ({ party, heldBytes: 0 });
const fill = (held: HeldBytes, one: Holder): number => {
  while (held.charge(one, 1));
  return one.heldBytes;
};

test("one party fills half of the room, two fill two thirds, and the next finds some", () => {
  const held = new HeldBytes(800);
  expect(fill(held, holder("a"))).toBe(400);
  expect(fill(held, holder("b"))).toBe(200);
  expect(fill(held, holder("c"))).toBe(100);
  expect(held.total).toBe(700);
});

test("two that each ask in turn get a third, and connections of one party count together", () => {
  const held = new HeldBytes(900);
  const [a, again, b] = [holder("a"), holder("a"), holder("b")];
  for (let i = 0; i < 1000; i++) {
    held.charge(i % 2 === 0 ? a : again, 1);
    held.charge(b, 1);
  }
  expect(a.heldBytes + again.heldBytes).toBe(300);
  expect(b.heldBytes).toBe(300);
  expect(held.parties).toBe(2);
});

test("what is given back is free again, once, and the party is forgotten", () => {
  const held = new HeldBytes(100);
  const one = holder("a");
  expect(held.charge(one, 40)).toBe(true);
  expect(held.charge(one, 40)).toBe(false);
  held.release(one, 30);
  expect([one.heldBytes, held.total, held.parties]).toEqual([10, 10, 1]);
  held.release(one, 30);
  expect([one.heldBytes, held.total, held.parties]).toEqual([0, 0, 0]);
});

test("a connection takes what it holds along to the party that it turns out to be of", () => {
  const held = new HeldBytes(100);
  const [one, other] = [holder("a:address"), holder("a:address")];
  held.charge(one, 30);
  held.move(one, "u:user");
  expect(held.charge(other, 35)).toBe(true);
  expect(held.charge(one, 10)).toBe(false);
  held.release(one, 30);
  held.release(other, 35);
  expect([held.total, held.parties]).toEqual([0, 0]);
});
