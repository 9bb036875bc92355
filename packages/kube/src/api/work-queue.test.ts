import { expect, test } from "bun:test";
import { createManualClock, type ManualClock } from "@holdfast/testkit";
import { KubeApiError } from "./kube-api-error.ts";
import { WorkQueue, type WorkQueueEvent, type WorkQueueOptions } from "./work-queue.ts";

const HALF = { next: () => 0.5 };

interface Worked {
  readonly key: string;
  end(afterMs?: number): Promise<void>;
  fail(error?: unknown): Promise<void>;
}

function setUp(options: Partial<WorkQueueOptions> = {}) {
  const clock = createManualClock();
  const running: Worked[] = [];
  const events: WorkQueueEvent[] = [];
  const queue = new WorkQueue({
    ...{ clock, random: HALF, tell: (event) => events.push(event) },
    work: (key) =>
      new Promise((resolve, reject) => {
        running.push({
          key,
          end: async (afterMs) => {
            running.splice(0, 1);
            resolve(afterMs);
            await settle();
          },
          fail: async (error = new TypeError("no")) => {
            running.splice(0, 1);
            reject(error);
            await settle();
          },
        });
      }),
    ...options,
  });
  return { clock, queue, running, events, keys: () => running.map(({ key }) => key) };
}

/** Lets promises run; there is no time in it. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await undefined;
}

async function later(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms);
  await settle();
}

test("a key that is added often waits once", async () => {
  const { queue, running, keys, clock } = setUp();
  for (let index = 0; index < 10; index += 1) queue.add("a");
  queue.add("b");
  await settle();
  expect(keys()).toEqual(["a"]);
  await running[0]?.end();
  expect(keys()).toEqual(["b"]);
  await running[0]?.end();
  await later(clock, 3_600_000);
  expect([keys(), queue.size]).toEqual([[], 0]);
});

test("keys that are due and find no worker are counted as waiting", async () => {
  const { queue, running } = setUp();
  for (const key of ["a", "b", "c"]) queue.add(key);
  queue.addAfter("later", 60_000);
  await settle();
  expect([queue.waiting, queue.working, queue.size]).toEqual([2, 1, 4]);
  await running[0]?.end();
  expect([queue.waiting, queue.working, queue.size]).toEqual([1, 1, 3]);
});

test("two workers never have one key; what is added meanwhile is done again after a gap", async () => {
  const { queue, running, keys, clock } = setUp({ workers: 2 });
  queue.add("a");
  await settle();
  queue.add("a");
  queue.add("a");
  queue.add("b");
  queue.add("c");
  await settle();
  expect([keys(), queue.working, queue.size]).toEqual([["a", "b"], 2, 3]);
  await running[0]?.end();
  expect(keys()).toEqual(["b", "c"]);
  await running[0]?.end();
  expect(keys()).toEqual(["c"]);
  await later(clock, 49);
  expect(keys()).toEqual(["c"]);
  await later(clock, 1);
  expect(keys()).toEqual(["c", "a"]);
});

test("the earliest time counts", async () => {
  const { queue, keys, clock } = setUp();
  queue.addAfter("a", 1000);
  queue.addAfter("a", 500);
  queue.addAfter("a", 2000);
  await later(clock, 499);
  expect(keys()).toEqual([]);
  await later(clock, 1);
  expect(keys()).toEqual(["a"]);
  await later(clock, 5000);
  expect([keys(), queue.size]).toEqual([["a"], 1]);
});

test("work says when its key is due again; a time that was asked for earlier wins", async () => {
  const { queue, running, keys, clock } = setUp();
  queue.add("a");
  await settle();
  queue.addAfter("a", 300);
  await running[0]?.end(1000);
  await later(clock, 299);
  expect(keys()).toEqual([]);
  await later(clock, 1);
  expect(keys()).toEqual(["a"]);
  await running[0]?.end(1000);
  await later(clock, 1000);
  expect(keys()).toEqual(["a"]);
  await running[0]?.end(0);
  expect(keys()).toEqual([]);
  await later(clock, 50);
  expect(keys()).toEqual(["a"]);
});

test("failures wait longer and longer, whatever is added, and a success forgets them", async () => {
  const { queue, running, keys, clock, events } = setUp({ backoff: { firstMs: 400, maxMs: 1000 } });
  queue.add("a");
  await settle();
  // Three quarters, as half of each wait is chance.
  for (const waitMs of [300, 600, 750, 750]) {
    queue.add("a");
    await running[0]?.fail();
    queue.add("a");
    queue.addAfter("a", 10);
    await later(clock, waitMs - 1);
    expect(keys()).toEqual([]);
    await later(clock, 1);
    expect(keys()).toEqual(["a"]);
  }
  await running[0]?.end();
  queue.add("a");
  await settle();
  await running[0]?.fail();
  expect(events.flatMap((event) => (event.type === "failed" ? [event.retryMs] : []))).toEqual([
    300, 600, 750, 750, 300,
  ]);
});

test("a server that asks to wait is obeyed", async () => {
  const { queue, running, keys, clock } = setUp();
  queue.add("a");
  await settle();
  const busy = { status: 429, reason: "TooManyRequests", retryAfterMs: 20_000 };
  await running[0]?.fail(new KubeApiError("busy", busy));
  await later(clock, 19_999);
  expect(keys()).toEqual([]);
  await later(clock, 1);
  expect(keys()).toEqual(["a"]);
});

test("one key that fails does not keep others waiting", async () => {
  const { queue, running, keys } = setUp();
  queue.add("a");
  queue.add("b");
  await settle();
  await running[0]?.fail();
  expect(keys()).toEqual(["b"]);
});

test("more keys than the limit are refused, and told", () => {
  const { queue, events } = setUp({ keysMax: 2 });
  expect(["a", "b", "c", "a"].map((key) => queue.add(key))).toEqual([true, true, false, true]);
  expect(events).toEqual([{ type: "refused", key: "c" }]);
});

test("work that throws at once, and an observer that throws, stop nothing", async () => {
  const clock = createManualClock();
  let works = 0;
  const queue = new WorkQueue({
    ...{ clock, random: HALF },
    work: () => {
      works += 1;
      throw new TypeError("at once");
    },
    tell: () => {
      throw new TypeError("mine");
    },
  });
  queue.add("a");
  await settle();
  for (let round = 0; round < 5; round += 1) await later(clock, 30_000);
  expect(works).toBe(6);
});

test("says how long the oldest work runs", async () => {
  const { queue, running, clock } = setUp({ workers: 2 });
  expect(queue.oldestMs(clock.nowMs())).toBe(0);
  queue.add("a");
  await later(clock, 1000);
  queue.add("b");
  await later(clock, 500);
  expect(queue.oldestMs(clock.nowMs())).toBe(1500);
  await running[0]?.end();
  expect(queue.oldestMs(clock.nowMs())).toBe(500);
});

test("a stop waits for the work that runs and begins no more", async () => {
  const { queue, running, keys, clock } = setUp();
  queue.add("a");
  queue.add("b");
  queue.addAfter("c", 10);
  await settle();
  let isStopped = false;
  const stopped = queue.stop().then(() => {
    isStopped = true;
  });
  expect(queue.add("d")).toBe(false);
  await later(clock, 1000);
  expect([keys(), isStopped]).toEqual([["a"], false]);
  await running[0]?.end(5);
  await stopped;
  await later(clock, 1000);
  expect([keys(), queue.size, clock.waiting()]).toEqual([[], 0, 0]);
});
