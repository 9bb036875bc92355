import { expect, test } from "bun:test";
import { WaitingRoom } from "./waiting-room.ts";

test("a client that floods is refused before others are", () => {
  const room = new WaitingRoom(() => 1000);
  const [flood, other] = [room.one(), room.one()];
  let flooded = 0;
  while (flood.take(10)) flooded += 10;
  expect(flooded).toBe(500);
  expect(other.take(200)).toBe(true);
  expect(room.taken).toBe(700);
  flood.give(flooded);
  expect([room.taken, flood.take(400), flood.take(400)]).toEqual([200, true, false]);
});

test("less room from now on refuses, and takes nothing from anybody", () => {
  let bytesMax = 1000;
  const room = new WaitingRoom(() => bytesMax);
  const one = room.one();
  expect(one.take(400)).toBe(true);
  bytesMax = 100;
  expect([one.take(1), room.taken]).toEqual([false, 400]);
  one.give(400);
  expect(room.taken).toBe(0);
});
