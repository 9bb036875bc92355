import { expect, test } from "bun:test";
import type { ChannelRules } from "@holdfast/contract";
import type { PubFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  createManualClock,
  createSeededRandom,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import type { ChannelHub } from "../channel/channel-hub.ts";
import { Ring } from "../channel/ring.ts";
import type { Subscription } from "../channel/subscription.ts";
import type { TapBatch, TapEvent } from "./batches.ts";
import { Tap, type TapOptions } from "./tap.ts";

const LIMITS = { batchBytesMax: 1000, batchWaitMs: 50, bufferBytesMax: 4000, handleMsMax: 1000 };
const contract = { channels: { "log:{x}": { history: { size: 100, ttlMs: 60_000 } } } };
const start = () => createEngineHarness({ contract, settings: TEST_SETTINGS });
type Harness = Awaited<ReturnType<typeof start>>;

const publish = (engine: Harness["engine"], text: string) =>
  engine.publish("log:a", { payload: { kind: "json", text: JSON.stringify(text) } });

function open(engine: Harness["engine"], options: Partial<TapOptions> = {}) {
  const batches: TapBatch[] = [];
  const consumer = { handle: async (batch: TapBatch) => void batches.push(batch) };
  const outcome = engine.tap("log:a", { ...LIMITS, consumer, ...options });
  if (!outcome.ok) throw new Error(outcome.message);
  return { tap: outcome.value, batches };
}

const offsets = (events: readonly TapEvent[]) => events.map(({ position }) => position.offset);

test("events wait for others up to the batch's time, or until the batch is full", async () => {
  const { engine, advance, settle } = await start();
  const { batches } = open(engine);
  await settle();
  await publish(engine, "a");
  await publish(engine, "b");
  await advance(LIMITS.batchWaitMs - 10);
  expect(batches).toEqual([]);
  await advance(20);
  expect(batches.map(({ events }) => offsets(events))).toEqual([[1, 2]]);
  await publish(engine, "x".repeat(LIMITS.batchBytesMax));
  await settle();
  expect(batches.map(({ next }) => next.offset)).toEqual([2, 3]);
});

test("a tap goes on behind the position that its consumer kept, and from the oldest that is kept", async () => {
  const { engine, advance } = await start();
  const first = open(engine);
  for (const text of ["a", "b", "c"]) await publish(engine, text);
  await advance(100);
  first.tap.close();
  const kept = first.batches[0]?.next;
  await publish(engine, "d");
  const [second, third] = [
    open(engine, { from: kept ?? "oldest" }),
    open(engine, { from: "oldest" }),
  ];
  await advance(100);
  expect(second.batches.flatMap(({ events }) => offsets(events))).toEqual([4]);
  expect(third.batches.flatMap(({ events }) => offsets(events))).toEqual([1, 2, 3, 4]);
});

test("a batch that fails or is late comes again, whole, and nothing overtakes it", async () => {
  const { engine, advance, settle } = await start();
  const attempts: string[] = [];
  const failed: string[] = [];
  const consumer = {
    handle: ({ events, attempt }: TapBatch): Promise<void> => {
      attempts.push(`${offsets(events)} ${attempt}`);
      if (attempt === 1) return Promise.reject(new Error("no"));
      return attempt === 2 ? new Promise(() => {}) : Promise.resolve();
    },
    failed: (why: string, attempt: number) => void failed.push(`${why} ${attempt}`),
  };
  open(engine, { consumer });
  await settle();
  await publish(engine, "a");
  await advance(100);
  await publish(engine, "b");
  await advance(3000);
  expect(attempts.slice(0, 4)).toEqual(["1 1", "1 2", "1 3", "2 1"]);
  expect(failed.slice(0, 2)).toEqual(["rejected 1", "late 2"]);
});

test("a consumer that stands still costs its buffer and no more; then it gets everything", async () => {
  const { engine, advance } = await start();
  let release: () => void = () => {};
  const seen: number[] = [];
  const consumer = {
    handle: ({ events }: TapBatch) => {
      seen.push(...offsets(events));
      return seen.length > 8
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            release = resolve;
          });
    },
  };
  const { tap } = open(engine, { consumer, handleMsMax: 600_000 });
  await advance(10);
  for (let i = 0; i < 60; i++) await publish(engine, "x".repeat(500));
  await advance(200);
  expect(tap.bufferedBytes).toBeLessThan(LIMITS.bufferBytesMax + TEST_SETTINGS.flow.chunkBytes);
  for (let i = 0; i < 20; i++) {
    release();
    await advance(100);
  }
  expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
});

