// Owns: when the index of states is tidied, on a clock moved by hand.
import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/core";
import { createManualClock } from "@holdfast/testkit";
import { StateSweeper } from "./state-sweeper.ts";

function start(dirtyTimes = 0) {
  const clock = createManualClock();
  let looks = 0;
  let dirty = dirtyTimes;
  const tidy = async (): Promise<boolean> => {
    looks += 1;
    dirty -= 1;
    return dirty >= 0;
  };
  const sweeper = new StateSweeper({ names: { tidy }, clock, random: createSeededRandom(1) });
  return {
    ...{ clock, sweeper },
    looks: () => looks,
    async advance(ms: number): Promise<void> {
      for (let left = ms; left > 0; left -= 50) {
        clock.advance(50);
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      }
    },
  };
}

test("a node that takes no states never wakes for their names", async () => {
  const { clock, advance, looks } = start();
  await advance(60_000);
  expect([clock.waiting(), looks()]).toEqual([0, 0]);
});

test("each taken state pays for a few looks, and then the timer ends", async () => {
  const { clock, sweeper, advance, looks } = start();
  for (let n = 0; n < 1000; n++) sweeper.taken();
  expect(clock.waiting()).toBe(1);
  await advance(200_000);
  expect([clock.waiting(), looks()]).toEqual([0, 80]);
});

test("while many names are dead it goes on at once, at nobody's cost", async () => {
  const { clock, sweeper, advance, looks } = start(20);
  sweeper.taken();
  await advance(3000);
  expect([clock.waiting(), looks()]).toEqual([0, 21]);
});

test("a stopped one does nothing any more", async () => {
  const { clock, sweeper, advance, looks } = start();
  sweeper.taken();
  sweeper.stop();
  sweeper.taken();
  await advance(5000);
  expect([clock.waiting(), looks()]).toEqual([0, 0]);
});
