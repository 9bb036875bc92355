import { expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { Patience, STUCK_MAX } from "./patience.ts";

const patience = () => {
  const clock = createManualClock();
  return { clock, patience: new Patience({ clock, random: { next: () => 1 } }) };
};

test("a history is no longer believed after mending began at the same place too often in a row", () => {
  const { patience: hub } = patience();
  for (let i = 0; i <= STUCK_MAX; i++) {
    hub.begin(5);
    expect(hub.isOver).toBe(false);
  }
  hub.begin(5);
  expect(hub.isOver).toBe(true);
  hub.begin(6);
  expect(hub.isOver).toBe(false);
});

test("pauses double from 100 ms to 5 s", async () => {
  const { clock, patience: hub } = patience();
  for (const [attempt, ms] of [
    [0, 100],
    [1, 200],
    [5, 3200],
    [6, 5000],
    [50, 5000],
  ] as const) {
    let isOver = false;
    void hub.pause(attempt).then(() => {
      isOver = true;
    });
    clock.advance(ms - 1);
    await Promise.resolve();
    expect([attempt, isOver]).toEqual([attempt, false]);
    clock.advance(1);
    await Promise.resolve();
    expect([attempt, isOver]).toEqual([attempt, true]);
  }
});

test("the first mending at a place begins at once, the next one there waits", async () => {
  const { clock, patience: hub } = patience();
  hub.begin(5);
  await hub.first();
  hub.begin(5);
  let isOver = false;
  void hub.first().then(() => {
    isOver = true;
  });
  for (const over of [false, true]) {
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    expect(isOver).toBe(over);
    clock.advance(200);
  }
});