test("taps are refused for unknown channels and beyond their number, and end with the node", async () => {
  const { engine, advance } = await start();
  const consumer = { handle: () => Promise.resolve() };
  expect(engine.tap("nowhere", { ...LIMITS, consumer })).toMatchObject({ code: "channel_unknown" });
  const { tap } = open(engine);
  for (let i = 1; i < 1024; i++) open(engine);
  expect(engine.tap("log:a", { ...LIMITS, consumer })).toMatchObject({ code: "request_failed" });
  tap.close();
  const last = open(engine);
  await advance(10);
  engine.stop();
  expect(last.tap.phase).toBe("ended");
});

test("a tap whose position the history no longer has is told the gap first", async () => {
  const { engine, advance } = await createEngineHarness({
    contract: { channels: { "log:{x}": { history: { size: 3, ttlMs: 60_000 } } } },
    settings: TEST_SETTINGS,
  });
  const first = open(engine);
  await publish(engine, "a");
  await advance(100);
  first.tap.close();
  const from = first.batches[0]?.next;
  for (let i = 0; i < 30; i++) await publish(engine, "b");
  const second = open(engine, { from: from ?? "oldest" });
  await advance(200);
  const events = second.batches.flatMap((batch) => batch.events);
  expect(events[0]).toMatchObject({ kind: "gap", from: 2, to: 28, reason: "history" });
  expect(offsets(events)).toEqual([28, 29, 30, 31]);
});

/** A tap that is live on a hub played by the test, and full after two publications. */
async function full() {
  const clock = createManualClock();
  const events: TapEvent[] = [];
  const subscriptions: Subscription[] = [];
  const hub = {
    channel: "log:a",
    rules: { stream: { cls: "ordered", sizeMax: 10, ttlMs: 1000 } },
    opened: Promise.resolve(),
    state: "live",
    epoch: "e1",
    passed: 0,
    ring: new Ring(0),
    add: (subscription: Subscription) => void subscriptions.push(subscription),
    goLive: (subscription: Subscription) => {
      subscription.state = "live";
    },
    demote: (subscription: Subscription) => {
      subscription.state = "lagging";
      subscription.cursor = hub.passed;
    },
  };
  const settings = () => TEST_SETTINGS;
  const hubPorts = { clock, random: createSeededRandom(1), observer: { gap: () => {} }, settings };
  const hubs = { acquire: () => hub as unknown as ChannelHub, release: () => {} };
  const tap = new Tap(
    { clock, random: createSeededRandom(1), hubs, hubPorts },
    hub.rules as unknown as ChannelRules,
    {
      ...LIMITS,
      bufferBytesMax: 330,
      handleMsMax: 600_000,
      consumer: {
        handle: (batch) => {
          events.push(...batch.events);
          return new Promise(() => {});
        },
      },
    },
  );
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const pub = (offset: number): void => {
    hub.passed = offset;
    const data = { kind: "json", text: "123456789" } as const;
    tap.push({ t: "pub", ch: "log:a", o: offset, ts: 0, data } satisfies PubFrame);
  };
  pub(1);
  pub(2);
  expect(tap.lagging).toBe(true);
  return { tap, hub, pub, clock, events, subscription: subscriptions[0] };
}

test("a gap behind publications that were passed by is found again, not told before them", async () => {
  const { tap, hub, pub, clock, events, subscription } = await full();
  pub(3);
  hub.passed = 5;
  const pos = { epoch: "e1", offset: 5 };
  tap.push({ t: "gap", ch: "log:a", from: 4, to: 5, reason: "history", pos });
  clock.flush();
  expect([subscription?.state, subscription?.cursor]).toEqual(["lagging", 2]);
  clock.advance(LIMITS.batchWaitMs);
  expect(offsets(events)).toEqual([1, 2]);
});

test("a new epoch behind publications that were passed by is a gap from the first of them", async () => {
  const { tap, hub, pub, clock, events } = await full();
  pub(3);
  hub.epoch = "e2";
  hub.passed = 0;
  const pos = { epoch: "e2", offset: 0 };
  tap.push({ t: "gap", ch: "log:a", from: 4, to: null, reason: "epoch", pos });
  clock.flush();
  clock.advance(LIMITS.batchWaitMs);
  expect(events.at(-1)).toEqual({ kind: "gap", position: pos, from: 3, to: null, reason: "epoch" });
});
