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
import { type Outgoing, outgoing, Ring } from "../channel/ring.ts";
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
  const { engine, advance, settle, clock } = await start();
  const { batches, tap } = open(engine);
  await settle();
  const waiting = clock.waiting();
  await publish(engine, "a");
  await publish(engine, "b");
  await advance(LIMITS.batchWaitMs - 10);
  expect(batches).toEqual([]);
  await advance(20);
  expect(batches.map(({ events }) => offsets(events))).toEqual([[1, 2]]);
  // With its quotes, and with what an event takes besides: exactly full.
  const full = "x".repeat(LIMITS.batchBytesMax - 162);
  await publish(engine, full);
  await settle();
  expect(batches.map(({ next }) => next.offset)).toEqual([2, 3]);
  // The time begins anew for those behind a batch, however that one came.
  for (const text of ["c", full, "d"]) await publish(engine, text);
  await settle();
  expect(batches.map(({ next }) => next.offset)).toEqual([2, 3, 5]);
  await advance(LIMITS.batchWaitMs);
  await publish(engine, "e");
  await advance(LIMITS.batchWaitMs);
  expect(batches.map(({ next }) => next.offset)).toEqual([2, 3, 5, 6, 7]);
  expect(tap.bufferedBytes).toBe(0);
  expect(clock.waiting()).toBe(waiting);
});

test("a consumer has one batch at a time, and its answer counts if it was not too late", async () => {
  const { engine, advance } = await start();
  const answers: (() => void)[] = [];
  const attempts: string[] = [];
  const consumer = {
    handle: ({ events, attempt }: TapBatch): Promise<void> => {
      attempts.push(`${offsets(events)} ${attempt}`);
      return new Promise((resolve) => answers.push(resolve));
    },
  };
  open(engine, { consumer });
  await publish(engine, "a");
  await advance(100);
  await publish(engine, "b");
  await advance(100);
  expect(attempts).toEqual(["1 1"]);
  await advance(1050);
  expect(attempts).toEqual(["1 1", "1 2"]);
  answers[0]?.();
  await advance(100);
  expect(attempts).toEqual(["1 1", "1 2"]);
  answers[1]?.();
  await advance(100);
  expect(attempts).toEqual(["1 1", "1 2", "2 1"]);
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

test("a batch that fails again and again comes later each time", async () => {
  const { engine, clock, advance } = await start();
  const cameMs: number[] = [];
  const consumer = {
    handle: (): Promise<void> => {
      cameMs.push(clock.nowMs());
      return Promise.reject(new Error("no"));
    },
  };
  open(engine, { consumer });
  await advance(10);
  await publish(engine, "a");
  await advance(2000);
  for (const [i, ms] of [100, 200, 400].entries()) {
    const waitedMs = (cameMs[i + 1] ?? 0) - (cameMs[i] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(ms / 2);
    expect(waitedMs).toBeLessThanOrEqual(ms);
  }
});

test("a consumer hears nothing any more of a tap that was closed, whatever it was about", async () => {
  const { engine, clock, advance, settle } = await start();
  const heard: string[] = [];
  let reject = (): void => {};
  const consumer = {
    handle: ({ events }: TapBatch): Promise<void> => {
      heard.push(`handle ${offsets(events)}`);
      return new Promise((_resolve, no) => {
        reject = () => no(new Error("no"));
      });
    },
    failed: (why: string) => void heard.push(why),
  };
  const idle = open(engine, { consumer });
  await publish(engine, "a");
  await settle();
  // Waits for others to come with it.
  idle.tap.close();
  const full = open(engine, { consumer });
  await settle();
  await publish(engine, "x".repeat(LIMITS.batchBytesMax));
  clock.flush();
  full.tap.close();
  await advance(1000);
  expect(heard).toEqual(["handle 2"]);
  reject();
  await advance(20_000);
  expect(heard).toEqual(["handle 2"]);
  const failing = open(engine, { consumer });
  await settle();
  await publish(engine, "x".repeat(LIMITS.batchBytesMax));
  await settle();
  reject();
  await settle();
  expect(heard).toEqual(["handle 2", "handle 3", "rejected"]);
  failing.tap.close();
  expect(failing.tap.bufferedBytes).toBe(0);
  await advance(20_000);
  expect(heard).toHaveLength(3);
  expect(engine.info().channels).toBe(0);
});

test("a tap begins when the broker answers, asked later each time, and one that was closed does not", async () => {
  const askedMs: number[] = [];
  const clock = createManualClock();
  const { engine, advance } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    clock,
    wrapBroker: (broker) => {
      const { subscribe } = broker;
      broker.subscribe = (channel, ...more) => {
        if (channel !== "log:a") return subscribe.call(broker, channel, ...more);
        askedMs.push(clock.nowMs());
        return askedMs.length < 4
          ? Promise.reject(new Error("no"))
          : subscribe.call(broker, channel, ...more);
      };
      return broker;
    },
  });
  const { batches } = open(engine);
  const [closed, atOnce] = [open(engine), open(engine)];
  atOnce.tap.close();
  await advance(10);
  closed.tap.close();
  await advance(2000);
  for (const [i, ms] of [100, 200, 400].entries()) {
    const waitedMs = (askedMs[i + 1] ?? 0) - (askedMs[i] ?? 0);
    expect(waitedMs).toBeGreaterThanOrEqual(ms / 2);
    expect(waitedMs).toBeLessThanOrEqual(ms);
  }
  expect(askedMs).toHaveLength(4);
  await publish(engine, "a");
  await advance(100);
  expect(batches.flatMap(({ events }) => offsets(events))).toEqual([1]);
  expect([...closed.batches, ...atOnce.batches]).toEqual([]);
});

test("a tap that was closed costs its channel nothing, also if it never began", async () => {
  let failures = 2;
  const { engine, advance, observed, connect } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { history } = broker;
      broker.history = (channel, ...more) => {
        if (channel !== "log:a" || failures === 0) return history.call(broker, channel, ...more);
        failures -= 1;
        return Promise.reject(new Error("no"));
      };
      return broker;
    },
  });
  const client = await connect();
  await client.send({ t: "subscribe", id: 2, ch: "log:a" });
  for (let i = 0; i < 20; i++) await publish(engine, "a");
  const [late, oldest] = [open(engine), open(engine, { from: "oldest" })];
  await advance(1000);
  expect(failures).toBe(0);
  expect(oldest.batches.flatMap(({ events }) => offsets(events))).toHaveLength(20);
  for (const { tap } of [late, oldest]) tap.close();
  await publish(engine, "b");
  await advance(100);
  expect(observed.at(-1)).toBe("delivered ordered 1 0");
  await client.lose();
  await advance(10_000);
  expect(engine.info().channels).toBe(0);
});

test("a tap that is closed while it begins holds no channel", async () => {
  const { engine, advance } = await start();
  const { tap } = open(engine, { from: "oldest" });
  tap.close();
  tap.close();
  await advance(10_000);
  expect(engine.info().channels).toBe(0);
});

test("a batch is closed by its bytes, with one event at least", async () => {
  const { engine, advance, settle } = await start();
  const { batches } = open(engine, { batchBytesMax: 1 });
  const other = open(engine, { batchBytesMax: 400 });
  await settle();
  for (const text of ["a", "b", "c"]) await publish(engine, text);
  await advance(200);
  expect(batches.map(({ events }) => offsets(events))).toEqual([[1], [2], [3]]);
  expect(other.batches.map(({ events }) => offsets(events))).toEqual([[1, 2, 3]]);
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
async function full(limits: Partial<TapOptions> = {}) {
  const clock = createManualClock();
  const events: TapEvent[] = [];
  const subscriptions: Subscription[] = [];
  let answer = (): void => {};
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
    hearRemovals: () => () => {},
    demote: (subscription: Subscription) => {
      subscription.state = "lagging";
      subscription.cursor = hub.passed;
    },
    frameOf: ({ publication: { offset, payload } }: Outgoing): PubFrame => ({
      t: "pub",
      ch: "log:a",
      o: offset,
      ts: 0,
      data: payload,
    }),
    remove: (subscription: Subscription) => {
      subscription.state = "ended";
    },
  };
  const settings = () => TEST_SETTINGS;
  const hubPorts = {
    clock,
    random: createSeededRandom(1),
    observer: { gap: () => {} },
    felt: { lost: () => {} },
    settings,
  };
  const hubs = { acquire: () => hub as unknown as ChannelHub, release: () => {} };
  const tap = new Tap(
    { clock, random: createSeededRandom(1), hubs, hubPorts },
    hub.rules as unknown as ChannelRules,
    {
      ...LIMITS,
      bufferBytesMax: 338,
      handleMsMax: 600_000,
      ...limits,
      consumer: {
        handle: (batch) => {
          events.push(...batch.events);
          return new Promise((resolve) => {
            answer = resolve;
          });
        },
      },
    },
  );
  for (let i = 0; i < 10; i++) await Promise.resolve();
  const pub = (offset: number): void => {
    hub.passed = offset;
    const data = { kind: "json", text: "123456789" } as const;
    hub.ring.push(outgoing({ offset, timeMs: 0, payload: data }), 100, 100_000);
    if (subscriptions[0]?.state === "live")
      tap.push({ t: "pub", ch: "log:a", o: offset, ts: 0, data } satisfies PubFrame);
  };
  pub(1);
  pub(2);
  expect(tap.lagging).toBe(true);
  const done = async (): Promise<void> => {
    answer();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { tap, hub, pub, clock, events, done, subscription: subscriptions[0] };
}

test("a consumer that is done just when a publication was passed by gets it, and in its turn", async () => {
  const { tap, pub, clock, events, done } = await full();
  clock.advance(LIMITS.batchWaitMs);
  pub(3);
  await done();
  expect(tap.lagging).toBe(false);
  pub(4);
  clock.flush();
  clock.advance(LIMITS.batchWaitMs);
  expect(offsets(events)).toEqual([1, 2, 3, 4]);
});

test("a tap is full at its limit, and takes more again from half of it", async () => {
  const { tap, pub, clock, events, done } = await full({ batchBytesMax: 1 });
  clock.flush();
  pub(3);
  clock.flush();
  await done();
  // Of two that fit one was left, half of them: the next one was taken.
  expect([tap.bufferedBytes, tap.lagging]).toEqual([338, true]);
  clock.flush();
  await done();
  clock.flush();
  expect(offsets(events)).toEqual([1, 2, 3]);
});

test("a full batch of a tap that is closed before its turn is not handed over", async () => {
  const { tap, clock, events } = await full({ batchBytesMax: 1 });
  tap.close();
  clock.advance(10_000);
  expect(events).toEqual([]);
});

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

test("what is removed while it waits for the consumer is not handed over, nor again: a gap stands for it", async () => {
  const { engine, broker, advance, settle } = await start();
  const attempts: string[] = [];
  const consumer = {
    handle: ({ events, attempt }: TapBatch): Promise<void> => {
      const told = events.map((event) =>
        event.kind === "gap" ? `${event.from}-${event.to} ${event.reason}` : event.position.offset,
      );
      attempts.push(`${attempt}: ${told.join(", ")}`);
      return attempt === 1 && attempts.length === 1
        ? Promise.reject(new Error("no"))
        : Promise.resolve();
    },
  };
  const { tap } = open(engine, { consumer });
  await settle();
  const long = "x".repeat(LIMITS.batchBytesMax / 2);
  for (const _ of [1, 2, 3, 4, 5]) await publish(engine, long);
  await settle();
  const held = tap.bufferedBytes;
  await broker.connect("another node").removeHistory("log:a", {
    cls: "ordered",
    sizeMax: 100,
    ttlMs: 60_000,
  });
  await publish(engine, "a");
  await settle();
  expect(tap.bufferedBytes).toBeLessThan(held / 2);
  expect(tap.lag).toBe(6);
  await advance(1_000);
  expect(attempts).toEqual(["1: 1, 2", "2: 1-2 history", "1: 3-5 history, 6"]);
  expect([tap.bufferedBytes, tap.lag]).toEqual([0, 0]);
});

test("lag counts what the consumer has yet to deal with, held or still in the history", async () => {
  const { engine, advance } = await start();
  let release: () => void = () => {};
  const handle = () =>
    new Promise<void>((resolve) => {
      release = resolve;
    });
  const { tap } = open(engine, { consumer: { handle }, handleMsMax: 600_000 });
  await advance(10);
  for (let i = 0; i < 60; i++) await publish(engine, "x".repeat(500));
  await advance(200);
  expect(tap.bufferedBytes).toBeLessThan(60 * 500);
  expect(engine.taps.figures()).toEqual({ lag: 60, bytes: tap.bufferedBytes });
  release();
  await advance(100);
  expect(tap.lag).toBe(58);
  tap.close();
  expect(engine.taps.figures()).toEqual({ lag: 0, bytes: 0 });
});
